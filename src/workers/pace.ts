// How quick a handler has been lately, which decides how much its worker may be given while it still computes. Jobs that wait in a worker
// cannot join a fuller batch, nor go to another worker: only where they will not wait for long is it worth it.

/** A slow batch is remembered for a while, so that a handler that is slow now and then is not trusted at its first quick answer. */
const REMEMBERED_SHARE = 0.9;

export class Pace {
  #batchMs: number | undefined;

  /** The handler took so long for its latest batch. */
  took(batchMs: number): void {
    this.#batchMs = Math.max(batchMs, (this.#batchMs ?? 0) * REMEMBERED_SHARE);
  }

  /** Whether so many batches are likely to be over in `limitMs`; false as long as nothing is known. */
  isWithin(limitMs: number, batches: number): boolean {
    return this.#batchMs !== undefined && this.#batchMs * batches <= limitMs;
  }
}
