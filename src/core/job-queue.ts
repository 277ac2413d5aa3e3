// The bounded queue of one model version: first in, first out, any job removable at once. It holds jobs and decides nothing.
import type { Job, JobKind } from './job.ts';
import type { BatchWorker } from './ports.ts';
import type { Run, WaitingJobs } from './waiting-jobs.ts';

export class JobQueue implements WaitingJobs {
  readonly capacity: number;
  readonly goesAhead = true;
  #head: Job | undefined;
  #tail: Job | undefined;
  #length = 0;
  readonly #countOf: Record<JobKind, number> = { predict: 0, explain: 0, describe: 0 };

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get length(): number {
    return this.#length;
  }

  push(job: Job): void {
    job.previous = this.#tail;
    job.following = undefined;
    if (this.#tail === undefined) this.#head = job;
    else this.#tail.following = job;
    this.#tail = job;
    this.#count(job, 1);
  }

  /** Puts jobs that came back from a dead worker where their age says. They were admitted once, so no bound applies. */
  putBack(jobs: readonly Job[]): void {
    let place = this.#head;
    for (const job of jobs.toSorted((one, other) => one.id - other.id)) {
      while (place !== undefined && place.id < job.id) place = place.following;
      if (place === undefined) this.push(job);
      else this.#insertBefore(place, job);
    }
  }

  remove(job: Job): void {
    if (job.previous === undefined) this.#head = job.following;
    else job.previous.following = job.following;
    if (job.following === undefined) this.#tail = job.previous;
    else job.following.previous = job.previous;
    job.previous = undefined;
    job.following = undefined;
    this.#count(job, -1);
  }

  /** Workers that hold many jobs at a time share them. */
  appeal(worker: BatchWorker): number {
    return this.#length === 0 ? 0 : worker.room();
  }

  /** How many jobs at the head are of one kind; a describe travels alone. Any worker may have them. */
  run(limit: number): Run {
    const head = this.#head;
    if (head === undefined) return { length: 0, isClosed: false, oldestArrivedAt: 0 };
    const { kind } = head.request;
    const oldestArrivedAt = head.arrivedAt;
    if (kind === 'describe') return { length: 1, isClosed: true, oldestArrivedAt };
    if (this.#countOf[kind] === this.#length)
      return { length: Math.min(limit, this.#length), isClosed: false, oldestArrivedAt };
    let length = 0;
    for (let job = this.#head; job !== undefined && length < limit; job = job.following) {
      if (job.request.kind !== kind) return { length, isClosed: true, oldestArrivedAt };
      length += 1;
    }
    return { length, isClosed: false, oldestArrivedAt };
  }

  take(count: number): Job[] {
    const jobs: Job[] = [];
    while (jobs.length < count && this.#head !== undefined) {
      jobs.push(this.#head);
      this.remove(this.#head);
    }
    return jobs;
  }

  drain(): Job[] {
    return this.take(this.#length);
  }

  /** All workers are alike here. */
  workerJoined(): void {}

  workerLeft(): void {}

  #insertBefore(place: Job, job: Job): void {
    job.previous = place.previous;
    job.following = place;
    if (place.previous === undefined) this.#head = job;
    else place.previous.following = job;
    place.previous = job;
    this.#count(job, 1);
  }

  #count(job: Job, change: number): void {
    this.#length += change;
    this.#countOf[job.request.kind] += change;
  }
}
