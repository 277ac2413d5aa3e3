import { describe, expect, it } from 'vitest';
import { Throughput } from '../../../src/core/throughput.ts';

/** Batches of `size` that come back as a whole, `tookMs` after one another, while more jobs wait; returns when the last was over. */
function work(throughput: Throughput, size: number, tookMs: number, batches: number, from = 0): number {
  let now = from;
  throughput.look(true, now);
  for (let batch = 0; batch < batches; batch += 1) {
    now += tookMs;
    for (let job = 0; job < size; job += 1) throughput.finished(now);
    throughput.look(true, now);
  }
  return now;
}

describe('throughput', () => {
  it.each([1, 8, 32, 100])('is learned from batches of %i as what each job takes', (batchSize) => {
    const throughput = new Throughput(batchSize);
    work(throughput, batchSize, batchSize * 10, 50);
    expect(throughput.timeForMs(1)).toBeCloseTo(10, 6);
    expect(throughput.timeForMs(7)).toBeCloseTo(70, 6);
  });

  it('is not known before some jobs have been over while others waited', () => {
    const throughput = new Throughput(1);
    throughput.finished(5);
    work(throughput, 1, 10, 7);
    expect(throughput.timeForMs(1)).toBeUndefined();
    work(throughput, 1, 10, 1, 1_000_000);
    expect(throughput.timeForMs(1)).toBeDefined();
  });

  it('leaves out the time in which nothing waited', () => {
    const throughput = new Throughput(1);
    const now = work(throughput, 1, 10, 40);
    throughput.look(false, now);
    work(throughput, 1, 10, 40, now + 3_600_000);
    expect(throughput.timeForMs(1)).toBeCloseTo(10, 6);
  });

  it('follows a model that has become slower or quicker within some batches', () => {
    const throughput = new Throughput(8);
    let now = work(throughput, 8, 80, 50);
    now = work(throughput, 8, 800, 20, now);
    expect(throughput.timeForMs(1)).toBeGreaterThan(80);
    work(throughput, 8, 80, 40, now);
    expect(throughput.timeForMs(1)).toBeLessThan(15);
  });

  it('counts a stall as some usual batches and no more', () => {
    const throughput = new Throughput(8);
    const now = work(throughput, 8, 80, 50);
    work(throughput, 8, 3_600_000, 1, now);
    expect(throughput.timeForMs(1)).toBeLessThan(40);
    work(throughput, 8, 80, 30, now + 3_600_000);
    expect(throughput.timeForMs(1)).toBeLessThan(12);
  });
});
