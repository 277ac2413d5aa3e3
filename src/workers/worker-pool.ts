// The workers of one model version: how many there are, on which device, and whether the version takes requests at all. The latest wish
// counts: a scale that comes while another is under way takes its place.
import { ServingError } from '../core/errors.ts';
import type { JobRequest } from '../core/job.ts';
import type { LoadProgress } from '../core/load-progress.ts';
import type { ModelSignature } from '../core/model-signature.ts';
import type { ModelSpec } from '../core/model-spec.ts';
import type { Clock, ScaleRequest, WorkerLog, WorkerPool } from '../core/ports.ts';
import { namesOf, type Scheduler } from '../core/scheduler.ts';
import type { StartFailure } from '../core/start-failure.ts';
import type { WorkerDescription } from '../core/worker-state.ts';
import { type Devices, describeGpu } from './devices.ts';
import { residentBytes } from './process-memory.ts';
import { Signal } from './signal.ts';
import { Worker } from './worker.ts';
import type { WorkerLauncher } from './worker-launcher.ts';

export interface PoolOptions {
  readonly spec: ModelSpec;
  readonly scheduler: Scheduler;
  readonly launcher: WorkerLauncher;
  readonly devices: Devices;
  readonly clock: Clock;
  readonly log: WorkerLog;
  /** Gets the phases in which the version's first worker starts. */
  readonly progress: LoadProgress;
  /** Ids are unique in the server and count up. */
  nextWorkerId(): string;
}

/** A worker and the promise of its end. */
interface Member {
  readonly worker: Worker;
  readonly ended: Promise<void>;
}

export class Pool implements WorkerPool {
  minWorkers = 0;
  maxWorkers = 0;
  readonly #options: PoolOptions;
  /** Wanted workers in the order of their creation. */
  #members: Member[] = [];
  /** Workers on their way out. */
  readonly #leaving = new Set<Member>();
  #latestScale = 0;
  #isStopped = false;
  #lastError: StartFailure | undefined;
  #changed = new Signal();

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#review();
  }

  async scale(request: ScaleRequest): Promise<void> {
    if (this.#isStopped) throw this.#stopping();
    this.#latestScale += 1;
    const scale = this.#latestScale;
    const [formerMin, formerMax] = [this.minWorkers, this.maxWorkers];
    this.minWorkers = request.minWorkers;
    this.maxWorkers = request.maxWorkers;
    const count = Math.min(Math.max(this.#members.length, request.minWorkers), request.maxWorkers);
    const added = this.#grow(count, request.numberGpu);
    const removed = count === 0 ? this.#drainToZero(request.drainMs, scale) : this.#shrink(count, request.drainMs);
    this.#review();
    try {
      await Promise.all([removed, this.#allReady(scale)]);
      // The workers that stay were ready at once; those that leave may have taken until after a later wish.
      this.#checkLatest(scale);
    } catch (error) {
      if (request.onFailure === 'restore' && scale === this.#latestScale && !this.#isStopped) {
        this.minWorkers = formerMin;
        this.maxWorkers = formerMax;
        for (const member of added) this.#dismiss(member, 0);
        this.#review();
        await Promise.all(added.map((member) => member.ended));
      }
      throw error;
    }
  }

  async describe(): Promise<WorkerDescription[]> {
    return Promise.all(this.#members.map(({ worker }) => describeWorker(worker)));
  }

  signature(): ModelSignature | undefined {
    return this.#members.find(({ worker }) => worker.signature !== undefined)?.worker.signature;
  }

  lastError(): StartFailure | undefined {
    return this.#lastError;
  }

  healthyWorkers(): number {
    return this.#members.filter(({ worker }) => worker.isReady || worker.isInFirstStart).length;
  }

  readyWorkers(): number {
    return this.#members.filter(({ worker }) => worker.isReady).length;
  }

  isBeyondRetryWindow(): boolean {
    const oldestAllowed = this.#options.clock.now() - this.#options.spec.maxRetryTimeoutSec * 1000;
    return this.#members.some(({ worker }) => !worker.isReady && (worker.failingSince ?? Infinity) < oldestAllowed);
  }

  async stop(drainMs: number): Promise<void> {
    this.#isStopped = true;
    this.#latestScale += 1;
    this.#notify();
    await this.#drainToZero(drainMs, this.#latestScale);
    // A later stop may have taken over before this one had dismissed anybody.
    await Promise.all([...this.#members, ...this.#leaving].map((member) => member.ended));
  }

  #grow(count: number, numberGpu: number | undefined): Member[] {
    const added: Member[] = [];
    while (this.#members.length < count) {
      const member = this.#startWorker(numberGpu);
      this.#members.push(member);
      added.push(member);
    }
    return added;
  }

  /** Lets the surplus go: workers that are not ready first, then the newest. */
  async #shrink(count: number, drainMs: number): Promise<void> {
    const surplus = this.#members.length - count;
    if (surplus <= 0) return;
    const newestFirst = [...this.#members].reverse();
    const [ready, unready] = [
      newestFirst.filter(({ worker }) => worker.isReady),
      newestFirst.filter(({ worker }) => !worker.isReady),
    ];
    const leaving = [...unready, ...ready].slice(0, surplus);
    for (const member of leaving) this.#dismiss(member, drainMs);
    await Promise.all(leaving.map((member) => member.ended));
  }

  /** Nothing new is taken; what is queued and in hand has `drainMs`, then it fails. */
  async #drainToZero(drainMs: number, scale: number): Promise<void> {
    const { scheduler, clock } = this.#options;
    this.#review();
    const hasReady = this.#members.some(({ worker }) => worker.isReady || worker.isHopeful);
    const deadlineAt = clock.now() + drainMs;
    const drained = new Signal();
    if (hasReady) await Promise.race([scheduler.idle(), this.#untilScaled(scale), drained.within(drainMs, clock)]);
    drained.set();
    if (scale !== this.#latestScale) return;
    const leaving = [...this.#members];
    for (const member of leaving) this.#dismiss(member, Math.max(0, deadlineAt - clock.now()));
    scheduler.failWaiting(() => this.#stopping());
    await Promise.all(leaving.map((member) => member.ended));
    scheduler.failWaiting(() => this.#stopping());
  }

  #dismiss(member: Member, drainMs: number): void {
    this.#members = this.#members.filter((other) => other !== member);
    this.#leaving.add(member);
    member.worker.stop(drainMs);
  }

  #startWorker(numberGpu: number | undefined): Member {
    const { spec, scheduler, launcher, devices, clock, log, progress } = this.#options;
    const id = this.#options.nextWorkerId();
    const gpuId = this.#wantsGpu(numberGpu) ? devices.acquire(spec.deviceIds) : undefined;
    const tag = { model: spec.name, version: spec.version, worker: id };
    const worker = new Worker({
      id,
      gpuId,
      scheduler,
      launcher,
      clock,
      spec,
      progress: this.#members.length === 0 ? progress : undefined,
      onChange: () => this.#review(),
      onStartFailed: (failure) => {
        this.#lastError = failure;
      },
      onEvent: (level, message, details) => log.event(tag, level, message, details),
    });
    const member: Member = {
      worker,
      ended: worker.run().then(() => {
        devices.release(gpuId);
        this.#leaving.delete(member);
      }),
    };
    return member;
  }

  /** A number that the caller names goes one worker to a device: what is beyond the devices runs on the CPU. */
  #wantsGpu(numberGpu: number | undefined): boolean {
    const { spec, devices } = this.#options;
    if (spec.deviceType === 'cpu') return false;
    if (numberGpu === undefined) return true;
    const onGpu = this.#members.filter(({ worker }) => worker.gpuId !== undefined).length;
    return onGpu < Math.min(numberGpu, devices.countOf(spec.deviceIds));
  }

  /** Resolves when every wanted worker is ready; fails with the first reason why one is not, or when a later wish takes over. */
  async #allReady(scale: number): Promise<void> {
    for (;;) {
      this.#checkLatest(scale);
      const failed = this.#members.find(({ worker }) => !worker.isReady && worker.startFailure !== undefined);
      if (failed?.worker.startFailure !== undefined) throw failed.worker.startFailure;
      if (this.#members.every(({ worker }) => worker.isReady)) return;
      await this.#changed.wait();
    }
  }

  #checkLatest(scale: number): void {
    if (this.#isStopped) throw this.#stopping();
    if (scale !== this.#latestScale) throw this.#superseded();
  }

  async #untilScaled(scale: number): Promise<void> {
    while (scale === this.#latestScale) await this.#changed.wait();
  }

  /** Opens or closes the door for new requests, after anything has changed. */
  #review(): void {
    const { scheduler } = this.#options;
    const workers = this.#members.map(({ worker }) => worker);
    if (this.#isStopped) scheduler.refuse(() => this.#stopping());
    else if (this.maxWorkers === 0 || workers.length === 0) scheduler.refuse((request) => this.#noWorker(request));
    else if (workers.some((worker) => worker.isReady || worker.isHopeful)) scheduler.refuse(undefined);
    else {
      const failing = workers.find((worker) => worker.startFailure !== undefined || worker.state === 'backoff');
      // Between a death and a start that follows at once nothing is known to be wrong yet.
      if (failing === undefined) scheduler.refuse(undefined);
      else {
        const refusal = (request: JobRequest) => this.#unavailable(request, failing);
        scheduler.refuse(refusal);
        scheduler.failWaiting(refusal);
      }
    }
    this.#notify();
  }

  #notify(): void {
    const changed = this.#changed;
    this.#changed = new Signal();
    changed.set();
  }

  #noWorker(request: JobRequest): ServingError {
    const { name, version } = this.#options.spec;
    const path = request.requestedVersion === undefined ? name : `${name}/${version}`;
    const message = `Model "${name}" has no worker. Add one on the management address: PUT /models/${path}?min_worker=1`;
    return new ServingError('NO_WORKER', message, namesOf(name, request));
  }

  #unavailable(request: JobRequest, { startFailure, reason, nextRetryAt }: Worker): ServingError {
    const { name } = this.#options.spec;
    const why =
      startFailure === undefined
        ? `its worker keeps dying: ${reason}`
        : `its worker cannot start. ${startFailure.message}`;
    const retryAfterSec = Math.max(1, Math.ceil(((nextRetryAt?.getTime() ?? 0) - Date.now()) / 1000));
    const details = { ...namesOf(name, request), retryAfterSec };
    return new ServingError('MODEL_UNAVAILABLE', `Model "${name}" is not available: ${why}`, details, startFailure);
  }

  #stopping(): ServingError {
    const { name, version } = this.#options.spec;
    const message = `Version ${version} of model "${name}" is being stopped and takes no more requests.`;
    return new ServingError('MODEL_STOPPING', message, { model: name });
  }

  #superseded(): ServingError {
    const { name, version } = this.#options.spec;
    const message = `A later request changed the workers of version ${version} of model "${name}" before this one was done.`;
    return new ServingError('SCALE_SUPERSEDED', message, { model: name });
  }
}

async function describeWorker(worker: Worker): Promise<WorkerDescription> {
  const [memoryBytes, gpuUsage] = await Promise.all([
    worker.pid === undefined ? 0 : residentBytes(worker.pid),
    worker.gpuId === undefined ? 'N/A' : describeGpu(worker.gpuId),
  ]);
  return {
    id: worker.id,
    createdAt: worker.createdAt,
    state: worker.visibleState,
    reason: worker.startFailure?.message ?? worker.reason,
    pid: worker.pid,
    gpuId: worker.gpuId,
    gpuUsage,
    memoryBytes,
    lastExit: worker.lastExit,
    nextRetryAt: worker.nextRetryAt,
  };
}
