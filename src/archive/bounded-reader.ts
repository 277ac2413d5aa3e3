// An open zip file as yauzl reads it, with an error in place of an out-of-range read when a header claims an impossible offset.
import type { FileHandle } from 'node:fs/promises';
import { RandomAccessReader } from 'yauzl';

export class BoundedReader extends RandomAccessReader {
  readonly #handle: FileHandle;
  readonly #sizeBytes: number;

  constructor(handle: FileHandle, sizeBytes: number) {
    super();
    this.#handle = handle;
    this.#sizeBytes = sizeBytes;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    if (position < 0 || position + length > this.#sizeBytes) {
      setImmediate(callback, new Error('a header points outside the file'));
      return;
    }
    this.#handle.read(buffer, offset, length, position).then(({ bytesRead }) => callback(null, bytesRead), callback);
  }
}
