// Gathers the files of an archive to be: single files, patterns, and what a folder holds. Links are followed, since an archive holds
// plain files; what the names become is PackList's business.
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { quoted } from './entry-path.ts';
import { MissingFile, PackError } from './pack-error.ts';
import { isPattern, pathsMatching } from './pack-glob.ts';
import type { PackedFile, PackList } from './pack-list.ts';

/** Folders that no model needs: caches of Python, what macOS adds to archives; and every one whose name begins with a dot. */
const SKIPPED_FOLDERS: ReadonlySet<string> = new Set(['__pycache__', '__MACOSX']);

/** Beyond this, links lead in a circle that their real paths do not show. */
const MAX_DEPTH = 64;

/** Adds one file to the root of the archive. Throws MissingFile; `what` says where it was named. */
export async function addFile(list: PackList, path: string, what: string): Promise<void> {
  list.add(await packedFile(path, basename(path), what));
}

/** The file as it is on disk. Throws MissingFile when it is absent, PackError when it is no file. */
export async function packedFile(source: string, path: string, what: string): Promise<PackedFile> {
  const status = await stat(source).catch(() => undefined);
  if (status === undefined) throw new MissingFile(what, source);
  if (!status.isFile()) throw new PackError(`${what}: ${source} is not a file. Name a file.`);
  return { path, source: resolve(source), sizeBytes: status.size, modifiedAt: status.mtime };
}

/**
 * Adds what a comma-separated list names: files go to the root of the archive, and of a folder everything that it holds. `except` is
 * the path of the archive that is being made. Throws PackError.
 */
export async function addExtraFiles(list: PackList, text: string, except: string): Promise<void> {
  for (const item of text.split(',')) {
    for (const path of await pathsOf(list, item)) {
      const status = await stat(path).catch(() => undefined);
      if (status?.isFile() === true) await addFile(list, path, '--extra-files');
      else if (status?.isDirectory() === true) await addFolder(list, path, { except });
      else throw new PackError(`Invalid extra file given ${path}`);
    }
  }
}

/** A name that exists is taken to the letter, also with brackets in it. */
async function pathsOf(list: PackList, item: string): Promise<string[]> {
  const exists = item !== '' && (await stat(item).catch(() => undefined)) !== undefined;
  if (exists) return [item];
  if (!isPattern(item)) throw new PackError(`File does not exist: ${item}`);
  const paths = await pathsMatching(item);
  if (paths.length === 0) list.notices.push(`Given wildcard pattern did not match any file: ${item}`);
  return paths;
}

export interface FolderOptions {
  /** The archive that is being made: never part of itself. */
  readonly except: string;
  /** Leaves a file out by its path in the folder. */
  readonly isLeftOut?: (path: string) => boolean;
}

/** Adds everything that a folder holds, in the order of the names, and answers what it left out. */
export async function addFolder(list: PackList, folder: string, options: FolderOptions): Promise<string[]> {
  const leftOut: string[] = [];
  await addLevel(list, resolve(folder), '', { ...options, except: resolve(options.except) }, leftOut, []);
  return leftOut;
}

async function addLevel(
  list: PackList,
  folder: string,
  prefix: string,
  options: FolderOptions,
  leftOut: string[],
  above: readonly string[],
): Promise<void> {
  const real = await realpath(folder);
  if (above.includes(real) || above.length > MAX_DEPTH) {
    throw new PackError(`${quoted(folder)} is a link to a folder that holds it. Remove the link.`);
  }
  const names = (await readdir(folder)).sort();
  for (const name of names) {
    const source = join(folder, name);
    const path = prefix + name;
    if (source === options.except) continue;
    const status = await stat(source).catch(() => undefined);
    if (status === undefined) throw new PackError(`${quoted(source)} is a link that leads nowhere. Remove it.`);
    const isSkipped = status.isDirectory() && (name.startsWith('.') || SKIPPED_FOLDERS.has(name));
    if (isSkipped || options.isLeftOut?.(path) === true) leftOut.push(path);
    else if (status.isDirectory()) await addLevel(list, source, `${path}/`, options, leftOut, [...above, real]);
    else if (status.isFile()) list.add({ path, source, sizeBytes: status.size, modifiedAt: status.mtime });
    else throw new PackError(`Invalid extra file given ${source}`);
  }
}
