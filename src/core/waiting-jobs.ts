// What the scheduler asks of the place where jobs wait. JobQueue answers for models without state, where any worker may have any job;
// SequenceQueue for stateful ones, where a job belongs to the worker that has its sequence.
import type { Job } from './job.ts';
import type { BatchWorker } from './ports.ts';
import type { Priority } from './priority.ts';

/** The jobs that a worker could be given together now. */
export interface Run {
  readonly length: number;
  /** Whether no job that comes later can join them, or waiting for one gains nothing. */
  readonly isClosed: boolean;
  /** Of the job among them that has waited longest. */
  readonly oldestArrivedAt: number;
}

export interface WaitingJobs {
  /** How many jobs may wait. */
  readonly capacity: number;
  /** How many do. */
  readonly length: number;
  /** How many of them have this priority or a higher one. */
  lengthUpTo(priority: Priority): number;
  /** Whether any worker may have any job: only then may batches wait in one that computes, and only then does the length tell the wait. */
  readonly isShared: boolean;
  /** Takes a job in, or throws why not. */
  push(job: Job): void;
  /** Takes jobs in again that a worker did not begin with. They were admitted once, so no bound applies. */
  putBack(jobs: readonly Job[]): void;
  /** Takes out a job that waits. */
  remove(job: Job): void;
  /** How much speaks for giving something to this worker now; 0 when it has no room, or nothing that waits is for it. */
  appeal(worker: BatchWorker): number;
  /** What this worker could take, looking at no more than `limit` jobs; at least one when it appeals. */
  run(limit: number, worker: BatchWorker): Run;
  /** The soonest deadline among the first `limit` jobs; Infinity where there is none. */
  soonestDeadlineAt(limit: number): number;
  /** Takes out the first `count` jobs of the worker's run. */
  take(count: number, worker: BatchWorker): Job[];
  /** Takes out everything, the oldest first. */
  drain(): Job[];
  workerJoined(worker: BatchWorker): void;
  workerLeft(worker: BatchWorker): void;
}
