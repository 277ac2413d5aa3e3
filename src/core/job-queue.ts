// The bounded queue of one model version: by priority and age, first in, first out within a priority, any job removable at once. It holds jobs
// and decides nothing.
import type { Job, JobKind } from './job.ts';
import { JobList } from './job-list.ts';
import type { BatchWorker } from './ports.ts';
import { PRIORITIES, type Priority, turnAt } from './priority.ts';
import type { Run, WaitingJobs } from './waiting-jobs.ts';

const EMPTY: Run = { length: 0, isClosed: false, oldestArrivedAt: 0 };

export class JobQueue implements WaitingJobs {
  readonly capacity: number;
  readonly isShared = true;
  /** One for each priority, the most urgent first. */
  readonly #lists: readonly JobList[] = PRIORITIES.map(() => new JobList());
  #length = 0;
  readonly #countOf: Record<JobKind, number> = { predict: 0, explain: 0, describe: 0 };
  #suspects = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get length(): number {
    return this.#length;
  }

  lengthUpTo(priority: Priority): number {
    return this.#lists.slice(0, priority).reduce((length, list) => length + list.length, 0);
  }

  push(job: Job): void {
    this.#listOf(job).push(job);
    this.#count(job, 1);
  }

  /** Puts jobs that came back from a dead worker where their age says. They were admitted once, so no bound applies. */
  putBack(jobs: readonly Job[]): void {
    for (const job of jobs) {
      this.#listOf(job).insert(job);
      this.#count(job, 1);
    }
  }

  remove(job: Job): void {
    this.#listOf(job).remove(job);
    this.#count(job, -1);
  }

  /** Workers that hold many jobs at a time share them. */
  appeal(worker: BatchWorker): number {
    return this.#length === 0 ? 0 : worker.room();
  }

  /**
   * How many jobs at the head are of one kind. A describe travels alone, and so does a job that a worker has died with: whether it was the
   * reason shows, and no other job dies with it. Any worker may have them.
   */
  run(limit: number): Run {
    const head = this.#next();
    if (head === undefined) return EMPTY;
    const { kind } = head.request;
    if (kind === 'describe' || head.isSuspect) return { length: 1, isClosed: true, oldestArrivedAt: head.arrivedAt };
    if (this.#countOf[kind] === this.#length && this.#suspects === 0)
      return { length: Math.min(limit, this.#length), isClosed: false, oldestArrivedAt: this.#oldestArrivedAt() };
    let length = 0;
    for (const job of this.#inOrder()) {
      if (length === limit) break;
      if (job.request.kind !== kind || job.isSuspect)
        return { length, isClosed: true, oldestArrivedAt: head.arrivedAt };
      length += 1;
    }
    return { length, isClosed: false, oldestArrivedAt: this.#oldestArrivedAt() };
  }

  soonestDeadlineAt(limit: number): number {
    let soonest = Infinity;
    let seen = 0;
    for (const job of this.#inOrder()) {
      if (seen === limit) break;
      seen += 1;
      soonest = Math.min(soonest, job.deadlineAt);
    }
    return soonest;
  }

  take(count: number): Job[] {
    const jobs: Job[] = [];
    while (jobs.length < count) {
      const job = this.#next();
      if (job === undefined) break;
      jobs.push(job);
      this.remove(job);
    }
    return jobs;
  }

  drain(): Job[] {
    return this.take(this.#length).sort((one, other) => one.id - other.id);
  }

  /** All workers are alike here. */
  workerJoined(): void {}

  workerLeft(): void {}

  #listOf(job: Job): JobList {
    const list = this.#lists[job.request.priority - 1];
    if (list === undefined) throw new RangeError(`there is no priority ${job.request.priority}`);
    return list;
  }

  /** The job whose turn it is. */
  #next(): Job | undefined {
    let next: Job | undefined;
    for (const { head } of this.#lists)
      if (head !== undefined && (next === undefined || isBefore(head, next))) next = head;
    return next;
  }

  /** What `take` would give, one after the other. */
  *#inOrder(): Generator<Job> {
    const places = this.#lists.map(({ head }) => head);
    for (;;) {
      let next: Job | undefined;
      for (const job of places) if (job !== undefined && (next === undefined || isBefore(job, next))) next = job;
      if (next === undefined) return;
      yield next;
      places[next.request.priority - 1] = next.following;
    }
  }

  #oldestArrivedAt(): number {
    let oldest = Infinity;
    for (const { head } of this.#lists) if (head !== undefined) oldest = Math.min(oldest, head.arrivedAt);
    return oldest;
  }

  #count(job: Job, change: number): void {
    this.#length += change;
    this.#countOf[job.request.kind] += change;
    if (job.isSuspect) this.#suspects += change;
  }
}

/** Whether it is the turn of the one before that of the other, which has a higher priority. */
function isBefore(one: Job, other: Job): boolean {
  return turnAt(one.arrivedAt, one.request.priority) < turnAt(other.arrivedAt, other.request.priority);
}
