// The content of a zip (.mar): its directory is listed, and only the entries that are wanted are read.
import type { FileHandle } from 'node:fs/promises';
import { createInflateRaw } from 'node:zlib';
import {
  type Entry,
  fromRandomAccessReaderPromise,
  getFileNameLowLevel,
  RandomAccessReader,
  type ZipFile,
} from 'yauzl';
import type { ContentReader } from './content.ts';
import { decompressed } from './decompressed.ts';
import { CHUNK_BYTES, readRange } from './file-range.ts';
import { archiveInvalid, type UnpackMeter } from './unpack-limits.ts';

const DEFLATED = 8;
const FILE_TYPE_MASK = 0o170000;
const FOLDER_TYPE = 0o040000;
const PLAIN_TYPES: ReadonlySet<number> = new Set([0, 0o100000]);
const LINK_TYPE = 0o120000;

/** Names and comments of a hundred thousand entries fit many times over; more is an attack on memory. */
const MAX_NAME_BYTES = 64 * 1024 * 1024;

/** Lists the zip in `handle` and reads what the reader wants. Throws ARCHIVE_INVALID, or whatever reading threw. */
export async function readZip(handle: FileHandle, reader: ContentReader, meter: UnpackMeter): Promise<void> {
  const { size } = await handle.stat();
  const zip = await fromRandomAccessReaderPromise(new BoundedReader(handle, size), size, {
    autoClose: false,
    decodeStrings: false,
  });
  let nameBytes = 0;
  for await (const entry of zip.eachEntry()) {
    meter.addEntry();
    nameBytes += entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength;
    if (nameBytes > MAX_NAME_BYTES) throw archiveInvalid('its directory of entries is too large.');
    const path = getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, true);
    if (isFolder(path, entry)) continue;
    const { uncompressedSize: sizeBytes, compressedSize: packedBytes } = entry;
    const content = { path, sizeBytes, packedBytes, oddity: oddityOf(entry) };
    if (reader.list(content)) await reader.read(content, contentOf(handle, zip, entry, meter));
  }
}

/** The file as yauzl reads it, with an error in place of an out-of-range read when a header claims an impossible offset. */
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

function isFolder(path: string, entry: Entry): boolean {
  return path.endsWith('/') || typeOf(entry) === FOLDER_TYPE;
}

function typeOf(entry: Entry): number {
  return (entry.externalFileAttributes >>> 16) & FILE_TYPE_MASK;
}

function oddityOf(entry: Entry): string | undefined {
  if (typeOf(entry) === LINK_TYPE) return 'a symbolic link';
  if (!PLAIN_TYPES.has(typeOf(entry))) return 'neither a file nor a folder';
  if (entry.isEncrypted()) return 'encrypted';
  if (entry.compressionMethod !== 0 && entry.compressionMethod !== DEFLATED) {
    return `packed with method ${entry.compressionMethod}`;
  }
  return undefined;
}

async function* contentOf(
  handle: FileHandle,
  zip: ZipFile,
  entry: Entry,
  meter: UnpackMeter,
): AsyncGenerator<Buffer, void, undefined> {
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
  const packed = readRange(handle, fileDataStart, fileDataStart + entry.compressedSize);
  const isPlain = entry.compressionMethod !== DEFLATED || entry.compressedSize === 0;
  const chunks = isPlain ? packed : decompressed(packed, createInflateRaw({ chunkSize: CHUNK_BYTES }));
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    meter.addBytes(chunk.length);
    // The directory said how much to expect, and was believed when the entry was chosen.
    if (size > entry.uncompressedSize) throw new Error('an entry is larger than its directory says');
    yield chunk;
  }
}
