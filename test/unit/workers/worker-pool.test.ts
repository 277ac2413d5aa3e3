import { beforeEach, describe, expect, it } from 'vitest';
import { ServingError } from '../../../src/core/errors.ts';
import type { Job } from '../../../src/core/job.ts';
import { JobQueue } from '../../../src/core/job-queue.ts';
import { LoadProgress } from '../../../src/core/load-progress.ts';
import type { ScaleRequest } from '../../../src/core/ports.ts';
import { Scheduler } from '../../../src/core/scheduler.ts';
import type { WorkerExit } from '../../../src/core/worker-state.ts';
import { Devices } from '../../../src/workers/devices.ts';
import { WorkerClient } from '../../../src/workers/worker-client.ts';
import type { StartedWorker, WorkerHooks } from '../../../src/workers/worker-launcher.ts';
import { Pool } from '../../../src/workers/worker-pool.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { modelSpec } from '../../support/fake-version.ts';
import { jobRequest } from '../../support/jobs.ts';
import { ServingJournal } from '../../support/serving-journal.ts';
import { codeOf, rejectionOf } from '../../support/thrown.ts';

/** A worker's process that is none: it is loaded, or not, when the test says so, and takes no jobs. */
class Process implements StartedWorker {
  readonly pid = undefined;
  readonly warmUp = undefined;
  readonly client: WorkerClient;
  readonly exited: Promise<WorkerExit>;
  exit: (exit: WorkerExit) => void = () => {};
  ready: () => void = () => {};
  #fail: (error: ServingError) => void = () => {};

  constructor(hooks: WorkerHooks, clock: FakeClock) {
    this.client = new WorkerClient([], {
      ...hooks,
      model: 'm',
      batchSize: 1,
      responseTimeoutMs: 1000,
      maxResponseBytes: 1000,
      clock,
      onMetric: () => {},
      onHandlerTime: () => {},
    });
    this.exited = new Promise((resolve) => {
      this.exit = resolve;
    });
  }

  load(): Promise<undefined> {
    return new Promise((resolve, reject) => {
      this.ready = () => resolve(undefined);
      this.#fail = reject;
    });
  }

  /** It says why it cannot load the model, and ends. */
  fail(reason: string): void {
    this.#fail(new ServingError('HANDLER_INITIALIZE_FAILED', reason));
    this.signal();
  }

  showStack(): boolean {
    return false;
  }

  signal(): void {
    this.exit({ exitCode: 1, signal: null, stderrTail: [], killedFor: undefined, memory: undefined });
  }

  release(): void {}
}

let clock: FakeClock;
let scheduler: Scheduler;
let processes: Process[];
let pool: Pool;

beforeEach(() => {
  clock = new FakeClock();
  processes = [];
  scheduler = new Scheduler({
    model: 'm',
    batchSize: 1,
    maxBatchDelayMs: 0,
    batching: 'adaptive',
    queue: new JobQueue(10),
    needsIdleWorker: false,
    retriesOnWorkerDeath: false,
    clock,
    observer: new ServingJournal(),
  });
  pool = new Pool({
    spec: modelSpec(),
    scheduler,
    clock,
    devices: new Devices([]),
    log: { line: () => {}, event: () => {} },
    progress: new LoadProgress(clock),
    nextWorkerId: () => String(9000 + processes.length),
    launcher: (hooks) => {
      const process = new Process(hooks, clock);
      processes.push(process);
      return process;
    },
  });
});

function scale(minWorkers: number, over: Partial<ScaleRequest> = {}): Promise<void> {
  const request: ScaleRequest = {
    minWorkers,
    maxWorkers: minWorkers,
    numberGpu: undefined,
    drainMs: 0,
    onFailure: 'restore',
  };
  return pool.scale({ ...request, ...over });
}

const submit = (): Job => scheduler.submit(jobRequest(), Infinity);

/** Resolves when so many processes were started in all. */
async function started(count: number): Promise<void> {
  await expect.poll(() => processes.length).toBe(count);
}

describe('the workers of a version', () => {
  it('refuse requests until one is on its way, and let them wait for it', async () => {
    expect(codeOf(submit)).toBe('NO_WORKER');
    const scaled = scale(1);
    await started(1);
    const job = submit();
    processes[0]?.ready();
    await scaled;
    expect(job.state).toBe('queued');
    expect(pool.readyWorkers()).toBe(1);
  });

  it('leave nobody waiting when they are taken back because one of them cannot start', async () => {
    const scaled = rejectionOf(scale(2));
    await started(2);
    const waiting = rejectionOf(submit().next());
    processes[1]?.fail('no such weights');
    expect((await scaled).code).toBe('HANDLER_INITIALIZE_FAILED');
    expect(await waiting).toMatchObject({
      code: 'MODEL_UNAVAILABLE',
      message: expect.stringContaining('no such weights'),
    });
    expect(scheduler).toMatchObject({ waiting: 0, running: 0 });
    expect(codeOf(submit)).toBe('NO_WORKER');
  });

  it('keep a place for a replacement after a scale that came to nothing', async () => {
    const first = scale(1);
    await started(1);
    processes[0]?.ready();
    await first;
    const scaled = rejectionOf(scale(3));
    await started(3);
    processes[1]?.ready();
    await expect.poll(() => pool.readyWorkers()).toBe(2);
    // The added worker gives its place to another one and goes, all while the third is still starting.
    const added = (await pool.describe())[1];
    const replaced = pool.restart(added?.id ?? '');
    await started(4);
    processes[3]?.ready();
    await replaced;
    processes[2]?.fail('no memory');
    await scaled;
    await expect.poll(async () => (await pool.describe()).length).toBe(1);
    const restarted = pool.restart((await pool.describe())[0]?.id ?? '');
    await started(5);
    processes[4]?.ready();
    await restarted;
    expect(pool.readyWorkers()).toBe(1);
  });
});
