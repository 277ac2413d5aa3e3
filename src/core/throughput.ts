// How many jobs a version gets through, measured only while some of them wait because its workers have all they can do: then the rate is what
// they can, not what is asked of them.

/** Fewer jobs than these say too little. */
const NEEDED_JOBS = 8;
/** At least so many of the latest jobs count, and of the latest batches. */
const REMEMBERED_JOBS = 32;
const REMEMBERED_BATCHES = 4;
/** One wait counts for no more than so many usual batches, so that a stall is forgotten soon. */
const MOST_BATCHES = 8;

export class Throughput {
  readonly #batchSize: number;
  readonly #remembered: number;
  /** Jobs that were over, and the time in which that was. Both are halved now and then, so that what is old counts less. */
  #jobs = 0;
  #totalMs = 0;
  /** Time in which jobs waited, since the latest of them was over. */
  #pendingMs = 0;
  /** Since when jobs have been waiting, or when that was last looked at; undefined while none waits. */
  #waitingSince: number | undefined;

  /** `batchSize` jobs may be over at once. */
  constructor(batchSize: number) {
    this.#batchSize = batchSize;
    this.#remembered = Math.max(REMEMBERED_JOBS, REMEMBERED_BATCHES * batchSize);
  }

  /** Whether jobs wait from this moment on, for workers that have no room for them. */
  look(isWaiting: boolean, now: number): void {
    if (this.#waitingSince !== undefined) this.#pendingMs += now - this.#waitingSince;
    this.#waitingSince = isWaiting ? now : undefined;
  }

  /** A worker is through with a job. */
  finished(now: number): void {
    if (this.#waitingSince === undefined) return;
    this.look(true, now);
    this.#totalMs += Math.min(this.#pendingMs, this.#mostMs());
    this.#jobs += 1;
    this.#pendingMs = 0;
    if (this.#jobs < 2 * this.#remembered) return;
    this.#jobs /= 2;
    this.#totalMs /= 2;
  }

  /** How long it takes to get through so many jobs, in milliseconds; undefined as long as too little is known. */
  timeForMs(jobs: number): number | undefined {
    return this.#jobs < NEEDED_JOBS ? undefined : (jobs * this.#totalMs) / this.#jobs;
  }

  /** Below a millisecond nothing is a stall. */
  #mostMs(): number {
    return Math.max(1, this.timeForMs(MOST_BATCHES * this.#batchSize) ?? Infinity);
  }
}
