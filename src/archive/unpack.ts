// Unpacks an archive file into a new folder: tells the format from the first bytes, and leaves nothing behind when it fails.
// The formats are unpack-zip.ts and unpack-tar.ts, loaded when first needed; names and limits are UnpackTree's and UnpackMeter's.
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ServingError } from '../core/errors.ts';
import { archiveInvalid, type UnpackLimits, UnpackMeter } from './unpack-limits.ts';
import { UnpackTree } from './unpack-tree.ts';

/** Starts of a zip with entries, and of one without any. */
const ZIP_STARTS: readonly Buffer[] = [Buffer.from('PK\x03\x04', 'latin1'), Buffer.from('PK\x05\x06', 'latin1')];
const GZIP_START = Buffer.from([0x1f, 0x8b]);

/**
 * Unpacks `file` into `folder`, which must not exist yet; the folders above it are made. Throws ARCHIVE_INVALID for a bad
 * archive, INTERNAL when the disk fails, and the signal's reason once it is aborted; `folder` is gone again then.
 */
export async function unpack(file: string, folder: string, limits: UnpackLimits, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const handle = await open(file, 'r').catch(rethrowFileError);
  try {
    const unpackFormat = await formatOf(handle);
    await mkdir(dirname(folder), { recursive: true, mode: 0o755 }).catch(rethrowFileError);
    await mkdir(folder, { mode: 0o755 }).catch(rethrowFileError);
    try {
      const meter = new UnpackMeter(limits, signal);
      await unpackFormat(handle, new UnpackTree(folder, meter), meter);
    } catch (thrown) {
      await rm(folder, { recursive: true, force: true });
      throw asServingError(thrown, signal);
    }
  } finally {
    await handle.close();
  }
}

type UnpackFormat = (handle: FileHandle, tree: UnpackTree, meter: UnpackMeter) => Promise<void>;

async function formatOf(handle: FileHandle): Promise<UnpackFormat> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0).catch(rethrowFileError);
  const start = buffer.subarray(0, bytesRead);
  if (ZIP_STARTS.some((one) => one.equals(start))) return (await import('./unpack-zip.ts')).unpackZip;
  if (start.subarray(0, 2).equals(GZIP_START)) return (await import('./unpack-tar.ts')).unpackTarGz;
  throw archiveInvalid(
    "it is neither a zip nor a gzip'd tar archive. Pack it as .mar (zip), .tar.gz or .tgz, or register a folder.",
  );
}

function asServingError(thrown: unknown, signal: AbortSignal): unknown {
  if (thrown instanceof ServingError || signal.aborted) return thrown;
  if (isSystemError(thrown)) return fileError(thrown);
  // What is left is the format readers' word about bytes that make no sense.
  return archiveInvalid(`it is damaged (${thrown instanceof Error ? thrown.message : 'unreadable'}).`, thrown);
}

function rethrowFileError(thrown: unknown): never {
  throw isSystemError(thrown) ? fileError(thrown) : thrown;
}

/** A full disk is not the archive's fault, and no other archive would help. */
function fileError(thrown: NodeJS.ErrnoException): ServingError {
  const what = thrown.code === 'ENOSPC' ? 'no space is left on the disk' : `the system refused ${thrown.syscall}`;
  return new ServingError('INTERNAL', `it could not be unpacked: ${what} (${thrown.code}).`, {}, thrown);
}

function isSystemError(thrown: unknown): thrown is NodeJS.ErrnoException {
  return thrown instanceof Error && 'syscall' in thrown;
}
