// The heart of one model version: takes jobs in, lets them wait in its queue (WaitingJobs), and gives them to workers that have room. Everything a
// job can meet before and beside its worker (refusal, expiry, cancellation, return after a death) happens here.
import { Admission } from './admission.ts';
import { type BatchTime, BatchTimes } from './batch-time.ts';
import { type Batching, planBatch } from './batching.ts';
import type { ServingError } from './errors.ts';
import { Job, type JobKeeper, type JobRequest } from './job.ts';
import { sortLosses } from './lost-jobs.ts';
import type { BatchWorker, Clock, ServingObserver, Timer } from './ports.ts';
import { ReadyWorkers } from './ready-workers.ts';
import { deadlineExceeded, deadlineOutOfReach } from './refusals.ts';
import type { WaitingJobs } from './waiting-jobs.ts';

export interface SchedulerOptions {
  readonly model: string;
  readonly batchSize: number;
  readonly maxBatchDelayMs: number;
  readonly batching: Batching;
  /** Where jobs wait. */
  readonly queue: WaitingJobs;
  /** Whether a job is refused when no worker could begin with it at once. */
  readonly needsIdleWorker: boolean;
  /** Whether a job that a dead worker had begun with may go to another one, once. */
  readonly retriesOnWorkerDeath: boolean;
  readonly clock: Clock;
  readonly observer: ServingObserver;
}

/** Why new jobs are turned away, worded for one request. */
export type Refusal = (request: JobRequest) => ServingError;

let lastJobId = 0;

export class Scheduler implements JobKeeper {
  readonly #options: SchedulerOptions;
  readonly #queue: WaitingJobs;
  readonly #workers = new ReadyWorkers();
  readonly #deadlines = new Map<Job, Timer>();
  readonly #batchTimes = new BatchTimes();
  readonly #admission: Admission;
  #running = 0;
  #refusal: Refusal | undefined;
  #holdTimer: Timer | undefined;
  #idleWaiters: (() => void)[] = [];

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#queue = options.queue;
    this.#admission = new Admission({ ...options, workers: this.#workers, batchTimes: this.#batchTimes });
  }

  /** Jobs that wait for a worker to begin with them. */
  get waiting(): number {
    return this.#admission.waiting;
  }

  /** Jobs that a worker has. */
  get running(): number {
    return this.#running - this.#workers.aheadJobs;
  }

  /** How many more jobs may wait. */
  get remainingCapacity(): number {
    return this.#admission.remainingCapacity;
  }

  /** Takes a job in, or throws why not. `deadlineAt` is monotonic; Infinity for none. */
  submit(request: JobRequest, deadlineAt: number): Job {
    if (this.#refusal !== undefined) throw this.#refusal(request);
    const now = this.#options.clock.now();
    // A held batch waits for other jobs, and not for workers.
    const canBeginNow = this.#queue.length === 0 || this.#holdTimer !== undefined;
    this.#admission.check(request, deadlineAt - now, { inHand: this.#running, canBeginNow });
    lastJobId += 1;
    const job = new Job(lastJobId, request, now, deadlineAt, this);
    this.#queue.push(job);
    if (deadlineAt !== Infinity) this.#armDeadline(job, now);
    this.#options.observer.queued(job);
    this.pump();
    return job;
  }

  /** What batches of this version cost, as far as it is known. */
  get batchTime(): BatchTime | undefined {
    return this.#batchTimes.fit();
  }

  /** A worker has computed a batch. */
  computed(size: number, tookMs: number): void {
    this.#batchTimes.took(size, tookMs);
  }

  /** From now on every new job meets this refusal; what waits is kept. Undefined opens the door again. */
  refuse(refusal: Refusal | undefined): void {
    this.#refusal = refusal;
  }

  /** Ends every waiting job with an error. */
  failWaiting(refusal: Refusal): void {
    for (const job of this.#queue.drain()) job.fail(refusal(job.request));
    this.pump();
  }

  /** A worker is ready: it takes part from now on, also in what others were given ahead. */
  addWorker(worker: BatchWorker): void {
    for (const other of this.#workers.all()) void other.recall().then((jobs) => this.#requeue(jobs));
    this.#workers.add(worker);
    this.#queue.workerJoined(worker);
    this.pump();
  }

  /** No more batches for this worker. What it holds stays with it. */
  removeWorker(worker: BatchWorker): void {
    this.#workers.delete(worker);
    this.#queue.workerLeft(worker);
    this.pump();
  }

  /**
   * The jobs that a dead worker had: what may be computed by another goes back into the queue, ahead of all that came later, and the others
   * fail, those that were begun with with `death`. Returns those that seem to end workers.
   */
  takeBack(jobs: readonly Job[], death: ServingError): readonly Job[] {
    const { back, poison } = sortLosses(jobs, death, this.#options);
    this.#requeue(back);
    return poison;
  }

  /** Resolves when nothing waits and nothing runs. */
  idle(): Promise<void> {
    if (this.#queue.length === 0 && this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Gives out what can be given out; called whenever a job arrives, a worker's room grows, or nothing waits any more. */
  pump(): void {
    this.#holdTimer?.cancel();
    this.#holdTimer = undefined;
    this.#giveOut();
    // What is held for a fuller batch waits for other jobs, and not for workers.
    const waitsForWorkers = this.#queue.length > 0 && this.#workers.size > 0 && this.#holdTimer === undefined;
    this.#admission.throughput.look(waitsForWorkers, this.#options.clock.now());
  }

  abandoned(job: Job, error: ServingError): void {
    if (job.state === 'queued') this.#queue.remove(job);
    else job.worker?.cancel(job);
    job.fail(error);
    if (this.#queue.length === 0) this.pump();
  }

  taken(job: Job, sizeBytes: number): void {
    job.worker?.credit(job, sizeBytes);
  }

  begun(job: Job): void {
    this.#options.observer.dispatched(job, this.#options.clock.now() - job.arrivedAt);
  }

  ended(job: Job, error: ServingError | undefined): void {
    const timer = this.#deadlines.get(job);
    if (timer !== undefined) {
      timer.cancel();
      this.#deadlines.delete(job);
    }
    const now = this.#options.clock.now();
    if (job.worker !== undefined) {
      this.#running -= 1;
      // What nobody waits for any more keeps its worker all the same.
      if (error?.code !== 'DEADLINE_EXCEEDED' && error?.code !== 'CANCELLED') this.#admission.throughput.finished(now);
    }
    this.#options.observer.finished(job, error?.code, now - job.arrivedAt);
    if (this.#queue.length === 0 && this.#running === 0) {
      for (const resolve of this.#idleWaiters.splice(0)) resolve();
    }
  }

  #giveOut(): void {
    const { clock } = this.#options;
    while (this.#queue.length > 0) {
      const worker = this.#workers.mostAppealing(this.#queue);
      if (worker === undefined) {
        this.#giveAhead();
        return;
      }
      const limit = Math.min(this.#options.batchSize, worker.room());
      const run = this.#queue.run(limit, worker);
      const isAnotherWorkerBusy = this.#workers.isAnotherBusy(worker);
      const batchTime = isAnotherWorkerBusy ? this.batchTime : undefined;
      const situation = {
        waiting: run.length,
        isClosed: run.isClosed || run.length === worker.room() || worker.takesAnyTime,
        oldestArrivedAt: run.oldestArrivedAt,
        isAnotherWorkerBusy,
        batchTime,
        soonestDeadlineAt: batchTime === undefined ? Infinity : this.#queue.soonestDeadlineAt(limit),
      };
      const now = clock.now();
      const plan = planBatch(situation, this.#options, now);
      if (plan.action === 'wait') {
        this.#holdTimer = clock.after(plan.untilAt - now, () => this.pump());
        return;
      }
      this.#give(worker, plan.size, now);
    }
  }

  /** Puts jobs that a worker does not have any more, and never began with, back to their places in the queue. */
  #requeue(jobs: readonly Job[]): void {
    const waiting = jobs.filter((job) => job.state === 'held');
    for (const job of waiting) {
      job.state = 'queued';
      job.worker = undefined;
    }
    this.#running -= waiting.length;
    this.#queue.putBack(waiting);
    this.pump();
  }

  /**
   * Full batches for workers that compute, so that they need not wait for the server between two of them. Where batches have several jobs, a
   * full one stays behind: a worker that was through sooner than jobs come would take small batches.
   */
  #giveAhead(): void {
    if (!this.#queue.isShared) return;
    const { batchSize, clock } = this.#options;
    const needed = batchSize === 1 ? 1 : 2 * batchSize;
    while (this.#queue.length >= needed) {
      const worker = this.#workers.leastAhead();
      if (worker === undefined || this.#queue.run(needed, worker).length < needed) return;
      this.#give(worker, batchSize, clock.now());
    }
  }

  /**
   * Gives a worker the first `size` jobs of its run, without those that come too late even if it is as quick as it ever was of late. When nothing
   * else is left that it could compute, one of them goes all the same, so that a wrong guess corrects itself.
   */
  #give(worker: BatchWorker, size: number, now: number): void {
    const taken = this.#queue.take(size, worker);
    const hasDeadlines = taken.some((job) => job.deadlineAt !== Infinity);
    const fastestMs = hasDeadlines ? this.#batchTimes.fastestMs() : 0;
    const isTimely = (job: Job) => job.deadlineAt > now + fastestMs;
    const isRest = this.#queue.length === 0 && !taken.some(isTimely);
    const probe = isRest ? taken.find((job) => job.deadlineAt > now) : undefined;
    const timely = hasDeadlines ? taken.filter((job) => job === probe || isTimely(job)) : taken;
    const late = timely.length === taken.length ? [] : taken.filter((job) => !timely.includes(job));
    if (timely.length > 0) this.#dispatch(worker, timely);
    for (const job of late) job.fail(this.#lateness(job, now, fastestMs));
  }

  #lateness(job: Job, now: number, fastestMs: number): ServingError {
    const { model } = this.#options;
    // The timers of deadlines come late when the event loop was busy.
    if (job.deadlineAt <= now) return deadlineExceeded(model, job);
    return deadlineOutOfReach(model, job, { leftMs: job.deadlineAt - now, neededMs: fastestMs });
  }

  #dispatch(worker: BatchWorker, batch: readonly Job[]): void {
    for (const job of batch) {
      job.state = 'held';
      job.worker = worker;
    }
    this.#running += batch.length;
    worker.run(batch);
  }

  #armDeadline(job: Job, now: number): void {
    const expire = () => this.abandoned(job, deadlineExceeded(this.#options.model, job));
    this.#deadlines.set(job, this.#options.clock.after(Math.max(0, job.deadlineAt - now), expire));
  }
}
