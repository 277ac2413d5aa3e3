// Reads spans of an archive that is being unpacked: large ones chunk by chunk, headers and small entries through a window, so that neighbours
// cost one read. Synchronous, for unpacking has a thread of its own; see new-file.ts.
import { readSync } from 'node:fs';
import { CHUNK_BYTES } from './file-range.ts';

/** An archive that is open for reading; the descriptor stays its opener's. */
export interface ArchiveFile {
  readonly descriptor: number;
  readonly sizeBytes: number;
}

/**
 * The bytes from `start` up to but without `end`, in one buffer that is filled again and again: a chunk is valid until the next one is asked
 * for. Throws when the file ends before `end`.
 */
export function* chunksOf(file: ArchiveFile, start: number, end: number): Generator<Buffer, void, undefined> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, end - start));
  for (let position = start; position < end; position += buffer.length) {
    const chunk = buffer.subarray(0, Math.min(buffer.length, end - position));
    fill(file, chunk, position, chunk.length);
    yield chunk;
  }
}

/** Gives short spans of a file that are asked for in about their order. */
export class FileWindow {
  readonly #file: ArchiveFile;
  readonly #buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  #start = 0;
  #length = 0;

  constructor(file: ArchiveFile) {
    this.#file = file;
  }

  /** At most CHUNK_BYTES, valid until the next call. Throws when the span is not in the file. */
  bytes(position: number, length: number): Buffer {
    if (position < 0 || position + length > this.#file.sizeBytes) throw new Error('a header points outside the file');
    if (position < this.#start || position + length > this.#start + this.#length) this.#move(position, length);
    return this.#buffer.subarray(position - this.#start, position - this.#start + length);
  }

  #move(position: number, length: number): void {
    this.#length = 0;
    this.#length = fill(this.#file, this.#buffer, position, length);
    this.#start = position;
  }
}

/** Reads into `buffer` until it holds at least `length` bytes; tells how many it holds. */
function fill({ descriptor }: ArchiveFile, buffer: Buffer, position: number, length: number): number {
  let filled = 0;
  while (filled < length) {
    const bytesRead = readSync(descriptor, buffer, filled, buffer.length - filled, position + filled);
    if (bytesRead === 0) throw new Error('the file ends too early');
    filled += bytesRead;
  }
  return filled;
}
