// What servers that were killed have left in the model store: unfinished downloads, and finished ones that no registration uses any more.
// Only files under this server's own hidden names, and their twins in the store, are touched, and only when their owner is gone.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isGone } from './cache-owner.ts';
import { lstatIfThere, ownerOf, unlinkIfThere } from './hidden-file.ts';

/** A download that has not grown for this long has ended, wherever its owner runs; it would have timed out long before. */
const SILENCE_MS = 24 * 60 * 60_000;

/** Removes the leftovers of a store, as seen by `ownOwner`; gives the names that it removed. */
export async function removeLeftovers(store: string, ownOwner: string): Promise<string[]> {
  const names = await readdir(store);
  const abandoned = new Set<string>();
  for (const name of names) {
    const owner = ownerOf(name);
    const status = owner === undefined ? undefined : await lstatIfThere(join(store, name));
    if (owner === undefined || !status?.isFile()) continue;
    const isFinished = status.nlink > 1;
    const isOver = isSameSystem(owner, ownOwner)
      ? await isGone(store, owner)
      : // A file with a name of its own may be in use on the other machine for months.
        !isFinished && Date.now() - status.mtimeMs > SILENCE_MS;
    if (isOver) abandoned.add(`${status.dev}:${status.ino}`);
  }
  if (abandoned.size === 0) return [];
  const removed: string[] = [];
  for (const name of names) {
    const status = await lstatIfThere(join(store, name));
    if (status === undefined || !abandoned.has(`${status.dev}:${status.ino}`)) continue;
    await unlinkIfThere(join(store, name));
    removed.push(name);
  }
  return removed;
}

/** Whether the process of another owner can be looked at from here. */
function isSameSystem(owner: string, ownOwner: string): boolean {
  return owner.split('.')[0] === ownOwner.split('.')[0];
}
