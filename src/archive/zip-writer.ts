// Writes a zip into an open file, entry by entry, with Zip64 where sizes ask for it. Each header gets its sizes and checksum after the
// content has been written, in place: readers that stream (Java's, which TorchServe uses) cannot read stored entries otherwise.
import type { FileHandle } from 'node:fs/promises';
import { constants, crc32, createDeflateRaw } from 'node:zlib';
import { decompressed } from './decompressed.ts';
import { CHUNK_BYTES } from './file-range.ts';

export interface ZipEntry {
  /** With forward slashes. */
  readonly path: string;
  readonly isDeflated: boolean;
  /** Years outside of 1980 to 2107 are told as the nearest that a zip can tell. */
  readonly modifiedAt: Date;
  /** Whether the time is told in UTC; otherwise in local time, as other writers do. */
  readonly isUtc: boolean;
  /** How many bytes will come. */
  readonly sizeBytes: number;
}

interface WrittenEntry {
  readonly entry: ZipEntry;
  readonly name: Buffer;
  readonly isZip64: boolean;
  readonly offset: number;
  readonly checksum: number;
  readonly sizeBytes: number;
  readonly packedBytes: number;
}

const MAX_16 = 0xffff;
const MAX_32 = 0xffffffff;
const VERSION = 20;
const VERSION_ZIP64 = 45;
/** Names are UTF-8. */
const FLAGS = 0x800;
const UNIX = 3;
const PLAIN_FILE = 0o100644;
/** Deflate adds less than a thousandth to what it cannot compress; the rest is room. */
const ZIP64_MARGIN = 1.01;

export class ZipWriter {
  readonly #handle: FileHandle;
  readonly #zip64From: number;
  readonly #written: WrittenEntry[] = [];
  #position = 0;

  /** `zip64From` is the size from which Zip64 is used; only tests give another than the format's. */
  constructor(handle: FileHandle, zip64From = MAX_32) {
    this.#handle = handle;
    this.#zip64From = zip64From;
  }

  /** Writes one file. Entries follow each other: await one before the next. */
  async add(entry: ZipEntry, content: AsyncIterable<Buffer>): Promise<void> {
    const offset = this.#position;
    const name = Buffer.from(entry.path);
    const isZip64 = entry.sizeBytes * ZIP64_MARGIN >= this.#zip64From;
    const blank = { entry, name, isZip64, offset, checksum: 0, sizeBytes: 0, packedBytes: 0 };
    await this.#append(localHeader(blank));
    const start = this.#position;
    let checksum = 0;
    let sizeBytes = 0;
    const counted = async function* () {
      for await (const chunk of content) {
        checksum = crc32(chunk, checksum);
        sizeBytes += chunk.length;
        yield chunk;
      }
    };
    const deflate = () => createDeflateRaw({ chunkSize: CHUNK_BYTES, level: constants.Z_DEFAULT_COMPRESSION });
    const packed = entry.isDeflated ? decompressed(counted(), deflate()) : counted();
    for await (const chunk of packed) await this.#append(chunk);
    const written = { ...blank, checksum, sizeBytes, packedBytes: this.#position - start };
    await this.#write(localHeader(written), offset);
    this.#written.push(written);
  }

  /** Writes the directory; nothing can be added afterwards. */
  async end(): Promise<void> {
    const start = this.#position;
    for (const written of this.#written) await this.#append(directoryEntry(written, this.#zip64From));
    const size = this.#position - start;
    await this.#append(trailer({ count: this.#written.length, start, size, zip64From: this.#zip64From }));
  }

  async #append(bytes: Buffer): Promise<void> {
    await this.#write(bytes, this.#position);
    this.#position += bytes.length;
  }

  async #write(bytes: Buffer, position: number): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      done += (await this.#handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
    }
  }
}

function localHeader({ entry, name, isZip64, checksum, sizeBytes, packedBytes }: WrittenEntry): Buffer {
  const extra = isZip64 ? zip64Extra([sizeBytes, packedBytes]) : Buffer.alloc(0);
  const header = Buffer.alloc(30);
  header.write('PK\x03\x04', 0, 'latin1');
  header.writeUInt16LE(isZip64 ? VERSION_ZIP64 : VERSION, 4);
  writeCommon(header, 6, entry, checksum);
  header.writeUInt32LE(isZip64 ? MAX_32 : packedBytes, 18);
  header.writeUInt32LE(isZip64 ? MAX_32 : sizeBytes, 22);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(extra.length, 28);
  return Buffer.concat([header, name, extra]);
}

function directoryEntry(written: WrittenEntry, zip64From: number): Buffer {
  const { entry, name, isZip64, offset, checksum, sizeBytes, packedBytes } = written;
  const isFar = offset >= zip64From;
  const extra =
    isZip64 || isFar
      ? zip64Extra([...(isZip64 ? [sizeBytes, packedBytes] : []), ...(isFar ? [offset] : [])])
      : Buffer.alloc(0);
  const header = Buffer.alloc(46);
  header.write('PK\x01\x02', 0, 'latin1');
  const version = isZip64 || isFar ? VERSION_ZIP64 : VERSION;
  header.writeUInt16LE((UNIX << 8) | version, 4);
  header.writeUInt16LE(version, 6);
  writeCommon(header, 8, entry, checksum);
  header.writeUInt32LE(isZip64 ? MAX_32 : packedBytes, 20);
  header.writeUInt32LE(isZip64 ? MAX_32 : sizeBytes, 24);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE((PLAIN_FILE << 16) >>> 0, 38);
  header.writeUInt32LE(isFar ? MAX_32 : offset, 42);
  return Buffer.concat([header, name, extra]);
}

/** Flags, method, time, date and checksum stand together in both headers. */
function writeCommon(header: Buffer, at: number, entry: ZipEntry, checksum: number): void {
  const { date, time } = dosTime(entry);
  header.writeUInt16LE(FLAGS, at);
  header.writeUInt16LE(entry.isDeflated ? 8 : 0, at + 2);
  header.writeUInt16LE(time, at + 4);
  header.writeUInt16LE(date, at + 6);
  header.writeUInt32LE(checksum, at + 8);
}

function zip64Extra(values: readonly number[]): Buffer {
  const extra = Buffer.alloc(4 + 8 * values.length);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(8 * values.length, 2);
  for (const [index, value] of values.entries()) extra.writeBigUInt64LE(BigInt(value), 4 + 8 * index);
  return extra;
}

function trailer(directory: { count: number; start: number; size: number; zip64From: number }): Buffer {
  const { count, start, size, zip64From } = directory;
  const isZip64 = count >= MAX_16 || start >= zip64From || size >= zip64From;
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(isZip64 ? MAX_16 : count, 8);
  end.writeUInt16LE(isZip64 ? MAX_16 : count, 10);
  end.writeUInt32LE(isZip64 ? MAX_32 : size, 12);
  end.writeUInt32LE(isZip64 ? MAX_32 : start, 16);
  if (!isZip64) return end;
  const record = Buffer.alloc(56);
  record.write('PK\x06\x06', 0, 'latin1');
  record.writeBigUInt64LE(44n, 4);
  record.writeUInt16LE((UNIX << 8) | VERSION_ZIP64, 12);
  record.writeUInt16LE(VERSION_ZIP64, 14);
  record.writeBigUInt64LE(BigInt(count), 24);
  record.writeBigUInt64LE(BigInt(count), 32);
  record.writeBigUInt64LE(BigInt(size), 40);
  record.writeBigUInt64LE(BigInt(start), 48);
  const locator = Buffer.alloc(20);
  locator.write('PK\x06\x07', 0, 'latin1');
  locator.writeBigUInt64LE(BigInt(start + size), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([record, locator, end]);
}

/** MS-DOS date and time: seconds in steps of two, no zone. */
function dosTime({ modifiedAt: at, isUtc }: ZipEntry): { date: number; time: number } {
  const year = isUtc ? at.getUTCFullYear() : at.getFullYear();
  if (year < 1980) return { date: (1 << 5) | 1, time: 0 };
  if (year > 2107) return { date: (127 << 9) | (12 << 5) | 31, time: 0 };
  const [month, day] = isUtc ? [at.getUTCMonth() + 1, at.getUTCDate()] : [at.getMonth() + 1, at.getDate()];
  const [hour, minute, second] = isUtc
    ? [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()]
    : [at.getHours(), at.getMinutes(), at.getSeconds()];
  return { date: ((year - 1980) << 9) | (month << 5) | day, time: (hour << 11) | (minute << 5) | (second >> 1) };
}
