// How many jobs a version gets through, measured only while some of them wait: then its workers have all they can do, and the rate is what they
// can, not what is asked of them.

/** Fewer jobs than these say too little. */
const NEEDED_JOBS = 8;
/** About so many of the latest jobs count. */
const REMEMBERED_JOBS = 32;
/** One job counts for no more than so many usual ones, so that a stall is forgotten soon. */
const MOST_PER_JOB = 8;

export class Throughput {
  #msPerJob = 0;
  #jobs = 0;
  /** Time in which jobs waited, since the latest of them was over. */
  #pendingMs = 0;
  /** Since when jobs have been waiting, or when that was last looked at; undefined while none waits. */
  #waitingSince: number | undefined;

  /** Whether jobs wait from this moment on, for workers that are there. */
  look(isWaiting: boolean, now: number): void {
    if (this.#waitingSince !== undefined) this.#pendingMs += now - this.#waitingSince;
    this.#waitingSince = isWaiting ? now : undefined;
  }

  /** A worker is through with a job. */
  finished(now: number): void {
    if (this.#waitingSince === undefined) return;
    this.look(true, now);
    this.#jobs += 1;
    const most = this.#jobs > NEEDED_JOBS ? this.#msPerJob * MOST_PER_JOB : Infinity;
    const share = 1 / Math.min(this.#jobs, REMEMBERED_JOBS);
    this.#msPerJob += (Math.min(this.#pendingMs, most) - this.#msPerJob) * share;
    this.#pendingMs = 0;
  }

  /** How long it takes to get through so many jobs, in milliseconds; undefined as long as too little is known. */
  timeForMs(jobs: number): number | undefined {
    return this.#jobs < NEEDED_JOBS ? undefined : jobs * this.#msPerJob;
  }
}
