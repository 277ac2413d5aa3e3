// What the things in the folder of unpacked archives are called: entries by the SHA-256 of their archive, and what is unfinished by its maker.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

/** Where the archives of a cache are. */
export function archivesIn(cacheDir: string): string {
  return join(cacheDir, 'archives');
}

/** Whether this is a SHA-256 in lower-case hex, and with it the name of an entry. */
export function isEntryName(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}

/** How the names of what one job makes for itself begin: whoever finds such a thing can see whether its maker is still there. */
export function scratchName(owner: string): string {
  return `tmp~${owner}~${randomBytes(8).toString('hex')}`;
}

/** Whether a name may be that of something unfinished. */
export function isLeftover(name: string): boolean {
  return name.includes('~') || name.startsWith('lock-');
}

/** The lock under which an entry is made. */
export function lockOf(folder: string, sha256: string): string {
  return join(folder, `lock-${sha256}`);
}

/** The folder in which owners say that they are there. */
export function ownersOf(folder: string): string {
  return join(folder, 'owners');
}

/** The folder of digests, each in a file named for the state of the file that it is of. */
export function digestsOf(folder: string): string {
  return join(folder, 'digests');
}
