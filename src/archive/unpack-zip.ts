// Unpacks a zip (.mar). The whole directory is read and judged before the first byte is written; then each entry is streamed,
// with its size, checksum and ratio checked as it flows. Links of any kind are refused: a .mar holds plain files.
// What becomes of half-written folders after an error is unpack.ts's business.
import type { FileHandle } from 'node:fs/promises';
import { crc32, createInflateRaw } from 'node:zlib';
import {
  type Entry,
  fromRandomAccessReaderPromise,
  getFileNameLowLevel,
  RandomAccessReader,
  type ZipFile,
} from 'yauzl';
import { decompressed } from './decompressed.ts';
import { quoted } from './entry-path.ts';
import { CHUNK_BYTES, readRange } from './file-range.ts';
import { archiveInvalid, type UnpackMeter } from './unpack-limits.ts';
import type { UnpackTree } from './unpack-tree.ts';

const STORED = 0;
const DEFLATED = 8;
const LOCAL_HEADER_BYTES = 30;
const CENTRAL_HEADER_BYTES = 46;

/** Names and comments of a hundred thousand entries fit many times over; more is an attack on memory. */
const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024;

const FILE_TYPE_MASK = 0o170000;
const FOLDER_TYPE = 0o040000;
/** Unix types of an entry that are neither file nor folder. */
const SPECIAL_TYPES: ReadonlyMap<number, string> = new Map([
  [0o120000, 'a symbolic link'],
  [0o010000, 'a named pipe'],
  [0o020000, 'a character device'],
  [0o060000, 'a block device'],
  [0o140000, 'a socket'],
]);

interface PlannedEntry {
  readonly entry: Entry;
  readonly path: string;
  readonly isFolder: boolean;
}

/** Unpacks the zip in `handle` into `tree`. Throws ARCHIVE_INVALID, or whatever reading and writing threw. */
export async function unpackZip(handle: FileHandle, tree: UnpackTree, meter: UnpackMeter): Promise<void> {
  const { size } = await handle.stat();
  const zip = await fromRandomAccessReaderPromise(new BoundedReader(handle, size), size, {
    autoClose: false,
    decodeStrings: false,
  });
  const plan = await readPlan(zip, tree);
  refuseOverlaps(plan);
  meter.checkTotal(plan.reduce((total, { entry }) => total + entry.uncompressedSize, 0));
  for (const { entry, path, isFolder } of plan) {
    if (isFolder) await tree.makeFolder(path);
    else await unpackFile(handle, zip, entry, path, tree, meter);
  }
}

/** Gives yauzl the file, and an error instead of an out-of-range read when a header claims an impossible offset. */
class BoundedReader extends RandomAccessReader {
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

async function readPlan(zip: ZipFile, tree: UnpackTree): Promise<PlannedEntry[]> {
  const plan: PlannedEntry[] = [];
  let directoryBytes = 0;
  for await (const entry of zip.eachEntry()) {
    directoryBytes += CENTRAL_HEADER_BYTES + entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength;
    if (directoryBytes > MAX_DIRECTORY_BYTES) throw archiveInvalid('its directory of entries is too large.');
    const name = getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, true);
    const isFolder = kindOf(name, entry) === 'folder';
    const path = tree.claim(name, isFolder ? 'folder' : 'file');
    if (isFolder && entry.uncompressedSize > 0) throw archiveInvalid(`its folder ${quoted(name)} has content.`);
    if (!isFolder) refuseUnreadable(name, entry);
    plan.push({ entry, path, isFolder });
  }
  return plan;
}

function kindOf(name: string, entry: Entry): 'file' | 'folder' {
  const type = (entry.externalFileAttributes >>> 16) & FILE_TYPE_MASK;
  const special = SPECIAL_TYPES.get(type);
  if (special !== undefined) {
    throw archiveInvalid(`its entry ${quoted(name)} is ${special}. Pack the files themselves, without links.`);
  }
  return name.endsWith('/') || type === FOLDER_TYPE ? 'folder' : 'file';
}

function refuseUnreadable(name: string, entry: Entry): void {
  if (entry.isEncrypted()) throw archiveInvalid(`its entry ${quoted(name)} is encrypted. Pack it without a password.`);
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) {
    throw archiveInvalid(
      `its entry ${quoted(name)} uses compression method ${entry.compressionMethod}. Pack it with deflate or without compression.`,
    );
  }
}

/** Two entries that share bytes of the file turn a small archive into a large one without any high ratio. */
function refuseOverlaps(plan: readonly PlannedEntry[]): void {
  const byOffset = plan.toSorted((a, b) => a.entry.relativeOffsetOfLocalHeader - b.entry.relativeOffsetOfLocalHeader);
  let end = 0;
  for (const { entry, path } of byOffset) {
    if (entry.relativeOffsetOfLocalHeader < end) {
      throw archiveInvalid(`its entry ${quoted(path)} shares bytes with another entry.`);
    }
    end = entry.relativeOffsetOfLocalHeader + LOCAL_HEADER_BYTES + entry.compressedSize;
  }
}

async function unpackFile(
  handle: FileHandle,
  zip: ZipFile,
  entry: Entry,
  path: string,
  tree: UnpackTree,
  meter: UnpackMeter,
): Promise<void> {
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
  const packed = readRange(handle, fileDataStart, fileDataStart + entry.compressedSize);
  try {
    // Some writers call an empty file deflated without giving it the two bytes that deflate needs.
    if (entry.compressionMethod === STORED || entry.compressedSize === 0) {
      await tree.writeFile(path, checked(packed, path, entry, meter, undefined));
      return;
    }
    const inflate = createInflateRaw({ chunkSize: CHUNK_BYTES });
    const chunks = decompressed(packed, inflate);
    await tree.writeFile(
      path,
      checked(chunks, path, entry, meter, () => inflate.bytesWritten),
    );
  } catch (thrown) {
    if (isZlibError(thrown)) throw archiveInvalid(`its entry ${quoted(path)} is damaged (${thrown.message}).`, thrown);
    throw thrown;
  }
}

/** Passes an entry's content on, counting it and, at its end, comparing it with what the directory promised. */
async function* checked(
  chunks: AsyncIterable<Buffer>,
  path: string,
  entry: Entry,
  meter: UnpackMeter,
  compressedBytes: (() => number) | undefined,
): AsyncGenerator<Buffer, void, undefined> {
  let size = 0;
  let checksum = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    checksum = crc32(chunk, checksum);
    meter.addBytes(chunk.length);
    if (compressedBytes !== undefined) meter.checkRatio(`its entry ${quoted(path)}`, size, compressedBytes());
    if (size > entry.uncompressedSize) break;
    yield chunk;
  }
  if (size !== entry.uncompressedSize) {
    throw archiveInvalid(`its entry ${quoted(path)} is damaged: its size is not the one that the archive states.`);
  }
  if (checksum !== entry.crc32) throw archiveInvalid(`its entry ${quoted(path)} is damaged: its checksum is wrong.`);
}

function isZlibError(thrown: unknown): thrown is Error {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' && thrown.code.startsWith('Z_');
}
