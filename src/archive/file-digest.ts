// The SHA-256 of a file, and how to know without reading it that it is still the same: by its place on the disk, its size and its times,
// the last of which no program can set back. Reads synchronously: not for the thread that serves.
import { createHash } from 'node:crypto';
import { type BigIntStats, closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ServingError } from '../core/errors.ts';
import type { UnpackControl } from './unpack-limits.ts';

const CHUNK_BYTES = 1024 * 1024;
/** A file that was changed just now may change again without its times telling: clocks of file systems tick slowly. */
const SETTLED_AFTER_MS = 2_000;

export interface FileDigest {
  /** Lower-case hex. */
  readonly sha256: string;
  readonly fingerprint: Fingerprint;
}

/** Names one state of one file. */
export interface Fingerprint {
  /** Usable as a file name. */
  readonly text: string;
  /** Whether any later change would show. */
  readonly isSettled: boolean;
}

/** Reads a file to its end. Throws ARCHIVE_INVALID when it changes meanwhile, and the reason of `control` once it is aborted. */
export function digestOf(file: string, control: UnpackControl): FileDigest {
  const descriptor = openSync(file, 'r');
  try {
    const before = fstatSync(descriptor, { bigint: true });
    const fingerprint = fingerprintOf(before);
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Number(before.size) + 1));
    let doneBytes = 0;
    for (;;) {
      control.throwIfAborted();
      const bytesRead = readSync(descriptor, buffer, 0, buffer.length, doneBytes);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      doneBytes += bytesRead;
      control.progress?.(doneBytes, Number(before.size));
    }
    checkUnchanged(fingerprint, fstatSync(descriptor, { bigint: true }));
    return { sha256: hash.digest('hex'), fingerprint };
  } finally {
    closeSync(descriptor);
  }
}

export function fingerprintOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): Fingerprint {
  const isSettled = Date.now() - Number(ctimeNs / 1_000_000n) > SETTLED_AFTER_MS;
  return { text: [dev, ino, size, mtimeNs, ctimeNs].join('-'), isSettled };
}

/** Throws ARCHIVE_INVALID when a file is no longer in the state that `fingerprint` names. */
export function checkUnchanged(fingerprint: Fingerprint, now: BigIntStats): void {
  if (fingerprintOf(now).text === fingerprint.text) return;
  throw new ServingError(
    'ARCHIVE_INVALID',
    'it was changed while it was read. Move complete files into the model store, and register it again.',
  );
}
