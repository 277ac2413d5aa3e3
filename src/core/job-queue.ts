// The bounded queue of one model version: first in, first out, any job removable at once. It holds jobs and decides nothing.
import type { Job, JobKind } from './job.ts';

/** The jobs at the head that may share a batch. */
export interface Run {
  readonly length: number;
  /** Whether a job behind the run can never join it, so that waiting gains nothing. */
  readonly isClosed: boolean;
}

export class JobQueue {
  readonly capacity: number;
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

  /** The job that has waited longest. */
  get head(): Job | undefined {
    return this.#head;
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

  /** How many jobs at the head are of one kind, looking at no more than `limit`; a describe travels alone. */
  run(limit: number): Run {
    const kind = this.#head?.request.kind;
    if (kind === undefined) return { length: 0, isClosed: false };
    if (kind === 'describe') return { length: 1, isClosed: true };
    if (this.#countOf[kind] === this.#length) return { length: Math.min(limit, this.#length), isClosed: false };
    let length = 0;
    for (let job = this.#head; job !== undefined && length < limit; job = job.following) {
      if (job.request.kind !== kind) return { length, isClosed: true };
      length += 1;
    }
    return { length, isClosed: false };
  }

  /** Takes the first `count` jobs out. */
  take(count: number): Job[] {
    const jobs: Job[] = [];
    while (jobs.length < count && this.#head !== undefined) {
      jobs.push(this.#head);
      this.remove(this.#head);
    }
    return jobs;
  }

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
