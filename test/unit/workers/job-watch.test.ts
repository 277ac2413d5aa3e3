import { beforeEach, describe, expect, it } from 'vitest';
import { Job, type JobKeeper } from '../../../src/core/job.ts';
import type { OutputMessage } from '../../../src/protocol/messages.ts';
import { JobWatch } from '../../../src/workers/job-watch.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { jobRequest } from '../../support/jobs.ts';

const TIMEOUT_MS = 10_000;
const nobody: JobKeeper = { abandoned: () => {}, taken: () => {}, begun: () => {}, ended: () => {} };

let clock: FakeClock;
let watch: JobWatch;
let overdue: number[];
let silences: number;
let waitingForReader: Set<number>;

beforeEach(() => {
  clock = new FakeClock();
  overdue = [];
  silences = 0;
  waitingForReader = new Set();
  watch = new JobWatch({
    timeoutMs: TIMEOUT_MS,
    clock,
    isWaitingForReader: (id) => waitingForReader.has(id),
    onOverdue: (id) => overdue.push(id),
    onSilence: () => {
      silences += 1;
    },
  });
});

const jobs = (...ids: number[]) => ids.map((id) => new Job(id, jobRequest(), clock.now(), Infinity, nobody));

function output(job: number, last: boolean): OutputMessage {
  const outputs = [{ job, last, as: 'text', status: 200, reason: '', headers: [] } as const];
  return { type: 'output', outputs, handlerMs: undefined };
}

describe('the watch over jobs side by side', () => {
  it('gives up the one that is silent for too long, and not those that say something', () => {
    watch.begin(jobs(1, 2));
    clock.advance(6_000);
    watch.heard(output(2, false));
    clock.advance(4_000);
    expect(overdue).toEqual([1]);
    clock.advance(1_000);
    watch.heard(output(2, true));
    clock.advance(60_000);
    expect({ overdue, silences }).toEqual({ overdue: [1], silences: 0 });
    expect(clock.pendingTimers).toBe(0);
  });

  it('counts from when a job was begun with, not from what was given later', () => {
    watch.begin(jobs(1));
    clock.advance(5_000);
    watch.heard({ type: 'started', jobs: [1] });
    watch.begin(jobs(2));
    clock.advance(9_999);
    expect(overdue).toEqual([]);
    clock.advance(1);
    expect(overdue).toEqual([1, 2]);
  });

  it('takes the worker for hung when nothing at all comes after a job was given up', () => {
    watch.begin(jobs(1));
    clock.advance(TIMEOUT_MS);
    expect(silences).toBe(0);
    clock.advance(5_000);
    expect(silences).toBe(1);
  });

  it('keeps a worker that still answers, whatever becomes of the job', () => {
    watch.begin(jobs(1));
    clock.advance(TIMEOUT_MS);
    watch.heard({
      type: 'error',
      code: 'PREDICTION_FAILED',
      message: '',
      jobs: [9],
      status: undefined,
      trace: undefined,
    });
    clock.advance(60_000);
    expect(silences).toBe(0);
  });

  it('does not blame a job for its reader, and is patient anew when that reads on', () => {
    waitingForReader.add(1);
    watch.begin(jobs(1));
    clock.advance(25_000);
    expect(overdue).toEqual([]);
    waitingForReader.clear();
    watch.readOn(1);
    clock.advance(9_999);
    expect(overdue).toEqual([]);
    clock.advance(1);
    expect(overdue).toEqual([1]);
  });
});
