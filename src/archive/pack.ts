// Writes an archive or a model folder under a name of its own and renames it when it is complete, so that nobody ever sees half of one.
// What goes in is PackList's business; the formats are ZipWriter's and pack-tar.ts's.
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { contentOf, type PackWatch } from './pack-content.ts';
import { MANIFEST_PATH, type PackedFile } from './pack-list.ts';
import type { PackDate } from './pack-manifest.ts';
import type { TarMember } from './pack-tar.ts';

/** As torch-model-archiver calls them: zip deflated, zip stored, tar.gz, a folder. */
export const PACK_FORMATS = ['default', 'zip-store', 'tgz', 'no-archive'] as const;

export type PackFormat = (typeof PACK_FORMATS)[number];

const ENDINGS: Readonly<Record<PackFormat, string>> = {
  default: '.mar',
  'zip-store': '.mar',
  tgz: '.tar.gz',
  'no-archive': '',
};

/** The name of the file or folder that a model of this name becomes. */
export function archiveName(modelName: string, format: PackFormat): string {
  return modelName + ENDINGS[format];
}

export interface PackRequest {
  readonly files: readonly PackedFile[];
  readonly manifestText: string;
  /** The folder that all members of a tar.gz are below. */
  readonly modelName: string;
  readonly format: PackFormat;
  /** The archive's own path; its folder exists. What is there is replaced. */
  readonly output: string;
  /** The manifest's moment, and the one of every entry where it was given. */
  readonly created: PackDate;
}

/** Throws PackError, the signal's reason, or what the file system says. Nothing is left of it then, and what was there before is. */
export async function pack(request: PackRequest, watch: PackWatch): Promise<void> {
  const { output } = request;
  const partial = join(dirname(output), `.sconce-${randomBytes(6).toString('hex')}.partial`);
  try {
    if (request.format === 'no-archive') await writeFolder(partial, request, watch);
    else await writeArchive(partial, request, watch);
    watch.signal.throwIfAborted();
    if (request.format === 'no-archive') await replaceFolder(partial, output);
    else await rename(partial, output);
  } catch (thrown) {
    await rm(partial, { recursive: true, force: true });
    watch.signal.throwIfAborted();
    throw thrown;
  }
}

async function writeArchive(path: string, request: PackRequest, watch: PackWatch): Promise<void> {
  const handle = await open(path, 'wx', 0o644);
  try {
    if (request.format === 'tgz') {
      const { writeTarGz } = await import('./pack-tar.ts');
      await writeTarGz(handle, request.modelName, membersOf(request, watch));
    } else {
      await writeZip(handle, request, watch);
    }
    // A rename may reach the disk before the content does.
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeZip(handle: FileHandle, request: PackRequest, watch: PackWatch): Promise<void> {
  const { ZipWriter } = await import('./zip-writer.ts');
  const zip = new ZipWriter(handle);
  const { isUtc } = request.created;
  for await (const { content, ...member } of membersOf(request, watch)) {
    await zip.add({ ...member, isUtc, isDeflated: request.format === 'default' }, content);
  }
  await zip.end();
}

/** The files, and the manifest as the last one. */
async function* membersOf(request: PackRequest, watch: PackWatch): AsyncGenerator<TarMember, void, undefined> {
  const { created } = request;
  for (const file of request.files) {
    const modifiedAt = created.isUtc ? created.at : file.modifiedAt;
    yield { path: file.path, sizeBytes: file.sizeBytes, modifiedAt, content: contentOf(file, watch) };
  }
  const manifest = Buffer.from(request.manifestText);
  yield { path: MANIFEST_PATH, sizeBytes: manifest.length, modifiedAt: created.at, content: justOne(manifest) };
}

async function* justOne(chunk: Buffer): AsyncGenerator<Buffer, void, undefined> {
  yield chunk;
}

async function writeFolder(folder: string, request: PackRequest, watch: PackWatch): Promise<void> {
  await mkdir(folder);
  for await (const { path, content } of membersOf(request, watch)) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    await pipeline(content, createWriteStream(file, { flags: 'wx', mode: 0o644 }), { signal: watch.signal });
  }
}

/** A folder cannot be renamed onto one that holds files, so that one steps aside first. */
async function replaceFolder(partial: string, output: string): Promise<void> {
  const aside = `${partial}-old`;
  const hadOne = await rename(output, aside).then(
    () => true,
    (thrown: unknown) => {
      if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return false;
      throw thrown;
    },
  );
  try {
    await rename(partial, output);
  } catch (thrown) {
    if (hadOne) await rename(aside, output);
    throw thrown;
  }
  await rm(aside, { recursive: true, force: true });
}
