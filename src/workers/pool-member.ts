// One worker of a pool: the worker itself, the promise of its end, and what its present process has come to. Whether it is wanted is the
// pool's business.
import type { ModelSpec } from '../core/model-spec.ts';
import { isUnlimited, jittered, type WorkerLimits, type WorkerUse } from '../core/retirement.ts';
import type { WorkerDescription } from '../core/worker-state.ts';
import { describeGpu } from './devices.ts';
import { residentBytes } from './process-memory.ts';
import { Worker, type WorkerOptions } from './worker.ts';
import type { WorkerClient } from './worker-client.ts';

export interface MemberOptions extends Omit<WorkerOptions, 'spec'> {
  readonly spec: WorkerOptions['spec'] & Pick<ModelSpec, 'workerLimits'>;
  /** It starts when this has ended; undefined for at once. */
  readonly after: Promise<void> | undefined;
  /** Its last process is gone. */
  onEnded(): void;
}

/** A process, from its start on. */
interface Process {
  readonly client: Pick<WorkerClient, 'room' | 'finishedJobs'>;
  limits: WorkerLimits;
  /** Monotonic; undefined until it is ready. */
  readyAt: number | undefined;
  /** Its room while it had nothing to do. */
  fullRoom: number;
  /** How many jobs it had finished when it was ready: its warm-up. */
  jobsBefore: number;
  /** How many of its finished jobs have been told. */
  toldJobs: number;
}

export class PoolMember {
  readonly worker: Worker;
  /** Resolves when its last process is gone. */
  readonly ended: Promise<void>;
  /** What the pool is about to do with it, "" for nothing. */
  note = '';
  readonly #options: MemberOptions;
  #process: Process | undefined;

  constructor(options: MemberOptions) {
    this.#options = options;
    const { workerLimits } = options.spec;
    this.worker = new Worker({
      ...options,
      launcher: (hooks) => {
        const started = options.launcher(hooks);
        this.#process = {
          client: started.client,
          limits: jittered(workerLimits, Math.random),
          readyAt: undefined,
          fullRoom: 0,
          jobsBefore: 0,
          toldJobs: 0,
        };
        return started;
      },
      onChange: () => {
        if (this.worker.isReady) this.#becameReady();
        options.onChange();
      },
    });
    this.ended = (options.after ?? Promise.resolve()).then(() => this.worker.run()).then(() => options.onEnded());
  }

  get isReady(): boolean {
    return this.worker.isReady;
  }

  /** Whether it is known to be unable to start, or to stay alive, at present. */
  get isFailing(): boolean {
    return !this.isReady && (this.worker.startFailure !== undefined || this.worker.state === 'backoff');
  }

  /** How many jobs more it would take now. */
  room(): number {
    return this.isReady ? (this.#process?.client.room() ?? 0) : 0;
  }

  /** How full a ready worker is, from 0 to 1. */
  fill(): number {
    const full = this.#process?.fullRoom ?? 0;
    return full === 0 ? 1 : Math.max(0, 1 - this.room() / full);
  }

  /** How many jobs its process has finished since this was asked last. */
  newlyFinished(): number {
    if (this.#process === undefined) return 0;
    const { finishedJobs } = this.#process.client;
    const told = this.#process.toldJobs;
    this.#process.toldJobs = finishedJobs;
    return finishedJobs - told;
  }

  /** The limits of its present process, and what that has come to; undefined while it is not ready, or unlimited. */
  async use(): Promise<{ readonly limits: WorkerLimits; readonly use: WorkerUse } | undefined> {
    const { pid, isReady } = this.worker;
    const current = this.#process;
    if (!isReady || current?.readyAt === undefined || isUnlimited(current.limits)) return undefined;
    const { limits, readyAt } = current;
    const bytes = limits.maxResidentBytes === Infinity || pid === undefined ? 0 : await residentBytes(pid);
    const finishedRequests = current.client.finishedJobs - current.jobsBefore;
    const ageMs = this.#options.clock.now() - readyAt;
    return { limits, use: { finishedRequests, ageMs, residentBytes: bytes } };
  }

  async describe(): Promise<WorkerDescription> {
    const { worker } = this;
    const [memoryBytes, gpuUsage] = await Promise.all([
      worker.pid === undefined ? 0 : residentBytes(worker.pid),
      worker.gpuId === undefined ? 'N/A' : describeGpu(worker.gpuId),
    ]);
    return {
      id: worker.id,
      createdAt: worker.createdAt,
      state: worker.visibleState,
      reason: worker.startFailure?.message ?? (worker.reason || this.note),
      pid: worker.pid,
      gpuId: worker.gpuId,
      gpuUsage,
      memoryBytes,
      lastExit: worker.lastExit,
      nextRetryAt: worker.nextRetryAt,
    };
  }

  #becameReady(): void {
    const current = this.#process;
    if (current === undefined || current.readyAt !== undefined) return;
    current.readyAt = this.#options.clock.now();
    current.fullRoom = current.client.room();
    current.jobsBefore = current.client.finishedJobs;
    current.toldJobs = current.jobsBefore;
    if (current.limits.maxResidentBytes !== Infinity) void this.#checkMemoryLimit(current);
  }

  /** A limit that the model exceeds as soon as it is loaded would have its workers replaced without end. */
  async #checkMemoryLimit(current: Process): Promise<void> {
    const { pid } = this.worker;
    if (pid === undefined) return;
    const bytes = await residentBytes(pid);
    if (bytes < current.limits.maxResidentBytes) return;
    const message = `maxWorkerRssBytes is ${current.limits.maxResidentBytes}, and a worker that has just loaded the model has ${bytes} bytes in memory already: raise it; until then it has no effect`;
    this.#options.onEvent('warn', message);
    current.limits = { ...current.limits, maxResidentBytes: Infinity };
  }
}

/** In which order a pool lets its workers go: those that are not ready first, then the newest. */
export function inLeavingOrder(members: readonly PoolMember[]): PoolMember[] {
  return [...members].reverse().sort((one, other) => Number(one.isReady) - Number(other.isReady));
}
