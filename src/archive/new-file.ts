// One file that an unpacking writes. Synchronous on purpose: unpacking has a thread of its own, where waiting costs nobody anything, and
// thirty thousand small files cost a tenth of what they cost with a promise for each step.
import { closeSync, fdatasyncSync, fstatSync, openSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';

/**
 * From this size on a file is forced to the disk before it counts as unpacked. Smaller ones are read once more when the machine
 * has been started anew since: to force thirty thousand of them would take longer than to unpack them.
 */
export const SYNCED_FROM_BYTES = 256 * 1024;

/** What is known of a file that was written. */
export interface WrittenFile {
  readonly sizeBytes: number;
  /** CRC-32 of its content. */
  readonly checksum: number;
  readonly modifiedAtMs: number;
}

export class NewFile {
  #descriptor: number | undefined;
  #sizeBytes = 0;
  #checksum = 0;

  /** Creates the file, which must not exist. */
  constructor(path: string) {
    this.#descriptor = openSync(path, 'wx', 0o644);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get checksum(): number {
    return this.#checksum;
  }

  write(chunk: Uint8Array): void {
    if (this.#descriptor === undefined) throw new Error('the file is closed');
    this.#sizeBytes += chunk.length;
    this.#checksum = crc32(chunk, this.#checksum);
    for (let written = 0; written < chunk.length; ) written += writeSync(this.#descriptor, chunk, written);
  }

  /** Closes the file, its content complete. */
  finish(): WrittenFile {
    if (this.#descriptor === undefined) throw new Error('the file is closed');
    if (this.#sizeBytes >= SYNCED_FROM_BYTES) fdatasyncSync(this.#descriptor);
    const modifiedAtMs = fstatSync(this.#descriptor).mtimeMs;
    this.close();
    return { sizeBytes: this.#sizeBytes, checksum: this.#checksum, modifiedAtMs };
  }

  /** Closes the file as it is. Can be called again. */
  close(): void {
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
