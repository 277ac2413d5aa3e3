// A registered model version without archive or processes: real scheduler, pool whose numbers the test sets.
import { LoadProgress } from '../../src/core/load-progress.ts';
import type { ModelSignature } from '../../src/core/model-signature.ts';
import type { ModelSpec } from '../../src/core/model-spec.ts';
import type { ModelVersion } from '../../src/core/model-version.ts';
import type { Clock, WorkerPool } from '../../src/core/ports.ts';
import { queueFor } from '../../src/core/queue-for.ts';
import { NO_WORKER_LIMITS } from '../../src/core/retirement.ts';
import type { ScalingReport } from '../../src/core/scale-policy.ts';
import { Scheduler } from '../../src/core/scheduler.ts';
import type { StartFailure } from '../../src/core/start-failure.ts';
import type { WorkerDescription } from '../../src/core/worker-state.ts';
import { FakeClock } from './fake-clock.ts';
import { ServingJournal } from './serving-journal.ts';

/** A spec with harmless values; `over` says what matters. */
export function modelSpec(over: Partial<ModelSpec> = {}): ModelSpec {
  return {
    name: 'm',
    version: '1.0',
    url: 'm.mar',
    runtime: 'python',
    handler: 'h.py',
    modelDir: '/models/m',
    modelFile: undefined,
    modelConfig: null,
    requirementsFile: undefined,
    useVenv: false,
    environment: undefined,
    batchSize: 1,
    maxBatchDelayMs: 100,
    batching: 'adaptive',
    responseTimeoutSec: 120,
    startupTimeoutSec: 120,
    queueSize: 100,
    maxRetryTimeoutSec: 300,
    clientTimeoutMs: 0,
    deviceType: 'cpu',
    deviceIds: undefined,
    initialMinWorkers: 1,
    initialMaxWorkers: 1,
    workerLimits: NO_WORKER_LIMITS,
    maxSurge: 1,
    targetQueueMs: 200,
    loadedAtStartup: false,
    sequences: undefined,
    isContinuous: false,
    needsIdleWorker: false,
    retriesOnWorkerDeath: false,
    warmup: [],
    ...over,
  };
}

export class FakePool implements WorkerPool {
  minWorkers = 1;
  maxWorkers = 1;
  healthy = 1;
  ready = 1;
  isBeyond = false;
  workers: WorkerDescription[] = [];

  async scale(): Promise<void> {}

  async restart(id: string): Promise<string> {
    return `${id}'`;
  }

  async untilReady(): Promise<void> {}

  scaling(): ScalingReport | undefined {
    return undefined;
  }

  async describe(): Promise<WorkerDescription[]> {
    return this.workers;
  }

  signature(): ModelSignature | undefined {
    return undefined;
  }

  lastError(): StartFailure | undefined {
    return undefined;
  }

  healthyWorkers(): number {
    return this.healthy;
  }

  readyWorkers(): number {
    return this.ready;
  }

  isBeyondRetryWindow(): boolean {
    return this.isBeyond;
  }

  async stop(): Promise<void> {}
}

export interface FakeVersion extends ModelVersion {
  readonly pool: FakePool;
}

/** A version with a real scheduler on the given clock. */
export function fakeVersion(over: Partial<ModelSpec> = {}, clock: Clock = new FakeClock()): FakeVersion {
  const spec = modelSpec(over);
  const { batchSize, maxBatchDelayMs, batching, needsIdleWorker, retriesOnWorkerDeath } = spec;
  const observer = new ServingJournal();
  const queue = queueFor(spec, clock);
  const limits = { batchSize, maxBatchDelayMs, batching, needsIdleWorker, retriesOnWorkerDeath };
  const scheduler = new Scheduler({ model: spec.name, ...limits, queue, clock, observer });
  return { spec, scheduler, pool: new FakePool(), progress: new LoadProgress(clock), releaseArchive: async () => {} };
}
