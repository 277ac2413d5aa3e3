// The hidden name under which a download arrives in the model store: it says which server the file belongs to, the finished file is given its
// real name from it, and it stays beside that name until both go. So a file that was fetched can be told from one that somebody put there.
import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { link, lstat, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from './download-failure.ts';

/** Link is not known to every file system. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** The name in the store is taken. */
export class NameTaken extends Error {}

export class HiddenFile {
  readonly path: string;
  readonly #store: string;
  /** The name that it was given in the store. */
  #published: string | undefined;

  /** A name that nobody has. `owner` is one of cache-owner.ts. The file itself is made by whoever writes it. */
  constructor(store: string, owner: string) {
    this.#store = store;
    this.path = join(store, `.sconce-download-${owner}~${randomBytes(4).toString('hex')}`);
  }

  /** Gives the finished file its name, in one step and never in place of another file. Throws NameTaken. Gives the path. */
  async publish(name: string): Promise<string> {
    const target = join(this.#store, name);
    try {
      await link(this.path, target);
    } catch (thrown) {
      if (codeOf(thrown) === 'EEXIST') throw new NameTaken(name);
      if (!NO_LINKS.has(codeOf(thrown) ?? '')) throw thrown;
      await this.#publishByRename(target, name);
    }
    this.#published = target;
    return target;
  }

  /** Removes the file under both names, unless somebody has put another one in the place of the second. */
  async remove(): Promise<void> {
    if (this.#published !== undefined && (await this.#isStill(this.#published))) await unlinkIfThere(this.#published);
    await unlinkIfThere(this.path);
  }

  async #publishByRename(target: string, name: string): Promise<void> {
    const placeholder = await open(target, 'wx').catch((thrown: unknown) => {
      throw codeOf(thrown) === 'EEXIST' ? new NameTaken(name) : thrown;
    });
    await placeholder.close();
    await rename(this.path, target);
  }

  /** Where there were no links, the hidden name has gone, and there is nothing to compare with. */
  async #isStill(path: string): Promise<boolean> {
    const [own, there] = await Promise.all([lstatIfThere(this.path), lstatIfThere(path)]);
    return own === undefined || there === undefined || (own.ino === there.ino && own.dev === there.dev);
  }
}

/** The owner in a hidden name, undefined for any other name. */
export function ownerOf(name: string): string | undefined {
  return /^\.sconce-download-([\w.-]+)~[0-9a-f]{8}$/.exec(name)?.[1];
}

/** The status of what is at `path` itself; undefined for nothing. */
export async function lstatIfThere(path: string): Promise<Stats | undefined> {
  return await lstat(path).catch((thrown: unknown) => {
    if (codeOf(thrown) === 'ENOENT') return undefined;
    throw thrown;
  });
}

/** Removes the file; it may be gone already. */
export async function unlinkIfThere(path: string): Promise<void> {
  await unlink(path).catch((thrown: unknown) => {
    if (codeOf(thrown) !== 'ENOENT') throw thrown;
  });
}
