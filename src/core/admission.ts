// Whether a version takes one more job in: by the places in its queue, and by the time that the job allows. It learns how quickly jobs get
// through, and so also knows when those that are turned away may come again.
import { type BatchTimes, timeForJobsMs } from './batch-time.ts';
import type { JobRequest } from './job.ts';
import type { ReadyWorkers } from './ready-workers.ts';
import { noIdleWorker, queueFull, waitTooLong } from './refusals.ts';
import { Throughput } from './throughput.ts';
import type { WaitingJobs } from './waiting-jobs.ts';

/** Nobody is told to come back later than this: by then everything may be different. */
const MAX_RETRY_AFTER_SEC = 60;

export interface AdmissionOptions {
  readonly model: string;
  readonly batchSize: number;
  /** Whether a job is refused when no worker could begin with it at once. */
  readonly needsIdleWorker: boolean;
  readonly queue: WaitingJobs;
  readonly workers: ReadyWorkers;
  readonly batchTimes: BatchTimes;
}

/** Where the version stands when a job comes. */
export interface AdmissionSituation {
  /** Jobs that workers have, those given ahead included. */
  readonly inHand: number;
  /** Whether nothing waits for a worker before it. */
  readonly canBeginNow: boolean;
}

export class Admission {
  readonly throughput: Throughput;
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.throughput = new Throughput(options.batchSize);
  }

  /** Jobs that wait for a worker to begin with them. */
  get waiting(): number {
    return this.#options.queue.length + this.#options.workers.aheadJobs;
  }

  /** How many more jobs may wait. */
  get remainingCapacity(): number {
    return Math.max(0, this.#options.queue.capacity - this.waiting);
  }

  /** Whole seconds until what waits now will have been given out, at the present rate; at least 1. */
  get retryAfterSec(): number {
    const waitMs = this.throughput.timeForMs(this.waiting) ?? 0;
    return Math.min(MAX_RETRY_AFTER_SEC, Math.max(1, Math.ceil(waitMs / 1000)));
  }

  /** Throws why a job that allows so much time is not taken in. */
  check(request: JobRequest, allowedMs: number, situation: AdmissionSituation): void {
    const { model, needsIdleWorker, queue, workers } = this.#options;
    if (this.remainingCapacity === 0) throw queueFull(model, request, queue.capacity, this.retryAfterSec);
    if (needsIdleWorker && queue.length >= workers.idle) throw noIdleWorker(model, request, this.retryAfterSec);
    if (allowedMs === Infinity || situation.canBeginNow || !queue.isShared) return;
    const waiting = queue.lengthUpTo(request.priority) + 1;
    const byRateMs = this.throughput.timeForMs(situation.inHand + waiting) ?? 0;
    if (byRateMs <= allowedMs) return;
    const expectedMs = Math.min(byRateMs, this.#byBatchesMs(situation.inHand, waiting));
    if (expectedMs > allowedMs)
      throw waitTooLong(model, request, { allowedMs, expectedMs, retryAfterSec: this.retryAfterSec });
  }

  /** How long so many that wait would take behind what runs, by what batches cost: the rate of small batches says little of that of full ones. */
  #byBatchesMs(inHand: number, waiting: number): number {
    const { batchSize, workers, batchTimes } = this.#options;
    const batchTime = batchTimes.fit();
    // All of a version are alike. Where jobs join, the handler's calls are no batches.
    const [worker] = workers.all();
    if (batchTime === undefined || worker === undefined || worker.takesAnyTime) return Infinity;
    const time = (jobs: number) => timeForJobsMs(batchTime, jobs, batchSize, workers.size);
    return time(inHand) + time(waiting);
  }
}
