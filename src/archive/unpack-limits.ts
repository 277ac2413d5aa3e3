// What one archive may cost: the limits with their defaults, and the meter that holds an unpacking to them while bytes flow.
// Sizes that an archive merely claims are never trusted; the meter counts what really comes out.
import { ServingError } from '../core/errors.ts';
import { type PathLimits, pathProblem, quoted } from './entry-path.ts';

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

/** What one archive did cost, in the terms of the limits. */
export interface UnpackTotals {
  readonly unpackedBytes: number;
  readonly entries: number;
  readonly longestPathBytes: number;
  readonly deepestPath: number;
  /** The highest ratio that was judged; 0 when none was. */
  readonly highestRatio: number;
}

/** Whether what was unpacked once would be unpacked under these limits, too. */
export function isWithin(totals: UnpackTotals, limits: UnpackLimits): boolean {
  return (
    totals.unpackedBytes <= limits.maxUnpackedBytes &&
    totals.entries <= limits.maxEntries &&
    totals.longestPathBytes <= limits.maxPathBytes &&
    totals.deepestPath <= limits.maxPathDepth &&
    totals.highestRatio <= limits.maxCompressionRatio
  );
}

/** Who may end an unpacking, and who hears how far it is. An AbortSignal will do. */
export interface UnpackControl {
  /** Throws the reason once the unpacking must end. */
  throwIfAborted(): void;
  /** So many bytes of the archive are through. */
  progress?(doneBytes: number, totalBytes: number): void;
}

/** An ARCHIVE_INVALID; the message continues "Cannot load <archive>: …". */
export function archiveInvalid(message: string, cause?: unknown): ServingError {
  return new ServingError('ARCHIVE_INVALID', message, {}, cause);
}

/** Counts one unpacking and throws ARCHIVE_INVALID, or the reason of `control`, as soon as it must not go on. */
export class UnpackMeter {
  readonly #limits: UnpackLimits;
  readonly #control: UnpackControl;
  #bytes = 0;
  #entries = 0;
  #longestPathBytes = 0;
  #deepestPath = 0;
  #highestRatio = 0;

  constructor(limits: UnpackLimits, control: UnpackControl) {
    this.#limits = limits;
    this.#control = control;
  }

  get totals(): UnpackTotals {
    return {
      unpackedBytes: this.#bytes,
      entries: this.#entries,
      longestPathBytes: this.#longestPathBytes,
      deepestPath: this.#deepestPath,
      highestRatio: this.#highestRatio,
    };
  }

  /** `doneBytes` of the archive's own bytes are through. */
  report(doneBytes: number, totalBytes: number): void {
    this.#control.throwIfAborted();
    this.#control.progress?.(doneBytes, totalBytes);
  }

  /** Judges the name of an entry as the archive writes it. */
  checkName(name: string): void {
    const problem = pathProblem(name, this.#limits);
    if (problem !== undefined) throw archiveInvalid(`the name of its entry ${quoted(name)} ${problem}.`);
    this.#longestPathBytes = Math.max(this.#longestPathBytes, Buffer.byteLength(name));
    this.#deepestPath = Math.max(this.#deepestPath, name.split('/').length);
  }

  /** One more file or folder. */
  addEntry(): void {
    this.#control.throwIfAborted();
    this.#entries += 1;
    if (this.#entries > this.#limits.maxEntries) {
      throw archiveInvalid(
        `it holds more than ${this.#limits.maxEntries} files and folders. Pack fewer files, or register it as a folder.`,
      );
    }
  }

  /** Bytes that came out and are about to be written. */
  addBytes(count: number): void {
    this.#control.throwIfAborted();
    this.#bytes += count;
    this.checkTotal(this.#bytes);
  }

  /** Holds a total, counted or claimed, to the limit. */
  checkTotal(unpackedBytes: number): void {
    if (unpackedBytes > this.#limits.maxUnpackedBytes) {
      throw archiveInvalid(
        `it unpacks to more than ${this.#limits.maxUnpackedBytes} bytes. Register a model of this size as a folder.`,
      );
    }
  }

  /** Holds what came out of `compressedBytes` so far to the ratio. `what` is the subject of the message. */
  checkRatio(what: string, unpackedBytes: number, compressedBytes: number): void {
    if (unpackedBytes <= RATIO_GRACE_BYTES) return;
    this.#highestRatio = Math.max(this.#highestRatio, unpackedBytes / compressedBytes);
    if (unpackedBytes > this.#limits.maxCompressionRatio * compressedBytes) {
      throw archiveInvalid(
        `${what} unpacks to more than ${this.#limits.maxCompressionRatio} times its compressed size, as only a bomb does. ` +
          'Pack it without compression, or register it as a folder.',
      );
    }
  }
}
