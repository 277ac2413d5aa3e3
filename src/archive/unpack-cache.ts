// Archives that are unpacked once: from a file to the folder with its content, which all registrations of the same bytes share, and which the
// next start finds again. Counts who uses what within this server; what is on the disk, and what other servers do there, is cache-jobs.ts's
// business.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PhaseMeter } from '../core/load-progress.ts';
import type { CacheWork, JobResult } from './archive-threads.ts';
import type { CacheJobs, CachePlace, UsedFiles } from './cache-jobs.ts';
import { archivesIn, ownersOf, scratchName } from './cache-names.ts';
import { HEARTBEAT_MS, newOwner, sayAlive } from './cache-owner.ts';
import type { FileDigest } from './file-digest.ts';
import { type Flight, joined } from './flight.ts';
import type { UnpackLimits } from './unpack-limits.ts';

export interface UnpackCacheOptions {
  /** An existing folder; the cache is `archives` in it. */
  readonly cacheDir: string;
  /** Most unpacked bytes; what is in use counts, but only the rest is removed. 0 keeps nothing that is not in use. */
  readonly maxBytes: number;
  readonly limits: UnpackLimits;
  readonly work: CacheWork;
  /** Hears what could not be tidied. */
  readonly onTrouble: (message: string) => void;
}

/** The folder with an archive's content. */
export interface UnpackedFolder {
  readonly folder: string;
  /** Gives the folder up. Can be called again. */
  release(): Promise<void>;
}

/** One digest's place in this server. */
interface Slot {
  /** Those who have the entry, or are waiting for it. */
  users: number;
  /** Those who have it. */
  tenants: number;
  /** Whether the entry on the disk may be marked as used by this server. */
  isMarked: boolean;
  /** Resolves once the last of them has given it up on the disk, too. */
  ending: Promise<void> | undefined;
}

/** The files that one job has found or made, for all who waited for it. */
interface Tenancy {
  readonly files: UsedFiles;
  readonly scratch: string;
  tenants: number;
}

const NOBODY_WATCHES = { signal: new AbortController().signal, onProgress: () => undefined };

export class UnpackCache {
  readonly #options: UnpackCacheOptions;
  readonly #folder: string;
  readonly #closing = new AbortController();
  readonly #digesting = new Map<string, Flight<FileDigest>>();
  readonly #using = new Map<string, Flight<Tenancy>>();
  readonly #slots = new Map<string, Slot>();
  readonly #held = new Set<UnpackedFolder>();
  /** Tidying that nobody waits for. */
  readonly #tidying = new Set<Promise<void>>();
  #place: Promise<CachePlace> | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #isKept = false;

  constructor(options: UnpackCacheOptions) {
    this.#options = options;
    this.#folder = archivesIn(options.cacheDir);
  }

  /** Clears away what servers that were killed have left. That is also done before anything is unpacked. */
  async sweep(): Promise<void> {
    await this.#opened();
  }

  /** The SHA-256 of a file, which is not read again while it stays as it is. */
  digest(file: string, meter: PhaseMeter): Promise<FileDigest> {
    return joined(this.#digesting, file, meter, (onProgress) => this.#run('digest', { file }, onProgress));
  }

  /** The content of an archive whose digest is known. Throws what `unpack` throws, and the reason of `close`. */
  async use(file: string, { sha256, fingerprint }: FileDigest, meter: PhaseMeter): Promise<UnpackedFolder> {
    const slot = await this.#enter(sha256);
    try {
      const tenancy = await joined(this.#using, sha256, meter, async (onProgress): Promise<Tenancy> => {
        const { owner } = await this.#opened();
        const scratch = scratchName(owner);
        const { limits } = this.#options;
        const request = { file, sha256, fingerprint, limits, scratch, isInUse: slot.tenants > 0 };
        try {
          return { files: await this.#run('use', request, onProgress), scratch, tenants: 0 };
        } catch (thrown) {
          await this.#finish('discard', { scratch, sha256 });
          throw thrown;
        }
      });
      return this.#tenant(sha256, slot, tenancy);
    } catch (thrown) {
      await this.#exit(sha256, slot);
      throw thrown;
    }
  }

  /** From now on what is given up stays for the next start. */
  keep(): void {
    this.#isKept = this.#options.maxBytes > 0;
  }

  /** Ends what is under way with `reason`, and gives up what is in use, keeping it. */
  async close(reason: Error): Promise<void> {
    this.keep();
    this.#closing.abort(reason);
    await Promise.allSettled([...this.#digesting.values(), ...this.#using.values()].map(({ outcome }) => outcome));
    await Promise.allSettled([...this.#held].map((held) => held.release()));
    await Promise.allSettled([...this.#slots.values()].map(({ ending }) => ending));
    await Promise.allSettled(this.#tidying);
    clearInterval(this.#heartbeat);
    const place = await this.#place?.catch(() => undefined);
    this.#place = undefined;
    if (place !== undefined) await rm(join(ownersOf(place.folder), place.owner), { force: true });
    await this.#options.work.close();
  }

  /** One more who wants an entry; it is not on its way out. */
  async #enter(sha256: string): Promise<Slot> {
    for (;;) {
      const slot = this.#slots.get(sha256) ?? { users: 0, tenants: 0, isMarked: false, ending: undefined };
      if (slot.ending === undefined) {
        this.#slots.set(sha256, slot);
        slot.users += 1;
        return slot;
      }
      await slot.ending;
    }
  }

  #tenant(sha256: string, slot: Slot, tenancy: Tenancy): UnpackedFolder {
    tenancy.tenants += 1;
    if (!tenancy.files.isPrivate) {
      slot.tenants += 1;
      slot.isMarked = true;
    }
    if (tenancy.files.wasUnpacked && tenancy.tenants === 1) this.#tidy('evict');
    let released: Promise<void> | undefined;
    const held: UnpackedFolder = {
      folder: tenancy.files.folder,
      release: () => {
        released ??= this.#leave(sha256, slot, tenancy).finally(() => this.#held.delete(held));
        return released;
      },
    };
    this.#held.add(held);
    return held;
  }

  async #leave(sha256: string, slot: Slot, tenancy: Tenancy): Promise<void> {
    const { scratch, files } = tenancy;
    tenancy.tenants -= 1;
    if (!files.isPrivate) slot.tenants -= 1;
    const isLast = files.isPrivate && tenancy.tenants === 0;
    await Promise.all([this.#exit(sha256, slot), isLast ? this.#finish('discard', { scratch, sha256 }) : undefined]);
  }

  /** One less who has an entry or waits for it. With the last one it is given up on the disk. */
  async #exit(sha256: string, slot: Slot): Promise<void> {
    slot.users -= 1;
    if (slot.users > 0) return;
    if (slot.isMarked) {
      slot.ending = this.#drop(sha256).catch((thrown: unknown) => {
        this.#options.onTrouble(`What was unpacked for ${sha256} could not be removed: ${thrown}`);
      });
      await slot.ending;
    }
    this.#slots.delete(sha256);
  }

  async #drop(sha256: string): Promise<void> {
    const scratch = scratchName((await this.#opened()).owner);
    await this.#finish('drop', { sha256, isKept: this.#isKept, scratch });
  }

  /** The cache, its folders made. */
  #opened(): Promise<CachePlace> {
    this.#place ??= this.#open().catch((thrown: unknown) => {
      this.#place = undefined;
      throw thrown;
    });
    return this.#place;
  }

  async #open(): Promise<CachePlace> {
    this.#closing.signal.throwIfAborted();
    const place = { folder: this.#folder, owner: await newOwner() };
    await this.#options.work.run('open', place, NOBODY_WATCHES);
    this.#heartbeat = setInterval(() => {
      sayAlive(ownersOf(place.folder), place.owner).catch((thrown: unknown) => this.#options.onTrouble(String(thrown)));
    }, HEARTBEAT_MS);
    this.#heartbeat.unref();
    queueMicrotask(() => this.#tidy('sweep'));
    return place;
  }

  async #run<K extends keyof CacheJobs>(
    name: K,
    argument: Omit<Parameters<CacheJobs[K]>[0], keyof CachePlace>,
    onProgress: (doneBytes: number, totalBytes: number) => void,
  ): JobResult<K> {
    const place = await this.#opened();
    const { signal } = this.#closing;
    return this.#options.work.run(name, { ...argument, ...place }, { signal, onProgress });
  }

  /** A job that is done also while the cache closes. */
  async #finish<K extends 'drop' | 'discard'>(
    name: K,
    argument: Omit<Parameters<CacheJobs[K]>[0], keyof CachePlace>,
  ): Promise<void> {
    const place = await this.#opened();
    await this.#options.work.run(name, { ...argument, ...place }, NOBODY_WATCHES);
  }

  /** A job that nobody waits for, unless the cache closes. */
  #tidy(what: 'sweep' | 'evict'): void {
    const { work, maxBytes, onTrouble } = this.#options;
    const tidying = this.#opened()
      .then((place) => {
        const watch = { signal: this.#closing.signal, onProgress: () => undefined };
        if (what === 'sweep') return work.run('sweep', place, watch);
        return work.run('evict', { ...place, maxBytes, scratch: scratchName(place.owner) }, watch);
      })
      .catch((thrown: unknown) => {
        if (!this.#closing.signal.aborted) onTrouble(`The cache of unpacked archives could not be tidied: ${thrown}`);
      })
      .finally(() => this.#tidying.delete(tidying));
    this.#tidying.add(tidying);
  }
}
