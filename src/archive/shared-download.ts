// One download and everybody who waits for its file or uses it: it goes on while somebody wants it, and its file is removed with the last
// one who does. How the bytes come is the business of whoever made it.
import type { PhaseMeter } from '../core/load-progress.ts';
import type { HiddenFile } from './hidden-file.ts';
import type { SourceRequest } from './source-file.ts';
import { unlessAborted } from './unless-aborted.ts';

/** The finished download. */
export interface StoredFile {
  readonly path: string;
  readonly sha256: string;
  readonly hidden: HiddenFile;
}

/** One part in a download. */
export interface JoinedDownload {
  readonly file: StoredFile;
  /** Gives the file up. Can be called again. */
  release(): Promise<void>;
}

/** What the fetching gets from those who wait. */
export interface Waiting {
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal;
  readonly meter: PhaseMeter;
  /** Whether at least one who waits takes bytes with this digest. */
  isWanted(sha256: string): boolean;
  /** The digest that the first one asked for. */
  readonly firstSha256: string | undefined;
}

export class SharedDownload {
  /** What makes two requests ask for the same bytes. */
  readonly key: string;
  readonly #file: Promise<StoredFile>;
  readonly #abort = new AbortController();
  readonly #waiting = new Set<SourceRequest>();
  readonly #users = new Set<object>();
  readonly #onGone: (failure: unknown) => void;
  #gone: Promise<void> | undefined;
  #doneBytes = 0;
  #totalBytes: number | undefined;

  /**
   * `fetch` leaves nothing behind when it fails; `onGone` is called once, when nothing is left of the download, or with what has kept its
   * file from being removed: nobody who gives the file up can do anything about that.
   */
  constructor(
    key: string,
    first: SourceRequest,
    fetch: (waiting: Waiting) => Promise<StoredFile>,
    onGone: (failure: unknown) => void,
  ) {
    this.key = key;
    this.#onGone = onGone;
    this.#waiting.add(first);
    this.#file = fetch({
      signal: this.#abort.signal,
      meter: { count: (doneBytes, totalBytes) => this.#count(doneBytes, totalBytes) },
      isWanted: (sha256) => [...this.#waiting].some((one) => one.sha256 === undefined || one.sha256 === sha256),
      firstSha256: first.sha256,
    });
    // A failure ends the download for all; each one who waits hears of it below.
    this.#file.catch(() => this.#leave());
  }

  /** Resolves when nothing is left of a download that is on its way out; undefined while it can be joined. */
  get gone(): Promise<void> | undefined {
    return this.#gone;
  }

  /** Waits for the file, which is then used until it is released. Throws what the fetching throws, or the reason of the signal. */
  async join(request: SourceRequest): Promise<JoinedDownload> {
    const { signal, meter } = request;
    this.#waiting.add(request);
    if (this.#doneBytes > 0) meter.count(this.#doneBytes, this.#totalBytes);
    const user = {};
    this.#users.add(user);
    const release = async () => {
      this.#waiting.delete(request);
      if (!this.#users.delete(user) || this.#users.size > 0) return;
      await this.#leave();
    };
    try {
      const file = await unlessAborted(this.#file, signal);
      this.#waiting.delete(request);
      return { file, release };
    } catch (thrown) {
      await release();
      throw thrown;
    }
  }

  /** Ends the download, whoever uses it. */
  async end(): Promise<void> {
    this.#users.clear();
    await this.#leave();
  }

  #leave(): Promise<void> {
    this.#gone ??= this.#remove();
    return this.#gone;
  }

  async #remove(): Promise<void> {
    this.#abort.abort(new Error('nobody waits for this download any more'));
    const file = await this.#file.catch(() => undefined);
    this.#onGone(await file?.hidden.remove().catch((thrown: unknown) => thrown));
  }

  #count(doneBytes: number, totalBytes: number | undefined): void {
    this.#doneBytes = doneBytes;
    this.#totalBytes = totalBytes;
    for (const { meter } of this.#waiting) meter.count(doneBytes, totalBytes);
  }
}
