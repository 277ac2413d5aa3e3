// Makes model archives for tests: honest ones (zip, tar.gz, folder) from a record of files, and hostile ones byte by byte, with
// whatever names, types, sizes and checksums a test wants to lie about. Nothing here is checked: that is the point.
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { ZipFile } from 'yazl';

/** Path inside the archive → content. */
export type ArchiveFiles = Record<string, string | Buffer>;

/** The files of a manifest with these `model` fields, ready to spread into ArchiveFiles. */
export function manifestFile(model: Record<string, unknown>, rest: Record<string, unknown> = {}): ArchiveFiles {
  const manifest = { createdOn: '01/02/2026 03:04:05', runtime: 'python', model, archiverVersion: '0.12.0', ...rest };
  return { 'MAR-INF/MANIFEST.json': JSON.stringify(manifest, null, 2) };
}

/** Writes a .mar (a deflated zip) with these files. */
export async function makeMar(path: string, files: ArchiveFiles, options: { compress?: boolean } = {}): Promise<void> {
  const zip = new ZipFile();
  for (const [name, content] of Object.entries(files)) {
    zip.addBuffer(Buffer.from(content), name, { compress: options.compress ?? true });
  }
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(path));
}

/** Writes a .mar with everything below a folder. */
export async function makeMarFromFolder(path: string, folder: string): Promise<void> {
  await makeMar(path, await filesBelow(folder));
}

/** Writes a .tar.gz as the archiver does: every file below one first component, `prefix`. */
export async function makeTarGz(path: string, files: ArchiveFiles, prefix = 'model'): Promise<void> {
  await forgeTarGz(
    path,
    Object.entries(files).map(([name, content]) => ({ name: `${prefix}/${name}`, content: Buffer.from(content) })),
  );
}

/** Writes the files into a folder, which is made. */
export async function makeFolder(path: string, files: ArchiveFiles): Promise<void> {
  await mkdir(path, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), content);
  }
}

/** Every file below a folder, by its path with forward slashes. */
export async function filesBelow(folder: string): Promise<Record<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files: Record<string, Buffer> = {};
  for (const entry of entries.filter((one) => one.isFile())) {
    const file = join(entry.parentPath, entry.name);
    files[relative(folder, file).split(sep).join('/')] = await readFile(file);
  }
  return files;
}

/** One entry of a forged zip; what is left out is what an honest writer would write. */
export interface ForgedZipEntry {
  readonly name: string | Buffer;
  readonly content?: string | Buffer;
  /** 0 stored (the default), 8 deflated, or a method that nobody knows. */
  readonly method?: number;
  /** The bytes in the file, when they are not what the method makes of the content. */
  readonly packed?: Buffer;
  readonly crc?: number;
  readonly claimedSize?: number;
  readonly claimedPackedSize?: number;
  /** Unix mode with type bits. */
  readonly mode?: number;
  /** General purpose flags; UTF-8 names by default. */
  readonly flags?: number;
  /** Points at the data of an earlier entry instead of bringing its own. */
  readonly sharesDataOf?: number;
  /** The offset that the directory states, when it is to be wrong. */
  readonly claimedOffset?: number;
  /** The extra field, in the directory. */
  readonly extra?: Buffer;
  /** What the header beside the data says, where that is not what the directory says. */
  readonly local?: {
    readonly name?: string;
    readonly crc?: number;
    readonly size?: number;
    readonly packedSize?: number;
  };
  /** Bytes that follow the data. */
  readonly trailing?: Buffer;
}

/** An extra field with this id. */
export function extraField(id: number, content: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(id, 0);
  head.writeUInt16LE(content.length, 2);
  return Buffer.concat([head, content]);
}

/** The record behind an entry's data that repeats its checksum and sizes, or lies about them. */
export function dataDescriptor(crc: number, packedSize: number, size: number): Buffer {
  const record = Buffer.alloc(16);
  record.write('PK\x07\x08', 0, 'latin1');
  record.writeUInt32LE(crc, 4);
  record.writeUInt32LE(packedSize, 8);
  record.writeUInt32LE(size, 12);
  return record;
}

/** The bytes of a zip with exactly these entries. */
export function forgedZip(entries: readonly ForgedZipEntry[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  const offsets: number[] = [];
  let offset = 0;
  for (const entry of entries) {
    const name = Buffer.from(entry.name);
    const content = Buffer.from(entry.content ?? '');
    const method = entry.method ?? 0;
    const packed = entry.packed ?? (method === 8 ? deflateRawSync(content) : content);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(entry.flags ?? 0x800, 2);
    fields.writeUInt16LE(method, 4);
    fields.writeUInt32LE(0x5a210000, 6);
    fields.writeUInt32LE(entry.crc ?? crc32(content), 10);
    fields.writeUInt32LE(entry.claimedPackedSize ?? packed.length, 14);
    fields.writeUInt32LE(entry.claimedSize ?? content.length, 18);
    fields.writeUInt16LE(name.length, 22);
    let start = offset;
    if (entry.sharesDataOf === undefined) {
      const { local = {}, trailing = Buffer.alloc(0) } = entry;
      const localName = Buffer.from(local.name ?? name);
      const localFields = Buffer.from(fields);
      localFields.writeUInt32LE(local.crc ?? fields.readUInt32LE(10), 10);
      localFields.writeUInt32LE(local.packedSize ?? fields.readUInt32LE(14), 14);
      localFields.writeUInt32LE(local.size ?? fields.readUInt32LE(18), 18);
      localFields.writeUInt16LE(localName.length, 22);
      const written = [Buffer.from('PK\x03\x04', 'latin1'), localFields, localName, packed, trailing];
      parts.push(...written);
      offset += written.reduce((total, { length }) => total + length, 0);
    } else {
      start = offsets[entry.sharesDataOf] ?? 0;
    }
    offsets.push(start);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(((entry.mode ?? 0o100644) << 16) >>> 0, 6);
    tail.writeUInt32LE(entry.claimedOffset ?? start, 10);
    const extra = entry.extra ?? Buffer.alloc(0);
    const directoryFields = Buffer.from(fields);
    directoryFields.writeUInt16LE(extra.length, 24);
    directory.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), directoryFields, tail, name, extra);
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, central, end]);
}

/** Writes a zip with exactly these entries. */
export async function forgeMar(path: string, entries: readonly ForgedZipEntry[]): Promise<void> {
  await writeFile(path, forgedZip(entries));
}

/** The bytes of a zip whose zip64 trailer says that its directory lies at `directoryOffset`, or itself at `trailerOffset`. */
export function forgedZip64(lies: { directoryOffset?: bigint; trailerOffset?: bigint; entries?: bigint }): Buffer {
  const start = Buffer.from('PK\x03\x04', 'latin1');
  const trailer = Buffer.alloc(56);
  trailer.write('PK\x06\x06', 0, 'latin1');
  trailer.writeBigUInt64LE(44n, 4);
  trailer.writeBigUInt64LE(lies.entries ?? 1n, 24);
  trailer.writeBigUInt64LE(lies.entries ?? 1n, 32);
  trailer.writeBigUInt64LE(lies.directoryOffset ?? 0n, 48);
  const locator = Buffer.alloc(20);
  locator.write('PK\x06\x07', 0, 'latin1');
  locator.writeBigUInt64LE(lies.trailerOffset ?? BigInt(start.length), 8);
  locator.writeUInt32LE(1, 16);
  const end = Buffer.alloc(22, 0xff);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt32LE(0, 4);
  end.writeUInt16LE(0, 20);
  return Buffer.concat([start, trailer, locator, end]);
}

/** One member of a forged tar. */
export interface ForgedTarMember {
  readonly name: string;
  readonly content?: string | Buffer;
  /** The type flag: '0' file (the default), '1' hard link, '2' symbolic link, '3', '4' devices, '5' folder, '6' pipe, 'x' pax … */
  readonly type?: string;
  readonly linkName?: string;
  readonly mode?: number;
  readonly claimedSize?: number;
  readonly breaksChecksum?: boolean;
}

/** The bytes of a tar with exactly these members, its end marker included. */
export function forgedTar(members: readonly ForgedTarMember[]): Buffer {
  return Buffer.concat([...members.flatMap(forgedTarMember), Buffer.alloc(1024)]);
}

/** Writes a gzip'd tar with exactly these members. */
export async function forgeTarGz(path: string, members: readonly ForgedTarMember[]): Promise<void> {
  await writeFile(path, gzipSync(forgedTar(members)));
}

function forgedTarMember(member: ForgedTarMember): Buffer[] {
  const content = Buffer.from(member.content ?? '');
  const header = Buffer.alloc(512);
  header.write(member.name, 0, 100);
  header.write(`${octal(member.mode ?? 0o644, 7)}\0`, 100);
  header.write(`${octal(0, 7)}\0${octal(0, 7)}\0`, 108);
  header.write(`${octal(member.claimedSize ?? content.length, 11)}\0${octal(0, 11)}\0`, 124);
  header.write(' '.repeat(8), 148);
  header.write(member.type ?? '0', 156);
  header.write(member.linkName ?? '', 157, 100);
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0) + (member.breaksChecksum === true ? 1 : 0);
  header.write(`${octal(sum, 6)}\0 `, 148);
  return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)];
}

/** The text of one pax record, its own length included. */
export function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/** Writes a .mar that unpacks to `count` mebibytes of zeros. */
export async function forgeBomb(path: string, count: number): Promise<void> {
  const zip = new ZipFile();
  zip.addBuffer(Buffer.alloc(count * 1024 * 1024), 'weights.pt');
  zip.end();
  const out = createWriteStream(path);
  zip.outputStream.pipe(out);
  await once(out, 'close');
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
