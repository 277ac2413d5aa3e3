import { beforeEach, describe, expect, it } from 'vitest';
import { ServingError } from '../../../src/core/errors.ts';
import type { WorkerExit } from '../../../src/core/worker-state.ts';
import { Signal } from '../../../src/workers/signal.ts';
import { WorkerStart } from '../../../src/workers/worker-start.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { rejectionOf } from '../../support/thrown.ts';

const LINES = ['Fatal Python error', 'Thread 0x1 (most recent call first):', '  File "/m/h.py", line 3 in load'];
const CRASH: WorkerExit = {
  exitCode: null,
  signal: 'SIGSEGV',
  stderrTail: LINES,
  killedFor: undefined,
  memory: undefined,
};

let clock: FakeClock;
let stopping: Signal;
let signals: string[];
let exit: (exit: WorkerExit) => void;
let start: WorkerStart;

beforeEach(() => {
  clock = new FakeClock();
  stopping = new Signal();
  signals = [];
  const exited = new Promise<WorkerExit>((resolve) => {
    exit = resolve;
  });
  const signal = (name: string, why: string) => {
    signals.push(`${name}: ${why}`);
    exit({ ...CRASH, signal: name, killedFor: why });
  };
  const started = { exited, showStack: () => false, signal };
  start = new WorkerStart({ started, spec: { modelDir: '/m', startupTimeoutSec: 10 }, clock, stopping });
});

const never = () => new Promise<void>(() => {});

/** Lets what has been settled have its effect. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('the start of a worker', () => {
  it('takes one step after the other, and leaves no timer behind', async () => {
    await start.step(async () => {});
    await start.step(async () => {});
    start.end();
    expect(clock.pendingTimers).toBe(0);
  });

  it('fails with the reason of a step', async () => {
    expect(
      await rejectionOf(start.step(() => Promise.reject(new ServingError('HANDLER_INITIALIZE_FAILED', 'no weights')))),
    ).toMatchObject({
      message: 'no weights',
    });
  });

  it('has one timeout for all steps, which says what it was doing', async () => {
    clock.advance(9_000);
    await start.step(async () => {});
    start.doing = ' during warm-up request 1 of 2';
    const failure = rejectionOf(start.step(never));
    clock.advance(1_000);
    expect(await failure).toMatchObject({
      code: 'STARTUP_TIMEOUT',
      message: expect.stringContaining(
        'start-up timeout of 10 s during warm-up request 1 of 2; it was at h.py, line 3',
      ),
    });
    expect(signals).toEqual(['SIGKILL: it was not ready within the start-up timeout of 10 s']);
  });

  it.each<[string, WorkerExit, string, string, string]>([
    [
      'crashes',
      CRASH,
      '',
      'WORKER_CRASHED_AT_START',
      'ended before it was ready (signal SIGSEGV): it was at h.py, line 3',
    ],
    [
      'crashes in a warm-up',
      CRASH,
      ' during warm-up request 1 of 1',
      'WORKER_CRASHED_AT_START',
      'ended during warm-up',
    ],
    [
      'runs out of memory',
      { ...CRASH, signal: 'SIGKILL', stderrTail: [], memory: 'out' },
      '',
      'WORKER_OUT_OF_MEMORY',
      'ran out of memory and ended before it was ready (signal SIGKILL: out of memory).',
    ],
  ])('tells how a process %s', async (_how, end, doing, code, words) => {
    start.doing = doing;
    const failure = rejectionOf(start.step(never));
    exit(end);
    await settled();
    clock.advance(300);
    expect(await failure).toMatchObject({ code, message: expect.stringContaining(words) });
  });

  it('prefers the reason that a process sent before it ended', async () => {
    let fail: (error: Error) => void = () => {};
    const failure = rejectionOf(start.step(() => new Promise((_, reject) => (fail = reject))));
    exit(CRASH);
    await settled();
    fail(new ServingError('HANDLER_INITIALIZE_FAILED', 'no weights'));
    expect((await failure).message).toBe('no weights');
  });

  it('is over at once when the worker is not wanted any more', async () => {
    const step = start.step(never);
    stopping.set();
    await step;
  });
});
