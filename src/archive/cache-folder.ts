// Makes the folder of the cache usable: there, writable, and nobody else's. What is in it is the business of those who use it.
import { randomBytes } from 'node:crypto';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A folder that can be used, and what is to be said about it. */
export interface CacheFolder {
  readonly path: string;
  readonly notice: string | undefined;
}

/**
 * Makes `wanted` unless it is there. When it cannot be used, the cache is made in `fallback`, whose content does not outlast the server;
 * the notice says so.
 */
export async function openCacheFolder(wanted: string, fallback: string): Promise<CacheFolder> {
  const problem = await problemOf(wanted);
  if (problem === undefined) return { path: wanted, notice: undefined };
  const path = join(fallback, 'cache');
  await mkdir(path, { mode: 0o700 });
  const notice = `The cache ${wanted} cannot be used: ${problem}. Every start unpacks its archives anew until cache_dir names a folder of your own.`;
  return { path, notice };
}

/** Why a folder cannot be the cache. What is in it is run, so whoever else could write there could run code as this user. */
async function problemOf(folder: string): Promise<string | undefined> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = await stat(folder);
    if (process.getuid !== undefined && uid !== process.getuid()) return 'it belongs to another user';
    if ((mode & 0o022) !== 0) return 'other users may write to it (chmod go-w)';
    const probe = join(folder, `probe-${randomBytes(8).toString('hex')}`);
    await writeFile(probe, '', { flag: 'wx' });
    await rm(probe);
    return undefined;
  } catch (thrown) {
    return `the system refused it (${thrown instanceof Error && 'code' in thrown ? String(thrown.code) : String(thrown)})`;
  }
}
