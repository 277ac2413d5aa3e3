// Whose a batch is that the control thread has heard: the main thread's, which begins with it, or the control thread's, which gives it back to
// the server. Both may reach for it at the same moment; the first one has it.

/** One number that both threads see: the latest batch that is somebody's. Batches count from 1, and each thread claims them in order. */
export class BatchClaims {
  readonly memory: SharedArrayBuffer;
  readonly #latest: BigInt64Array;

  /** `memory` is that of the other thread's claims. */
  constructor(memory = new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#latest = new BigInt64Array(memory);
  }

  /** Takes a batch; false when the other thread has it. */
  claim(batch: bigint): boolean {
    return Atomics.compareExchange(this.#latest, 0, batch - 1n, batch) === batch - 1n;
  }

  /** Whether the batch is somebody's. */
  isClaimed(batch: bigint): boolean {
    return Atomics.load(this.#latest, 0) >= batch;
  }
}
