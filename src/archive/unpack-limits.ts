// What one archive may cost: the limits with their defaults, and the meter that holds an unpacking to them while bytes flow.
// Sizes that an archive merely claims are never trusted; the meter counts what really comes out.
import { ServingError } from '../core/errors.ts';
import type { PathLimits } from './entry-path.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** Below this many unpacked bytes no ratio is judged: small files of zeros are harmless and common. */
const RATIO_GRACE_BYTES = 10 * MIB;

/** Bounds on what an archive may become on disk. */
export interface UnpackLimits extends PathLimits {
  /** Most bytes that may come out; for a tar.gz this counts the whole tar, its headers included. */
  readonly maxUnpackedBytes: number;
  /** Most unpacked bytes for each compressed byte, judged once more than 10 MiB have come out. Stored entries have no ratio. */
  readonly maxCompressionRatio: number;
  /** Most files and folders, folders that only appear inside paths included. */
  readonly maxEntries: number;
}

export const DEFAULT_UNPACK_LIMITS: UnpackLimits = {
  maxUnpackedBytes: 50 * GIB,
  maxCompressionRatio: 1000,
  maxEntries: 100_000,
  maxPathBytes: 1024,
  maxPathDepth: 64,
};

/** An ARCHIVE_INVALID; the message continues "Cannot load <archive>: …". */
export function archiveInvalid(message: string, cause?: unknown): ServingError {
  return new ServingError('ARCHIVE_INVALID', message, {}, cause);
}

/** Counts one unpacking and throws ARCHIVE_INVALID, or the reason of `signal`, as soon as it must not go on. */
export class UnpackMeter {
  readonly limits: UnpackLimits;
  readonly #signal: AbortSignal;
  #bytes = 0;
  #entries = 0;

  constructor(limits: UnpackLimits, signal: AbortSignal) {
    this.limits = limits;
    this.#signal = signal;
  }

  /** One more file or folder. */
  addEntry(): void {
    this.#signal.throwIfAborted();
    this.#entries += 1;
    if (this.#entries > this.limits.maxEntries) {
      throw archiveInvalid(
        `it holds more than ${this.limits.maxEntries} files and folders. Pack fewer files, or register it as a folder.`,
      );
    }
  }

  /** Bytes that came out and are about to be written. */
  addBytes(count: number): void {
    this.#signal.throwIfAborted();
    this.#bytes += count;
    this.checkTotal(this.#bytes);
  }

  /** Holds a total, counted or claimed, to the limit. */
  checkTotal(unpackedBytes: number): void {
    if (unpackedBytes > this.limits.maxUnpackedBytes) {
      throw archiveInvalid(
        `it unpacks to more than ${this.limits.maxUnpackedBytes} bytes. Register a model of this size as a folder.`,
      );
    }
  }

  /** Holds what came out of `compressedBytes` so far to the ratio. `what` is the subject of the message. */
  checkRatio(what: string, unpackedBytes: number, compressedBytes: number): void {
    if (unpackedBytes <= RATIO_GRACE_BYTES) return;
    if (unpackedBytes > this.limits.maxCompressionRatio * compressedBytes) {
      throw archiveInvalid(
        `${what} unpacks to more than ${this.limits.maxCompressionRatio} times its compressed size, as only a bomb does. ` +
          'Pack it without compression, or register it as a folder.',
      );
    }
  }
}
