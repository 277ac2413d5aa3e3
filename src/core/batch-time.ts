// What a batch of so many jobs takes, learned from those that were computed: a time that every batch costs, and a time for each job in it.

/** Milliseconds of a batch of n jobs: `baseMs + perJobMs * n`, neither of them negative. */
export interface BatchTime {
  readonly baseMs: number;
  readonly perJobMs: number;
}

/** Milliseconds of one batch of so many jobs. */
export function timeOfBatchMs({ baseMs, perJobMs }: BatchTime, size: number): number {
  return baseMs + perJobMs * size;
}

/** Milliseconds of so many jobs in batches of up to `batchSize`, `workers` of which are computed at a time. */
export function timeForJobsMs(time: BatchTime, jobs: number, batchSize: number, workers: number): number {
  const rounds = Math.ceil(jobs / batchSize / workers);
  return rounds * timeOfBatchMs(time, Math.min(jobs, batchSize));
}

/** How many of the latest batches count. */
const REMEMBERED = 64;
/** The first batches of a model are slow (lazy initialisation, caches) and say nothing about the others. */
const IGNORED = 3;
/** Fewer than these say too little. */
const NEEDED = 8;
/** How many further batches are awaited before the fit is made anew: it costs about as much as they do in a quick model. */
const REFIT_AFTER = 32;

/** Learns from batches of one version; its workers are alike. */
export class BatchTimes {
  /** Sizes and times of the latest batches, in a ring. */
  readonly #sizes: number[] = [];
  readonly #times: number[] = [];
  #count = 0;
  #fit: BatchTime | undefined;
  #fittedAt = 0;

  /** A batch of `size` jobs took `tookMs`. */
  took(size: number, tookMs: number): void {
    this.#count += 1;
    if (this.#count <= IGNORED) return;
    const place = (this.#count - IGNORED - 1) % REMEMBERED;
    this.#sizes[place] = size;
    this.#times[place] = tookMs;
  }

  /** The time of the quickest of the latest batches; 0 as long as there were too few. */
  fastestMs(): number {
    return this.#times.length < NEEDED ? 0 : Math.min(...this.#times);
  }

  /** What is known now; undefined until there were enough batches, and of different sizes. */
  fit(): BatchTime | undefined {
    if (this.#sizes.length < NEEDED) return undefined;
    const isStale = this.#fittedAt === 0 || this.#count - this.#fittedAt >= REFIT_AFTER;
    if (isStale) {
      this.#fittedAt = this.#count;
      this.#fit = fitted(this.#sizes, this.#times);
    }
    return this.#fit;
  }
}

/**
 * The median of the slopes between every two batches of different sizes (the Theil–Sen estimator): up to a quarter of the batches may have been
 * held up by anything without moving it.
 */
function fitted(sizes: readonly number[], times: readonly number[]): BatchTime | undefined {
  const slopes: number[] = [];
  for (const [one, size] of sizes.entries()) {
    for (let other = one + 1; other < sizes.length; other += 1) {
      const run = (sizes[other] ?? 0) - size;
      if (run !== 0) slopes.push(((times[other] ?? 0) - (times[one] ?? 0)) / run);
    }
  }
  if (slopes.length < NEEDED) return undefined;
  const perJobMs = Math.max(0, median(slopes));
  const rests = sizes.map((size, index) => (times[index] ?? 0) - perJobMs * size);
  return { baseMs: Math.max(0, median(rests)), perJobMs };
}

function median(values: number[]): number {
  const sorted = values.sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
