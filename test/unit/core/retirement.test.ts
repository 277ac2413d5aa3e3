import { describe, expect, it } from 'vitest';
import { isUnlimited, jittered, NO_WORKER_LIMITS, retirementReason } from '../../../src/core/retirement.ts';

const MEBIBYTE = 1024 * 1024;
const limits = { maxRequests: 1_000, maxAgeMs: 60_000, maxResidentBytes: 500 * MEBIBYTE };
const fresh = { finishedRequests: 0, ageMs: 0, residentBytes: 0 };

describe('a worker', () => {
  it.each([
    [{ finishedRequests: 1_000 }, 'it has answered 1000 requests (maxRequestsPerWorker)'],
    [{ ageMs: 60_400 }, 'it has served for 60 s (maxWorkerAgeSec)'],
    [{ residentBytes: 512 * MEBIBYTE }, 'it has 512 MiB in memory, of 500 MiB (maxWorkerRssBytes)'],
  ])('that has come to %j is replaced', (use, reason) => {
    expect(retirementReason(limits, { ...fresh, ...use })).toBe(reason);
  });

  it('that is below every limit stays', () => {
    const use = { finishedRequests: 999, ageMs: 59_999, residentBytes: 500 * MEBIBYTE - 1 };
    expect(retirementReason(limits, use)).toBeUndefined();
  });

  it('without limits stays whatever it has come to', () => {
    const use = { finishedRequests: 1e12, ageMs: 1e12, residentBytes: 1e15 };
    expect(retirementReason(NO_WORKER_LIMITS, use)).toBeUndefined();
    expect(isUnlimited(NO_WORKER_LIMITS)).toBe(true);
    expect(isUnlimited({ ...NO_WORKER_LIMITS, maxAgeMs: 1 })).toBe(false);
  });
});

describe('the jitter', () => {
  it('brings requests and age up to a tenth forward and never back, and leaves memory', () => {
    expect(jittered(limits, () => 0)).toEqual(limits);
    expect(jittered(limits, () => 1)).toEqual({ ...limits, maxRequests: 900, maxAgeMs: 54_000 });
    expect(jittered({ ...limits, maxRequests: 1 }, () => 1).maxRequests).toBe(1);
    expect(jittered(NO_WORKER_LIMITS, () => 0.5)).toEqual(NO_WORKER_LIMITS);
  });
});
