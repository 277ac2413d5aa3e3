// Unpacks a zip (.mar). The whole directory is read and judged before the first byte is written; then each entry is streamed,
// with its size, checksum and ratio checked as it flows. Links of any kind are refused: a .mar holds plain files.
// What becomes of half-written folders after an error is unpack.ts's business.
import { createInflateRaw, inflateRawSync } from 'node:zlib';
import {
  type Entry,
  fromRandomAccessReaderPromise,
  getFileNameLowLevel,
  RandomAccessReader,
  type ZipFile,
} from 'yauzl';
import { type ArchiveFile, chunksOf, FileWindow } from './archive-file.ts';
import { quoted } from './entry-path.ts';
import { CHUNK_BYTES } from './file-range.ts';
import type { NewFile } from './new-file.ts';
import { pour } from './pour.ts';
import { archiveInvalid, type UnpackMeter } from './unpack-limits.ts';
import type { UnpackTree } from './unpack-tree.ts';

const STORED = 0;
const DEFLATED = 8;
const LOCAL_HEADER_BYTES = 30;
const LOCAL_HEADER_START = 0x04034b50;
const CENTRAL_HEADER_BYTES = 46;

/** Up to this size, packed and unpacked, an entry is inflated in one go. */
const SMALL_ENTRY_BYTES = 64 * 1024;
const INFLATED_CHUNK_BYTES = 64 * 1024;

/** Names and comments of a hundred thousand entries fit many times over; more is an attack on memory. */
const MAX_DIRECTORY_BYTES = 32 * 1024 * 1024;

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

/** What the directory promises of an entry, as far as it matters. */
interface PlannedEntry {
  readonly path: string;
  readonly isFolder: boolean;
  readonly isStored: boolean;
  /** Where its own header begins in the file. */
  readonly offset: number;
  readonly packedBytes: number;
  readonly sizeBytes: number;
  readonly checksum: number;
}

/** Unpacks the zip in `file` into `tree`. Throws ARCHIVE_INVALID, or whatever reading and writing threw. */
export async function unpackZip(file: ArchiveFile, tree: UnpackTree, meter: UnpackMeter): Promise<void> {
  const window = new FileWindow(file);
  const zip = await fromRandomAccessReaderPromise(new WindowReader(window), file.sizeBytes, {
    autoClose: false,
    decodeStrings: false,
  });
  const plan = inOrderOfBytes(await readPlan(zip, tree));
  meter.checkTotal(plan.reduce((total, { sizeBytes }) => total + sizeBytes, 0));
  for (const entry of plan) {
    if (entry.isFolder) tree.makeFolder(entry.path);
    else await unpackFile(new EntryReader(file, window, meter, entry), tree);
  }
}

/** Gives yauzl the file, and an error instead of an out-of-range read when a header claims an impossible offset. */
class WindowReader extends RandomAccessReader {
  readonly #window: FileWindow;

  constructor(window: FileWindow) {
    super();
    this.#window = window;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    let failure: Error | null = null;
    try {
      for (let done = 0; done < length; done += CHUNK_BYTES) {
        this.#window.bytes(position + done, Math.min(CHUNK_BYTES, length - done)).copy(buffer, offset + done);
      }
    } catch (thrown) {
      failure = thrown instanceof Error ? thrown : new Error(String(thrown));
    }
    process.nextTick(callback, failure, length);
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
    plan.push({
      path,
      isFolder,
      isStored: entry.compressionMethod === STORED,
      offset: entry.relativeOffsetOfLocalHeader,
      packedBytes: entry.compressedSize,
      sizeBytes: entry.uncompressedSize,
      checksum: entry.crc32,
    });
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

/**
 * The entries as they lie in the file, so that it is read from its beginning to its end. Two that share bytes are refused: they turn a small
 * archive into a large one without any high ratio.
 */
function inOrderOfBytes(plan: readonly PlannedEntry[]): PlannedEntry[] {
  const ordered = plan.toSorted((a, b) => a.offset - b.offset);
  let end = 0;
  for (const { offset, packedBytes, path } of ordered) {
    if (offset < end) throw archiveInvalid(`its entry ${quoted(path)} shares bytes with another entry.`);
    end = offset + LOCAL_HEADER_BYTES + packedBytes;
  }
  return ordered;
}

async function unpackFile(reader: EntryReader, tree: UnpackTree): Promise<void> {
  const { path, isStored, packedBytes, sizeBytes, checksum } = reader.entry;
  const out = tree.createFile(path);
  try {
    // Some writers call an empty file deflated without giving it the two bytes that deflate needs.
    if (isStored || packedBytes === 0) reader.copyTo(out);
    else if (Math.max(packedBytes, sizeBytes) <= SMALL_ENTRY_BYTES) reader.inflateAtOnceTo(out);
    else await reader.inflateTo(out);
  } catch (thrown) {
    if (isZlibError(thrown)) throw archiveInvalid(`its entry ${quoted(path)} is damaged (${thrown.message}).`, thrown);
    throw thrown;
  }
  if (out.sizeBytes !== sizeBytes) throw wrongSize(path);
  if (out.checksum !== checksum) throw archiveInvalid(`its entry ${quoted(path)} is damaged: its checksum is wrong.`);
  tree.completeFile(path);
}

/** Brings the content of one entry into a file, and no more of it than the directory promised. */
class EntryReader {
  readonly entry: PlannedEntry;
  readonly #file: ArchiveFile;
  readonly #window: FileWindow;
  readonly #meter: UnpackMeter;
  /** Where the content begins. */
  readonly #start: number;

  constructor(file: ArchiveFile, window: FileWindow, meter: UnpackMeter, entry: PlannedEntry) {
    this.entry = entry;
    this.#file = file;
    this.#window = window;
    this.#meter = meter;
    // Only the lengths are taken from the header beside the content. Its sizes and its name count for nothing: two truths would be one too many.
    const header = window.bytes(entry.offset, LOCAL_HEADER_BYTES);
    if (header.readUInt32LE(0) !== LOCAL_HEADER_START) {
      throw archiveInvalid(`its entry ${quoted(entry.path)} is damaged: it does not begin where the archive states.`);
    }
    this.#start = entry.offset + LOCAL_HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
  }

  copyTo(out: NewFile): void {
    for (const chunk of this.#packed()) this.#write(out, chunk);
  }

  inflateAtOnceTo(out: NewFile): void {
    const packed = this.#window.bytes(this.#start, this.entry.packedBytes);
    try {
      this.#write(out, inflateRawSync(packed, { maxOutputLength: Math.max(this.entry.sizeBytes, 1) }));
    } catch (thrown) {
      throw isCode(thrown, 'ERR_BUFFER_TOO_LARGE') ? wrongSize(this.entry.path) : thrown;
    }
    this.#meter.report(this.#start + this.entry.packedBytes, this.#file.sizeBytes);
  }

  async inflateTo(out: NewFile): Promise<void> {
    const inflate = createInflateRaw({ chunkSize: INFLATED_CHUNK_BYTES });
    await pour(this.#packed(), inflate, (chunk) => {
      this.#write(out, chunk);
      this.#meter.checkRatio(`its entry ${quoted(this.entry.path)}`, out.sizeBytes, inflate.bytesWritten);
    });
  }

  *#packed(): Generator<Buffer, void, undefined> {
    let position = this.#start;
    for (const chunk of chunksOf(this.#file, position, position + this.entry.packedBytes)) {
      position += chunk.length;
      this.#meter.report(position, this.#file.sizeBytes);
      yield chunk;
    }
  }

  #write(out: NewFile, chunk: Buffer): void {
    this.#meter.addBytes(chunk.length);
    if (out.sizeBytes + chunk.length > this.entry.sizeBytes) throw wrongSize(this.entry.path);
    out.write(chunk);
  }
}

function wrongSize(path: string): Error {
  return archiveInvalid(`its entry ${quoted(path)} is damaged: its size is not the one that the archive states.`);
}

function isZlibError(thrown: unknown): thrown is Error {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' && thrown.code.startsWith('Z_');
}

function isCode(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === code;
}
