// A body as the chunks that arrived, read as if it were one piece: searched and cut without being joined.

export class ChunkList {
  readonly lengthBytes: number;
  readonly #chunks: readonly Buffer[];
  /** Where each chunk begins. */
  readonly #starts: readonly number[];

  constructor(chunks: readonly Buffer[]) {
    let lengthBytes = 0;
    this.#starts = chunks.map((chunk) => {
      const start = lengthBytes;
      lengthBytes += chunk.length;
      return start;
    });
    this.#chunks = chunks;
    this.lengthBytes = lengthBytes;
  }

  /** Where `pattern` stands first at or after `from`; -1 when it does not. */
  indexOf(pattern: Buffer, from: number): number {
    for (let index = this.#chunkAt(from); index < this.#chunks.length; index += 1) {
      const start = this.#startOf(index);
      const chunk = this.#chunks[index] ?? EMPTY;
      const within = chunk.indexOf(pattern, Math.max(0, from - start));
      if (within >= 0) return start + within;
      const seam = this.#acrossEnd(start + chunk.length, pattern, from);
      if (seam >= 0) return seam;
    }
    return -1;
  }

  /** The bytes from `start` up to `end` as views of the chunks. */
  slice(start: number, end: number): Buffer[] {
    const views: Buffer[] = [];
    for (let index = this.#chunkAt(start); index < this.#chunks.length && this.#startOf(index) < end; index += 1) {
      const offset = this.#startOf(index);
      const view = (this.#chunks[index] ?? EMPTY).subarray(Math.max(0, start - offset), end - offset);
      if (view.length > 0) views.push(view);
    }
    return views;
  }

  /** The bytes from `start` up to `end` in one buffer; for short pieces, they are copied. */
  copy(start: number, end: number): Buffer {
    return Buffer.concat(this.slice(start, end));
  }

  /** A match that begins before `seam` and ends behind it. */
  #acrossEnd(seam: number, pattern: Buffer, from: number): number {
    const start = Math.max(from, seam - pattern.length + 1);
    if (start >= seam) return -1;
    const found = this.copy(start, seam + pattern.length - 1).indexOf(pattern);
    return found < 0 ? -1 : start + found;
  }

  /** The index of the chunk that holds the byte at `position`. */
  #chunkAt(position: number): number {
    let [low, high] = [0, this.#starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#startOf(middle) <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #startOf(index: number): number {
    return this.#starts[index] ?? this.lengthBytes;
  }
}

const EMPTY = Buffer.alloc(0);
