// The heart of one model version: takes jobs in, lets them wait in its queue (WaitingJobs), and gives them to workers that have room. Everything a
// job can meet before and beside its worker (refusal, expiry, cancellation, return after a death) happens here.
import { planBatch } from './batching.ts';
import { ServingError } from './errors.ts';
import { Job, type JobKeeper, type JobRequest } from './job.ts';
import type { BatchWorker, Clock, ServingObserver, Timer } from './ports.ts';
import type { WaitingJobs } from './waiting-jobs.ts';

export interface SchedulerOptions {
  readonly model: string;
  readonly batchSize: number;
  readonly maxBatchDelayMs: number;
  /** Where jobs wait. */
  readonly queue: WaitingJobs;
  /** Whether a job is refused when no worker could begin with it at once. */
  readonly needsIdleWorker: boolean;
  readonly clock: Clock;
  readonly observer: ServingObserver;
}

/** Why new jobs are turned away, worded for one request. */
export type Refusal = (request: JobRequest) => ServingError;

/** How often a job may come back from workers that died before they had begun with it. */
const MAX_TIMES_GIVEN_BACK = 2;

let lastJobId = 0;

export class Scheduler implements JobKeeper {
  readonly #options: SchedulerOptions;
  readonly #queue: WaitingJobs;
  readonly #workers = new Set<BatchWorker>();
  readonly #deadlines = new Map<Job, Timer>();
  #running = 0;
  #refusal: Refusal | undefined;
  #holdTimer: Timer | undefined;
  #idleWaiters: (() => void)[] = [];

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#queue = options.queue;
  }

  /** Jobs that wait for a worker to begin with them. */
  get waiting(): number {
    return this.#queue.length + this.#ahead();
  }

  /** Jobs that a worker has. */
  get running(): number {
    return this.#running - this.#ahead();
  }

  /** How many more jobs may wait. */
  get remainingCapacity(): number {
    return Math.max(0, this.#queue.capacity - this.waiting);
  }

  /** Takes a job in, or throws why not. `deadlineAt` is monotonic; Infinity for none. */
  submit(request: JobRequest, deadlineAt: number): Job {
    if (this.#refusal !== undefined) throw this.#refusal(request);
    if (this.remainingCapacity === 0) throw this.#queueFull(request);
    if (this.#options.needsIdleWorker && this.#queue.length >= this.#idleWorkers()) throw this.#noIdleWorker(request);
    lastJobId += 1;
    const now = this.#options.clock.now();
    const job = new Job(lastJobId, request, now, deadlineAt, this);
    this.#queue.push(job);
    if (deadlineAt !== Infinity) this.#armDeadline(job, now);
    this.#options.observer.queued(job);
    this.pump();
    return job;
  }

  /** From now on every new job meets this refusal; what waits is kept. Undefined opens the door again. */
  refuse(refusal: Refusal | undefined): void {
    this.#refusal = refusal;
  }

  /** Ends every waiting job with an error. */
  failWaiting(refusal: Refusal): void {
    for (const job of this.#queue.drain()) job.fail(refusal(job.request));
  }

  /** A worker is ready: it takes part from now on, also in what others were given ahead. */
  addWorker(worker: BatchWorker): void {
    for (const other of this.#workers) void other.recall().then((jobs) => this.#requeue(jobs));
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
   * Jobs that a dead worker held but never started go back into the queue, ahead of all that came later. Those that have come back too
   * often fail: it may be they that end the workers.
   */
  takeBack(jobs: readonly Job[]): void {
    const held = jobs.filter((job) => job.state === 'held');
    for (const job of held) job.timesGivenBack += 1;
    for (const job of held) if (job.timesGivenBack > MAX_TIMES_GIVEN_BACK) job.fail(this.#workersDied(job));
    this.#requeue(held);
  }

  /** Resolves when nothing waits and nothing runs. */
  idle(): Promise<void> {
    if (this.#queue.length === 0 && this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Gives out what can be given out; called whenever a job arrives or a worker's room grows. */
  pump(): void {
    this.#holdTimer?.cancel();
    this.#holdTimer = undefined;
    const { batchSize, clock } = this.#options;
    while (this.#queue.length > 0) {
      const worker = this.#mostAppealing();
      if (worker === undefined) {
        this.#giveAhead();
        return;
      }
      const run = this.#queue.run(Math.min(batchSize, worker.room()), worker);
      const situation = {
        waiting: run.length,
        isClosed: run.isClosed || run.length === worker.room() || worker.takesAnyTime,
        oldestArrivedAt: run.oldestArrivedAt,
        isAnotherWorkerBusy: this.#isAnotherBusy(worker),
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

  abandoned(job: Job, error: ServingError): void {
    if (job.state === 'queued') this.#queue.remove(job);
    else job.worker?.cancel(job);
    job.fail(error);
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
    if (job.worker !== undefined) this.#running -= 1;
    this.#options.observer.finished(job, error?.code, this.#options.clock.now() - job.arrivedAt);
    if (this.#queue.length === 0 && this.#running === 0) {
      for (const resolve of this.#idleWaiters.splice(0)) resolve();
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
   * Full batches for a worker that computes, so that it need not wait for the server between two of them. Only where it is the only one: of
   * several, another could be free sooner. Where batches have several jobs, a full one stays behind: a worker that was through sooner than
   * jobs come would take small batches.
   */
  #giveAhead(): void {
    if (this.#workers.size !== 1 || !this.#queue.goesAhead) return;
    const { batchSize, clock } = this.#options;
    const needed = batchSize === 1 ? 1 : 2 * batchSize;
    for (const worker of this.#workers) {
      while (this.#queue.run(needed, worker).length === needed && worker.takesAhead())
        this.#give(worker, batchSize, clock.now());
    }
  }

  /** Gives a worker the first `size` jobs of its run, without those whose time is over. */
  #give(worker: BatchWorker, size: number, now: number): void {
    const taken = this.#queue.take(size, worker);
    const expired = taken.filter((job) => job.deadlineAt <= now);
    const alive = expired.length === 0 ? taken : taken.filter((job) => job.deadlineAt > now);
    if (alive.length > 0) this.#dispatch(worker, alive);
    // Their timers come late when the event loop was busy; a worker must not compute what nobody waits for.
    for (const job of expired) job.fail(deadlineExceeded(job, this.#options.model));
  }

  #dispatch(worker: BatchWorker, batch: readonly Job[]): void {
    for (const job of batch) {
      job.state = 'held';
      job.worker = worker;
    }
    this.#running += batch.length;
    worker.run(batch);
  }

  /** The worker that something should be given to first; undefined when nothing can be given out. */
  #mostAppealing(): BatchWorker | undefined {
    let best: BatchWorker | undefined;
    let most = 0;
    for (const worker of this.#workers) {
      const appeal = this.#queue.appeal(worker);
      if (appeal <= most) continue;
      best = worker;
      most = appeal;
    }
    return best;
  }

  /** Workers that could begin with something at once. */
  #idleWorkers(): number {
    let idle = 0;
    for (const worker of this.#workers) if (worker.room() > 0) idle += 1;
    return idle;
  }

  #ahead(): number {
    let jobs = 0;
    for (const worker of this.#workers) jobs += worker.aheadJobs;
    return jobs;
  }

  #isAnotherBusy(worker: BatchWorker): boolean {
    for (const other of this.#workers) if (other !== worker && other.isBusy()) return true;
    return false;
  }

  #armDeadline(job: Job, now: number): void {
    const expire = () => this.abandoned(job, deadlineExceeded(job, this.#options.model));
    this.#deadlines.set(job, this.#options.clock.after(Math.max(0, job.deadlineAt - now), expire));
  }

  #workersDied(job: Job): ServingError {
    const { model } = this.#options;
    const message = `${job.timesGivenBack} workers of model ${model} died one after the other before they had begun with the request; their log says why.`;
    return new ServingError('WORKER_DIED', message, { ...namesOf(model, job.request), retryAfterSec: 1 });
  }

  #queueFull(request: JobRequest): ServingError {
    const { model, queue } = this.#options;
    const message = `The queue of model ${model} is full: ${queue.capacity} requests wait already. Try again later, add workers, or raise job_queue_size.`;
    return new ServingError('QUEUE_FULL', message, { ...namesOf(model, request), retryAfterSec: 1 });
  }

  #noIdleWorker(request: JobRequest): ServingError {
    const { model } = this.#options;
    const message = `Every worker of model ${model} is busy, and its useJobTicket lets no request wait. Try again later, or add workers.`;
    return new ServingError('NO_IDLE_WORKER', message, { ...namesOf(model, request), retryAfterSec: 1 });
  }
}

/** The model, and the version where the caller named one, as error details. */
export function namesOf(model: string, request: JobRequest): { model: string; version?: string } {
  return request.requestedVersion === undefined ? { model } : { model, version: request.requestedVersion };
}

function deadlineExceeded(job: Job, model: string): ServingError {
  const allowedMs = Math.round(job.deadlineAt - job.arrivedAt);
  const where = job.state === 'queued' ? 'while it waited for a worker' : 'while the model computed it';
  const message = `The request allowed ${allowedMs} ms, and they were over ${where}.`;
  return new ServingError('DEADLINE_EXCEEDED', message, namesOf(model, job.request));
}
