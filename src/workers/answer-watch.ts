// Watches a worker for answers that are overdue: as a whole where it makes one call after the other, and job by job where it works on many
// side by side.
import type { Job } from '../core/job.ts';
import type { Clock } from '../core/ports.ts';
import type { ReadyMessage, WorkerMessage } from '../protocol/messages.ts';
import type { HeldJobs } from './held-jobs.ts';
import { JobWatch } from './job-watch.ts';
import { ResponseWatch } from './response-watch.ts';

/** `batches`: one call after the other; `joined`: the same, and jobs join between two; `side by side`: each job by itself. */
type WayOfWorking = 'batches' | 'joined' | 'side by side';

export interface AnswerWatchOptions {
  readonly held: HeldJobs;
  /** Infinity for answers that may take as long as they like. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** One job is overdue in a worker that may be well. */
  onOverdue(jobId: number): void;
  /** The worker itself is overdue. */
  onSilence(): void;
}

export class AnswerWatch {
  #way: WayOfWorking = 'batches';
  readonly #held: HeldJobs;
  readonly #calls: ResponseWatch;
  readonly #jobs: JobWatch;

  constructor({ held, ...options }: AnswerWatchOptions) {
    this.#held = held;
    this.#calls = new ResponseWatch({ ...options, verdict: () => held.verdictOnSilence(this.#way === 'batches') });
    this.#jobs = new JobWatch({ ...options, isWaitingForReader: (jobId) => held.isWaitingForReader(jobId) });
  }

  /** What the worker said of itself when it was ready. */
  learn({ joins, capacity }: ReadyMessage, batchSize: number): void {
    if (joins) this.#way = 'joined';
    else if (capacity > batchSize) this.#way = 'side by side';
  }

  /** Whether the worker takes jobs while it has some. */
  get takesAnyTime(): boolean {
    return this.#way !== 'batches';
  }

  /** The worker was given these. What comes while it computes must not lengthen the patience with what it computes. */
  begin(batch: readonly Job[]): void {
    if (this.#way === 'side by side') this.#jobs.begin(batch);
    else if (this.#held.size === batch.length) this.#calls.begin();
  }

  /** A sign of life. */
  heard(message: WorkerMessage): void {
    if (this.#way === 'side by side') this.#jobs.heard(message);
    else this.#calls.heard();
  }

  /** The reader of this job's stream has taken some of it. */
  readOn(jobId: number): void {
    this.#jobs.readOn(jobId);
  }

  stop(): void {
    this.#calls.stop();
    this.#jobs.stop();
  }
}
