// A body in a file, read through one window that moves over it: a form of gigabytes is taken apart in a megabyte of memory.
import { type FileHandle, open } from 'node:fs/promises';
import type { BodyBytes, Piece } from './body-bytes.ts';

const WINDOW_BYTES = 1024 * 1024;

/** A value up to this length is taken into memory: the server reads the short fields of a form itself. */
const SHORT_VALUE_BYTES = 4 * 1024;

/** Opens the file of a body; the caller closes it. */
export async function openStoredBytes(path: string): Promise<StoredBytes> {
  const file = await open(path, 'r');
  const { size } = await file.stat();
  return new StoredBytes(path, file, size);
}

export class StoredBytes implements BodyBytes {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #sizeBytes: number;
  readonly #memory = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  /** What the window shows of the file: so many bytes from here on. */
  #start = 0;
  #length = 0;

  constructor(path: string, file: FileHandle, sizeBytes: number) {
    this.#path = path;
    this.#file = file;
    this.#sizeBytes = sizeBytes;
  }

  async indexOf(pattern: Buffer, from: number): Promise<number> {
    for (let at = from; at + pattern.length <= this.#sizeBytes; ) {
      // What begins in the last bytes of the window and ends behind it is found in the next one.
      if (at < this.#start || at + pattern.length > this.#start + this.#length) await this.#moveTo(at);
      const found = this.#window().indexOf(pattern, at - this.#start);
      if (found >= 0) return this.#start + found;
      at = this.#start + this.#length - pattern.length + 1;
    }
    return -1;
  }

  async copy(start: number, end: number): Promise<Buffer> {
    const last = Math.min(end, this.#sizeBytes);
    if (start >= last) return Buffer.alloc(0);
    if (last - start > WINDOW_BYTES) return this.#read(Buffer.allocUnsafe(last - start), start);
    if (start < this.#start || last > this.#start + this.#length) await this.#moveTo(start);
    return Buffer.from(this.#window().subarray(start - this.#start, last - this.#start));
  }

  async piece(start: number, end: number): Promise<Piece> {
    const sizeBytes = end - start;
    if (sizeBytes > SHORT_VALUE_BYTES) {
      return { chunks: [], sizeBytes, stored: { path: this.#path, offsetBytes: start } };
    }
    return { chunks: sizeBytes === 0 ? [] : [await this.copy(start, end)], sizeBytes };
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #window(): Buffer {
    return this.#memory.subarray(0, this.#length);
  }

  async #moveTo(start: number): Promise<void> {
    this.#length = 0;
    const length = Math.min(WINDOW_BYTES, this.#sizeBytes - start);
    await this.#read(this.#memory.subarray(0, length), start);
    this.#start = start;
    this.#length = length;
  }

  /** Fills the buffer from this place of the file. */
  async #read(into: Buffer, position: number): Promise<Buffer> {
    for (let filled = 0; filled < into.length; ) {
      const { bytesRead } = await this.#file.read(into, filled, into.length - filled, position + filled);
      if (bytesRead === 0) throw new Error(`${this.#path} is shorter than it was`);
      filled += bytesRead;
    }
    return into;
  }
}
