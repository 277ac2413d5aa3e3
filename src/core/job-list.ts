// Jobs in the order of their arrival, linked by themselves: any of them leaves in one step. It counts them and decides nothing.
import type { Job } from './job.ts';

export class JobList {
  #head: Job | undefined;
  #tail: Job | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The one that came first; undefined when there is none. */
  get head(): Job | undefined {
    return this.#head;
  }

  push(job: Job): void {
    job.previous = this.#tail;
    job.following = undefined;
    if (this.#tail === undefined) this.#head = job;
    else this.#tail.following = job;
    this.#tail = job;
    this.#length += 1;
  }

  /** Puts a job where its age says. */
  insert(job: Job): void {
    let place = this.#head;
    while (place !== undefined && place.id < job.id) place = place.following;
    if (place === undefined) {
      this.push(job);
      return;
    }
    job.previous = place.previous;
    job.following = place;
    if (place.previous === undefined) this.#head = job;
    else place.previous.following = job;
    place.previous = job;
    this.#length += 1;
  }

  remove(job: Job): void {
    if (job.previous === undefined) this.#head = job.following;
    else job.previous.following = job.following;
    if (job.following === undefined) this.#tail = job.previous;
    else job.following.previous = job.previous;
    job.previous = undefined;
    job.following = undefined;
    this.#length -= 1;
  }
}
