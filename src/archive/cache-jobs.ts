// The work on the cache of unpacked archives, done in a thread of its own (archive-threads.ts). Several processes may share one cache without
// a lock on it: an entry appears by one rename and goes by one, only what nobody marks as used is touched, and whoever loses a race looks
// again. The lock in here merely keeps two from unpacking the same.
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CacheEntry, syncFolder } from './cache-entry.ts';
import { digestsOf, isEntryName, isLeftover, lockOf, ownersOf } from './cache-names.ts';
import { isGivenUp, isGone, sayAlive } from './cache-owner.ts';
import { checkUnchanged, digestOf, type FileDigest, type Fingerprint, fingerprintOf } from './file-digest.ts';
import { unpack } from './unpack.ts';
import { isWithin, type UnpackControl, type UnpackLimits } from './unpack-limits.ts';

const LOCK_POLL_MS = 25;
/** Digests are forgotten from this number on, the oldest first; one takes a block of the disk. */
const MAX_DIGESTS = 1000;

/** A cache, and the name under which it is used. */
export interface CachePlace {
  readonly folder: string;
  readonly owner: string;
}

export interface UseRequest extends CachePlace {
  readonly file: string;
  readonly sha256: string;
  /** The state of the file to which the digest belongs. */
  readonly fingerprint: Fingerprint;
  readonly limits: UnpackLimits;
  /** Whether this owner uses the entry already. */
  readonly isInUse: boolean;
  /** From `scratchName`. */
  readonly scratch: string;
}

/** Where an archive's files are. */
export interface UsedFiles {
  readonly folder: string;
  /** The files are this request's alone, to be discarded by its `scratch`: the entry is damaged, and others use it. */
  readonly isPrivate: boolean;
  readonly wasUnpacked: boolean;
}

export const CACHE_JOBS = { open, sweep, digest, use, drop, discard, evict } as const;
export type CacheJobs = typeof CACHE_JOBS;

/** Makes the cache's folders, and says that its owner is there. */
async function open({ folder, owner }: CachePlace): Promise<void> {
  await mkdir(ownersOf(folder), { recursive: true, mode: 0o700 });
  await mkdir(digestsOf(folder), { recursive: true, mode: 0o700 });
  await sayAlive(ownersOf(folder), owner);
}

/** Clears away what those have left who are gone. */
async function sweep({ folder }: CachePlace, control: UnpackControl): Promise<void> {
  const owners = ownersOf(folder);
  for (const name of await readdir(folder)) {
    control.throwIfAborted();
    const path = join(folder, name);
    if (isEntryName(name)) await forgetGoneUsers(new CacheEntry(path), owners);
    if (!isLeftover(name)) continue;
    const maker = name.split('~')[1] ?? (await readlink(path).catch(() => ''));
    if (await isGone(owners, maker)) await removeFolder(path);
  }
  for (const owner of await readdir(owners)) {
    if (await isGone(owners, owner)) await rm(join(owners, owner), { force: true });
  }
  await forgetDigests(digestsOf(folder));
}

/** The digest of a file; one that was read before, and is as it was, is not read again. */
async function digest({ folder, file }: CachePlace & { file: string }, control: UnpackControl): Promise<FileDigest> {
  const fingerprint = fingerprintOf(statSync(file, { bigint: true }));
  const memory = join(digestsOf(folder), fingerprint.text);
  const sha256 = await readFile(memory, 'utf8').catch(() => '');
  if (isEntryName(sha256)) return { sha256, fingerprint };
  const found = digestOf(file, control);
  const settled = join(digestsOf(folder), found.fingerprint.text);
  // A disk without room for this has none for the archive either, and that is told where it matters.
  if (found.fingerprint.isSettled) await writeFile(settled, found.sha256).catch(() => undefined);
  return found;
}

/** Unpacks an archive unless its files are there, and marks them as used. Throws what `unpack` throws. */
async function use(request: UseRequest, control: UnpackControl): Promise<UsedFiles> {
  const { folder, owner, sha256 } = request;
  const entry = new CacheEntry(join(folder, sha256));
  const lock = lockOf(folder, sha256);
  const beganAt = performance.now();
  // Somebody may have emptied the cache by hand since it was opened.
  await open(request);
  for (;;) {
    control.throwIfAborted();
    const state = await lookAt(entry, request);
    if (state === 'sound') return { folder: entry.files, isPrivate: false, wasUnpacked: false };
    if (state === 'damaged in use') {
      const own = await unpackAside(request, control);
      return { folder: own.files, isPrivate: true, wasUnpacked: true };
    }
    if (!(await isTaken(lock, owner))) {
      await waitFor(lock, ownersOf(folder), performance.now() - beganAt);
      continue;
    }
    try {
      // Whoever had the lock before may have unpacked it.
      if ((await lookAt(entry, request)) !== 'absent') continue;
      const own = await unpackAside(request, control);
      if (await isPublished(own, entry)) {
        await syncFolder(folder);
        return { folder: entry.files, isPrivate: false, wasUnpacked: true };
      }
    } finally {
      await rm(lock, { force: true });
    }
  }
}

/** Gives an entry up; without other users it is removed, unless it is to be kept for the next start. */
async function drop(request: CachePlace & { sha256: string; isKept: boolean; scratch: string }): Promise<void> {
  const entry = new CacheEntry(join(request.folder, request.sha256));
  await entry.unmark(request.owner);
  if (!request.isKept) await remove(entry, request);
}

/** Removes what a job has made for itself, and the lock of one that could not do so. */
async function discard(request: CachePlace & { scratch: string; sha256: string }): Promise<void> {
  const { folder, owner, scratch } = request;
  const lock = lockOf(folder, request.sha256);
  if ((await readlink(lock).catch(() => undefined)) === owner) await unlink(lock);
  const names = (await readdir(folder)).filter((name) => name.startsWith(scratch));
  await Promise.all(names.map((name) => removeFolder(join(folder, name))));
}

/** Removes entries that nobody uses, the longest unused first, until the cache is within `maxBytes`. */
async function evict(request: CachePlace & { maxBytes: number; scratch: string }): Promise<void> {
  const names = (await readdir(request.folder)).filter((name) => isEntryName(name));
  const entries = await Promise.all(
    names.map(async (name) => {
      const entry = new CacheEntry(join(request.folder, name));
      return { entry, bytes: (await entry.facts())?.unpackedBytes, usedAtMs: entry.lastUsedAtMs() };
    }),
  );
  let total = entries.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0);
  for (const { entry, bytes } of entries.toSorted((a, b) => a.usedAtMs - b.usedAtMs)) {
    if (bytes !== undefined && total <= request.maxBytes) continue;
    if (await remove(entry, request)) total -= bytes ?? 0;
  }
}

/** What an entry is good for. One that is sound is marked as used; one that is not, and that nobody uses, is removed. */
async function lookAt(entry: CacheEntry, request: UseRequest): Promise<'sound' | 'damaged in use' | 'absent'> {
  const { folder, owner, limits, isInUse } = request;
  if (await entry.mark(owner)) {
    const others = (await entry.users(ownersOf(folder))).filter((user) => user !== owner);
    const isShared = isInUse || others.length > 0;
    const facts = await entry.facts();
    if (facts !== undefined && isWithin(facts, limits) && (await entry.isSound(facts, !isShared))) {
      // Somebody who removes entries may have taken it away before the mark was there.
      return (await entry.marks()).includes(owner) ? 'sound' : 'absent';
    }
    if (!isInUse) await entry.unmark(owner);
    if (isShared) return 'damaged in use';
  }
  await remove(entry, request);
  return 'absent';
}

/** Unpacks beside the entries. */
async function unpackAside(request: UseRequest, control: UnpackControl): Promise<CacheEntry> {
  const own = new CacheEntry(aside(request));
  try {
    await own.create();
    const unpacked = await unpack(request.file, own.files, request.limits, control);
    checkUnchanged(request.fingerprint, statSync(request.file, { bigint: true }));
    await own.seal(unpacked);
    await own.mark(request.owner);
    return own;
  } catch (thrown) {
    await removeFolder(own.folder);
    throw thrown;
  }
}

/** Gives what was unpacked its place; false when somebody was faster. */
async function isPublished(own: CacheEntry, entry: CacheEntry): Promise<boolean> {
  try {
    await rename(own.folder, entry.folder);
    return true;
  } catch (thrown) {
    await removeFolder(own.folder);
    if (isOccupied(thrown)) return false;
    throw thrown;
  }
}

/** Removes an entry unless somebody uses it; whether it did. */
async function remove(entry: CacheEntry, request: CachePlace & { scratch: string }): Promise<boolean> {
  const owners = ownersOf(request.folder);
  if ((await entry.users(owners)).length > 0) return false;
  const moved = new CacheEntry(aside(request));
  try {
    await rename(entry.folder, moved.folder);
  } catch (thrown) {
    if (isCode(thrown, 'ENOENT')) return false;
    throw thrown;
  }
  // Who marked it at the last moment gets it back, or the one that somebody has put in its place.
  const users = await moved.users(owners);
  if (users.length > 0) {
    try {
      await rename(moved.folder, entry.folder);
      return false;
    } catch (thrown) {
      if (!isOccupied(thrown)) throw thrown;
      for (const user of users) await entry.mark(user);
    }
  }
  await removeFolder(moved.folder);
  return true;
}

async function removeFolder(folder: string): Promise<void> {
  // A worker that is just ending may still write its bytecode cache; the retries outlast it.
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** Takes the lock, which is a link to its owner's name: it appears at once and with its content. */
async function isTaken(lock: string, owner: string): Promise<boolean> {
  try {
    await symlink(owner, lock);
    return true;
  } catch (thrown) {
    if (isCode(thrown, 'EEXIST')) return false;
    throw thrown;
  }
}

/** Resolves after a while, or as soon as nobody holds the lock. Two may take it for given up at once: then both unpack, and one is faster. */
async function waitFor(lock: string, owners: string, waitedMs: number): Promise<void> {
  const holder = await readlink(lock).catch(() => undefined);
  if (holder === undefined) return;
  if (await isGivenUp(owners, holder, waitedMs)) await rm(lock, { force: true });
  else await sleep(LOCK_POLL_MS);
}

async function forgetGoneUsers(entry: CacheEntry, owners: string): Promise<void> {
  for (const user of await entry.marks()) if (await isGone(owners, user)) await entry.unmark(user);
}

async function forgetDigests(folder: string): Promise<void> {
  const names = await readdir(folder);
  if (names.length <= MAX_DIGESTS) return;
  const aged = await Promise.all(names.map(async (name) => ({ name, at: (await stat(join(folder, name))).mtimeMs })));
  const oldest = aged.toSorted((a, b) => a.at - b.at).slice(0, names.length - MAX_DIGESTS);
  await Promise.all(oldest.map(({ name }) => rm(join(folder, name), { force: true })));
}

function aside({ folder, scratch }: CachePlace & { scratch: string }): string {
  return join(folder, `${scratch}.${randomBytes(4).toString('hex')}`);
}

/** Whether a rename failed because there is something of that name. */
function isOccupied(thrown: unknown): boolean {
  return isCode(thrown, 'ENOTEMPTY') || isCode(thrown, 'EEXIST');
}

function isCode(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === code;
}
