// Unpacks an archive file into a new folder: tells the format from the first bytes, and leaves nothing behind when it fails.
// The formats are unpack-zip.ts and unpack-tar.ts, loaded when first needed; names and limits are UnpackTree's and UnpackMeter's.
import { fstatSync, readSync } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ServingError } from '../core/errors.ts';
import type { ArchiveFile } from './archive-file.ts';
import { diskFull, isDiskFull } from './disk-full.ts';
import {
  archiveInvalid,
  type UnpackControl,
  type UnpackLimits,
  UnpackMeter,
  type UnpackTotals,
} from './unpack-limits.ts';
import { type UnpackedFile, UnpackTree } from './unpack-tree.ts';

/** Starts of a zip with entries, and of one without any. */
const ZIP_STARTS: readonly Buffer[] = [Buffer.from('PK\x03\x04', 'latin1'), Buffer.from('PK\x05\x06', 'latin1')];
const GZIP_START = Buffer.from([0x1f, 0x8b]);

/** What came out of an archive; paths are relative to its folder. */
export interface Unpacked {
  readonly folders: readonly string[];
  readonly files: readonly UnpackedFile[];
  readonly totals: UnpackTotals;
}

/**
 * Unpacks `file` into `folder`, which must not exist yet; the folders above it are made. Reads and writes synchronously: not for the thread
 * that serves. Throws ARCHIVE_INVALID for a bad archive, STORAGE_FULL and INTERNAL when the disk is full or fails, and the reason of `control` once it is aborted;
 * `folder` is gone again then.
 */
export async function unpack(
  file: string,
  folder: string,
  limits: UnpackLimits,
  control: UnpackControl,
): Promise<Unpacked> {
  control.throwIfAborted();
  const handle = await open(file, 'r').catch(rethrowFileError);
  try {
    const archive = { descriptor: handle.fd, sizeBytes: fstatSync(handle.fd).size };
    const unpackFormat = await formatOf(archive);
    await mkdir(dirname(folder), { recursive: true, mode: 0o755 }).catch(rethrowFileError);
    await mkdir(folder, { mode: 0o755 }).catch(rethrowFileError);
    const meter = new UnpackMeter(limits, control);
    const tree = new UnpackTree(folder, meter);
    try {
      await unpackFormat(archive, tree, meter);
      return { folders: tree.folders, files: tree.files, totals: meter.totals };
    } catch (thrown) {
      tree.abandon();
      await rm(folder, { recursive: true, force: true });
      // A reason to stop is nobody's word about the archive.
      control.throwIfAborted();
      throw asServingError(thrown);
    }
  } finally {
    await handle.close();
  }
}

type UnpackFormat = (file: ArchiveFile, tree: UnpackTree, meter: UnpackMeter) => Promise<void>;

async function formatOf(file: ArchiveFile): Promise<UnpackFormat> {
  const start = Buffer.alloc(4);
  const bytesRead = orFileError(() => readSync(file.descriptor, start, 0, start.length, 0));
  if (ZIP_STARTS.some((one) => one.equals(start))) return (await import('./unpack-zip.ts')).unpackZip;
  if (bytesRead >= 2 && start.subarray(0, 2).equals(GZIP_START)) return (await import('./unpack-tar.ts')).unpackTarGz;
  throw archiveInvalid(
    "it is neither a zip nor a gzip'd tar archive. Pack it as .mar (zip), .tar.gz or .tgz, or register a folder.",
  );
}

function asServingError(thrown: unknown): unknown {
  if (thrown instanceof ServingError) return thrown;
  if (isSystemError(thrown)) return fileError(thrown);
  // What is left is the format readers' word about bytes that make no sense.
  return archiveInvalid(`it is damaged (${thrown instanceof Error ? thrown.message : 'unreadable'}).`, thrown);
}

function rethrowFileError(thrown: unknown): never {
  throw isSystemError(thrown) ? fileError(thrown) : thrown;
}

function orFileError<T>(step: () => T): T {
  try {
    return step();
  } catch (thrown) {
    return rethrowFileError(thrown);
  }
}

/** A disk that fails is not the archive's fault, and no other archive would help. */
function fileError(thrown: NodeJS.ErrnoException): ServingError {
  if (isDiskFull(thrown)) return diskFull(thrown);
  return new ServingError(
    'INTERNAL',
    `it could not be unpacked: the system refused ${thrown.syscall} (${thrown.code}).`,
    {},
    thrown,
  );
}

function isSystemError(thrown: unknown): thrown is NodeJS.ErrnoException {
  return thrown instanceof Error && 'syscall' in thrown;
}
