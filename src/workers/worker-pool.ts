// The workers of one model version: how many there are, and on which device. The latest wish counts: a scale that comes while another is
// under way takes its place. How many between the bounds is the scaler's business, who takes whose place that of the replacements, and whether
// requests are taken that of the door.
import type { ModelSignature } from '../core/model-signature.ts';
import type { ScaleRequest, WorkerPool } from '../core/ports.ts';
import type { ScalingReport } from '../core/scale-policy.ts';
import type { Scheduler } from '../core/scheduler.ts';
import type { StartFailure } from '../core/start-failure.ts';
import type { WorkerDescription } from '../core/worker-state.ts';
import { MemberMaker, type MemberMakerOptions } from './member-maker.ts';
import { failingOf, tendDoor } from './pool-door.ts';
import { poolLoad } from './pool-load.ts';
import { inLeavingOrder, type PoolMember } from './pool-member.ts';
import { noSuchWorker, notReadyInTime, noWorker, stopping, superseded, unavailable } from './pool-refusals.ts';
import { PoolScaler } from './pool-scaler.ts';
import { Replacements } from './replacements.ts';
import { Retirements } from './retirements.ts';
import { Signal } from './signal.ts';

/** What a pool is made of; its members get most of it. */
export interface PoolOptions extends Omit<MemberMakerOptions, 'onChange' | 'onStartFailed' | 'onEnded'> {
  readonly scheduler: Scheduler;
}

/** What a scale changes. */
interface Numbers extends Pick<ScaleRequest, 'minWorkers' | 'maxWorkers' | 'numberGpu'> {
  readonly workers: number;
}

export class Pool implements WorkerPool {
  minWorkers = 0;
  maxWorkers = 0;
  readonly #options: PoolOptions;
  /** Wanted workers in the order of their creation. */
  #members: PoolMember[] = [];
  /** Workers on their way out. */
  readonly #leaving = new Set<PoolMember>();
  readonly #maker: MemberMaker;
  readonly #replacements: Replacements<PoolMember>;
  readonly #retirements: Retirements<PoolMember>;
  readonly #scaler: PoolScaler;
  /** What the latest scale said of GPUs; it counts for the workers that the load adds, too. */
  #numberGpu: number | undefined;
  #latestScale = 0;
  #isStopped = false;
  #lastError: StartFailure | undefined;
  #changed = new Signal();

  constructor(options: PoolOptions) {
    const { spec, clock } = options;
    this.#options = options;
    this.#maker = new MemberMaker({
      ...options,
      onChange: () => this.#review(),
      onStartFailed: (failure) => {
        this.#lastError = failure;
      },
      onEnded: (member) => {
        this.#leaving.delete(member);
        this.#review();
      },
    });
    this.#replacements = new Replacements({
      clock,
      maxSurge: spec.maxSurge,
      crew: {
        freePlaces: () => this.maxWorkers + spec.maxSurge - this.#processes(),
        startLike: (former, after) => this.#maker.startLike(former, after),
        swap: (former, next) => {
          this.#members = [...this.#members.filter((member) => member !== former), next];
          this.#dismiss(former, Infinity);
          this.#review();
        },
        discard: (next) => this.#dismiss(next, 0),
        overtaken: () => (this.#isStopped ? stopping(spec) : superseded(spec)),
        log: (level, { worker }, message, details) => this.#maker.log(worker.id, level, message, details),
      },
    });
    this.#retirements = new Retirements({
      clock,
      limits: spec.workerLimits,
      members: () => this.#members,
      retire: (member, reason) => this.#replacements.retire(member, reason),
    });
    this.#scaler = new PoolScaler({
      clock,
      limits: { targetQueueMs: spec.targetQueueMs, isRefusedWhenBusy: spec.needsIdleWorker },
      load: () => poolLoad(this.#members, this, options.scheduler.waiting),
      resize: (workers, reason) => this.#follow(workers, reason),
    });
    this.#review();
  }

  async scale(request: ScaleRequest): Promise<void> {
    if (this.#isStopped) throw stopping(this.#options.spec);
    this.#latestScale += 1;
    const scale = this.#latestScale;
    const { minWorkers, maxWorkers } = this;
    const former = { minWorkers, maxWorkers, workers: this.#members.length, numberGpu: this.#numberGpu };
    this.#numberGpu = request.numberGpu;
    const count = Math.min(Math.max(this.#members.length, request.minWorkers), request.maxWorkers);
    this.#bound(request.minWorkers, request.maxWorkers);
    this.#grow(count, request.numberGpu);
    const removed = count === 0 ? this.#drainToZero(request.drainMs, scale) : this.#shrink(count, request.drainMs);
    this.#review();
    try {
      await Promise.all([removed, this.#allReady([...this.#members], scale)]);
      // The workers that stay were ready at once; those that leave may have taken until after a later wish.
      this.#checkLatest(scale);
    } catch (error) {
      if (request.onFailure === 'restore' && scale === this.#latestScale && !this.#isStopped)
        await this.#restore(former, request.drainMs);
      throw error;
    }
  }

  restart(id: string): Promise<string> {
    const member = this.#members.find(({ worker }) => worker.id === id);
    if (member === undefined) throw noSuchWorker(this.#options.spec, id);
    return this.#replacements.replace(member, 'asked for').then(({ worker }) => worker.id);
  }

  async untilReady(): Promise<void> {
    const { spec, clock } = this.#options;
    const timeout = new Signal();
    const timer =
      spec.startupTimeoutSec === Infinity ? undefined : clock.after(spec.startupTimeoutSec * 1000, () => timeout.set());
    try {
      while (!this.#members.some(({ isReady }) => isReady)) {
        if (this.#isStopped) throw stopping(spec);
        if (this.#members.length === 0) throw noWorker(spec, { requestedVersion: spec.version });
        const failing = failingOf(this.#members)?.worker;
        if (failing !== undefined)
          throw failing.startFailure ?? unavailable(spec, { requestedVersion: spec.version }, failing);
        if (timeout.isSet) throw notReadyInTime(spec);
        await Promise.race([this.#changed.wait(), timeout.wait()]);
      }
    } finally {
      timer?.cancel();
    }
  }

  scaling(): ScalingReport | undefined {
    return this.#scaler.report();
  }

  async describe(): Promise<WorkerDescription[]> {
    return Promise.all([...this.#members, ...this.#replacements.spares].map((member) => member.describe()));
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
    return this.#members.filter(({ isReady }) => isReady).length;
  }

  isBeyondRetryWindow(): boolean {
    // A worker that the load has added, or would have, is none that is missing.
    if (this.readyWorkers() >= this.minWorkers) return false;
    const oldestAllowed = this.#options.clock.now() - this.#options.spec.maxRetryTimeoutSec * 1000;
    return this.#members.some(({ worker }) => !worker.isReady && (worker.failingSince ?? Infinity) < oldestAllowed);
  }

  async stop(drainMs: number): Promise<void> {
    this.#isStopped = true;
    this.#latestScale += 1;
    this.#scaler.stop();
    this.#retirements.stop();
    this.#notify();
    await this.#drainToZero(drainMs, this.#latestScale);
    // A later stop may have taken over before this one had dismissed anybody.
    await Promise.all([...this.#members, ...this.#leaving].map((member) => member.ended));
  }

  /** Back to the numbers before a scale that came to nothing. */
  async #restore(former: Numbers, drainMs: number): Promise<void> {
    const { spec, scheduler } = this.#options;
    const failing = this.#members.find(({ isFailing }) => isFailing)?.worker;
    this.#bound(former.minWorkers, former.maxWorkers);
    this.#numberGpu = former.numberGpu;
    const removed = this.#shrink(former.workers, drainMs);
    this.#grow(former.workers, former.numberGpu);
    // Who waited for the first worker is told why there is none.
    if (this.#members.length === 0 && failing !== undefined)
      scheduler.failWaiting((request) => unavailable(spec, request, failing));
    this.#review();
    await removed;
  }

  /** Sets how many workers there may be, and who says how many there are. */
  #bound(minWorkers: number, maxWorkers: number): void {
    this.minWorkers = minWorkers;
    this.maxWorkers = maxWorkers;
    // The sequences of a stateful model end with their worker: load is no reason for that.
    if (minWorkers < maxWorkers && this.#options.spec.sequences === undefined) this.#scaler.start();
    else this.#scaler.stop();
    if (maxWorkers > 0) this.#retirements.start();
    else this.#retirements.stop();
  }

  /** Changes the number of workers for the load. Nobody waits for it, and no scale is overtaken by it. */
  #follow(workers: number, reason: string): void {
    const from = this.#members.length;
    const message = workers > from ? 'workers are added' : 'workers are taken away';
    this.#maker.log(undefined, 'info', message, { from, to: workers, reason });
    this.#grow(workers, this.#numberGpu);
    void this.#shrink(workers, Infinity);
    this.#review();
  }

  #grow(count: number, numberGpu: number | undefined): void {
    while (this.#members.length < count) {
      const isFirst = this.#members.length === 0 && this.#leaving.size === 0;
      this.#members.push(this.#maker.start(this.#members, numberGpu, isFirst));
    }
  }

  /** Lets the surplus go. */
  async #shrink(count: number, drainMs: number): Promise<void> {
    const surplus = this.#members.length - count;
    if (surplus <= 0) return;
    const leaving = inLeavingOrder(this.#members).slice(0, surplus);
    for (const member of leaving) this.#dismiss(member, drainMs);
    await Promise.all(leaving.map((member) => member.ended));
  }

  /** Nothing new is taken; what is queued and in hand has `drainMs`, then it fails. */
  async #drainToZero(drainMs: number, scale: number): Promise<void> {
    const { spec, scheduler, clock } = this.#options;
    this.#review();
    const hasReady = this.#members.some(({ worker }) => worker.isReady || worker.isHopeful);
    const deadlineAt = clock.now() + drainMs;
    const drained = new Signal();
    if (hasReady) await Promise.race([scheduler.idle(), this.#untilScaled(scale), drained.within(drainMs, clock)]);
    drained.set();
    if (scale !== this.#latestScale) return;
    const leaving = [...this.#members];
    for (const member of leaving) this.#dismiss(member, Math.max(0, deadlineAt - clock.now()));
    scheduler.failWaiting(() => stopping(spec));
    await Promise.all(leaving.map((member) => member.ended));
    scheduler.failWaiting(() => stopping(spec));
  }

  #dismiss(member: PoolMember, drainMs: number): void {
    this.#members = this.#members.filter((other) => other !== member);
    this.#leaving.add(member);
    member.worker.stop(drainMs);
    this.#replacements.forget(member);
  }

  /** Every process that there is or is about to be, wanted or not. */
  #processes(): number {
    return this.#members.length + this.#replacements.spares.length + this.#leaving.size;
  }

  /** Resolves when these workers are ready, or wanted no more; fails with the first reason why one is not, or when a later wish takes over. */
  async #allReady(members: readonly PoolMember[], scale: number): Promise<void> {
    for (;;) {
      this.#checkLatest(scale);
      const wanted = members.filter((member) => this.#members.includes(member));
      const failed = wanted.find(({ isReady, worker }) => !isReady && worker.startFailure !== undefined);
      if (failed?.worker.startFailure !== undefined) throw failed.worker.startFailure;
      if (wanted.every(({ isReady }) => isReady)) return;
      await this.#changed.wait();
    }
  }

  #checkLatest(scale: number): void {
    if (this.#isStopped) throw stopping(this.#options.spec);
    if (scale !== this.#latestScale) throw superseded(this.#options.spec);
  }

  async #untilScaled(scale: number): Promise<void> {
    while (scale === this.#latestScale) await this.#changed.wait();
  }

  /** Opens or closes the door for new requests, after anything has changed. */
  #review(): void {
    const { spec, scheduler } = this.#options;
    tendDoor(scheduler, { spec, members: this.#members, maxWorkers: this.maxWorkers, isStopped: this.#isStopped });
    if (!this.#isStopped) this.#replacements.review();
    this.#notify();
  }

  #notify(): void {
    const changed = this.#changed;
    this.#changed = new Signal();
    changed.set();
  }
}
