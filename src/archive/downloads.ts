// Archives from http(s) and file URLs: each comes into the model store under the last name of its URL, once for all registrations that
// use it, and goes with the last of them. What is allowed says core/allowed-urls.ts; bytes come by http-transfer.ts and file-source.ts.
import { lstat, readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { AllowedUrls } from '../core/allowed-urls.ts';
import { ServingError } from '../core/errors.ts';
import type { PhaseMeter } from '../core/load-progress.ts';
import { shownUrl } from '../core/shown-url.ts';
import { type AskedSource, isSourceUrl, readSource } from './asked-source.ts';
import { newOwner } from './cache-owner.ts';
import type { Resolver } from './checked-host.ts';
import { checksumMismatch, codeOf, downloadFailed, nameTaken, urlNotAllowed } from './download-failure.ts';
import { HiddenFile, NameTaken, ownerOf } from './hidden-file.ts';
import type { TransferLimits } from './http-transfer.ts';
import type { PartFile } from './part-file.ts';
import type { Environment } from './proxy-settings.ts';
import { type JoinedDownload, SharedDownload, type StoredFile, type Waiting } from './shared-download.ts';
import type { SourceFetcher, SourceFile, SourceRequest } from './source-file.ts';

/** How long a server may be silent before it counts as gone. */
const SILENCE_MS = 30_000;

export interface DownloadsOptions {
  /** The folder of archives, undefined when none is configured. */
  readonly modelStore: string | undefined;
  readonly allowed: AllowedUrls;
  /**
   * Whether a URL that registrations use already is theirs together. Without it a second registration is refused as one whose name is
   * taken, as TorchServe does.
   */
  readonly isShared: boolean;
  /** How long one download may take. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** Proxies and AWS keys. */
  readonly env: Environment;
  readonly log: (level: 'info' | 'warn', message: string, details: object) => void;
  readonly resolve?: Resolver;
  readonly silenceMs?: number;
  readonly limits?: TransferLimits;
}

/** The digest and the size of what has arrived. */
interface Received {
  readonly sha256: string;
  readonly bytes: number;
}

export class Downloads implements SourceFetcher {
  readonly #options: DownloadsOptions;
  /** By the name in the model store, from the first request until the file is gone. */
  readonly #downloads = new Map<string, SharedDownload>();
  #owner: Promise<string> | undefined;
  #isClosed = false;

  constructor(options: DownloadsOptions) {
    this.#options = options;
  }

  handles(url: string): boolean {
    return isSourceUrl(url);
  }

  /** As SourceFetcher says; and SERVER_STOPPING once closed. */
  async fetch(url: string, request: SourceRequest): Promise<SourceFile> {
    request.signal.throwIfAborted();
    const store = await this.#store();
    const source = readSource(url);
    if (this.#options.allowed.judge(source.url) === 'refused') {
      const isFile = source.url.protocol === 'file:';
      throw urlNotAllowed(
        url,
        `${isFile ? 'a file: URL needs an' : 'no'} expression of allowed_urls ${isFile ? 'that ' : ''}fits it`,
      );
    }
    const { file, release } = await this.#join(source, store, request);
    if (request.sha256 !== undefined && request.sha256 !== file.sha256) {
      await release();
      throw checksumMismatch(url, file.sha256, request.sha256);
    }
    return { path: file.path, sha256: file.sha256, release };
  }

  /** Removes what servers that were killed have left in the model store. A store that cannot be read or written keeps it. */
  async removeLeftovers(): Promise<void> {
    const { modelStore, log } = this.#options;
    if (modelStore === undefined) return;
    // Mostly there is nothing, and that is found out with what is loaded already.
    if (!(await readdir(modelStore).catch(() => [])).some((name) => ownerOf(name) !== undefined)) return;
    const { removeLeftovers } = await import('./leftover-parts.ts');
    const removed = await removeLeftovers(modelStore, await this.#ownerName()).catch((thrown: unknown) => {
      log('warn', 'leftovers of earlier downloads could not be removed', { modelStore, reason: String(thrown) });
      return [];
    });
    if (removed.length > 0) log('info', 'removed what a server that was killed had downloaded', { files: removed });
  }

  /** Ends every download, refuses further ones, and removes all files that were fetched. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#downloads.values()].map((download) => download.end()));
  }

  /** Takes part in the download that is there, or begins one. Between the look and the joining nobody else may have a turn. */
  async #join(source: AskedSource, store: string, request: SourceRequest): Promise<JoinedDownload> {
    const { url, fileName } = source;
    const key = `${request.s3SseKms ? 'signed ' : ''}${url.href.replace(/#.*$/, '')}`;
    let existing = this.#downloads.get(fileName);
    while (existing?.gone !== undefined) {
      await existing.gone;
      request.signal.throwIfAborted();
      existing = this.#downloads.get(fileName);
    }
    if (this.#isClosed) {
      throw new ServingError('SERVER_STOPPING', 'The server is shutting down; no archive can be fetched.');
    }
    if (existing !== undefined) {
      if (existing.key === key && this.#options.isShared) return existing.join(request);
      throw nameTaken(url.href, fileName);
    }
    const download = new SharedDownload(
      key,
      request,
      (waiting) => this.#bring(source, store, request.s3SseKms, waiting),
      (failure) => {
        this.#downloads.delete(fileName);
        if (failure === undefined) return;
        this.#options.log('warn', 'a downloaded archive could not be removed', {
          file: fileName,
          reason: String(failure),
        });
      },
    );
    this.#downloads.set(fileName, download);
    return download.join(request);
  }

  /** From the first look at the store to the finished file in it. Whatever fails, nothing stays behind. */
  async #bring(
    { url, fileName }: AskedSource,
    store: string,
    isSigned: boolean,
    waiting: Waiting,
  ): Promise<StoredFile> {
    const { log } = this.#options;
    const shown = shownUrl(url.href);
    const beganAt = performance.now();
    const hidden = new HiddenFile(store, await this.#ownerName());
    try {
      await checkFree(store, fileName, url);
      log('info', 'fetching an archive', { url: shown });
      const { sha256, bytes } = await this.#receive(url, hidden.path, isSigned, waiting);
      if (!waiting.isWanted(sha256)) throw checksumMismatch(url.href, sha256, waiting.firstSha256 ?? '');
      const path = await hidden.publish(fileName);
      const bytesPerSec = Math.round((bytes * 1000) / (performance.now() - beganAt));
      log('info', 'fetched an archive', { url: shown, file: fileName, bytes, bytesPerSec, sha256 });
      return { path, sha256, hidden };
    } catch (thrown) {
      await hidden.remove();
      if (thrown instanceof NameTaken) throw nameTaken(url.href, fileName);
      if (thrown instanceof ServingError) throw thrown;
      waiting.signal.throwIfAborted();
      const code = codeOf(thrown);
      const reason =
        code === undefined ? 'the server could not finish it' : `the model store could not take it (${code})`;
      throw downloadFailed(url.href, reason, thrown);
    }
  }

  /** The bytes behind the URL, in a new file at `path`. What stops it gives the reason. */
  async #receive(url: URL, path: string, isSigned: boolean, waiting: Waiting): Promise<Received> {
    const { timeoutMs, maxBytes } = this.#options;
    const { PartFile } = await import('./part-file.ts');
    const part = await PartFile.create(path, maxBytes);
    const tooLong = new AbortController();
    const timer = setTimeout(() => {
      const seconds = Math.round(timeoutMs / 1000);
      tooLong.abort(downloadFailed(url.href, `it took longer than download_timeout, ${seconds} seconds`));
    }, timeoutMs);
    const signal = AbortSignal.any([waiting.signal, tooLong.signal]);
    try {
      await this.#fill(part, url, isSigned, signal, waiting.meter);
      return { sha256: await part.finish(), bytes: part.bytes };
    } finally {
      clearTimeout(timer);
      await part.close();
    }
  }

  async #fill(part: PartFile, url: URL, isSigned: boolean, signal: AbortSignal, meter: PhaseMeter): Promise<void> {
    const { allowed, env, silenceMs = SILENCE_MS } = this.#options;
    const judge = (step: URL) => allowed.judge(step);
    const count = meter.count.bind(meter);
    if (url.protocol === 'file:') {
      const { copyFile } = await import('./file-source.ts');
      return await copyFile({ url, judge, part, signal, count });
    }
    const [{ systemResolver }, { HttpSource }, { DEFAULT_LIMITS, transfer }] = await Promise.all([
      import('./checked-host.ts'),
      import('./http-source.ts'),
      import('./http-transfer.ts'),
    ]);
    const { resolve = systemResolver, limits = DEFAULT_LIMITS } = this.#options;
    const source = new HttpSource({ judge, resolve, env, silenceMs });
    await transfer({ source, url, isSigned, part, limits, signal, count });
  }

  #ownerName(): Promise<string> {
    this.#owner ??= newOwner();
    return this.#owner;
  }

  async #store(): Promise<string> {
    const { modelStore } = this.#options;
    if (modelStore === undefined) {
      throw new ServingError('MODEL_STORE_MISSING', 'Model store has not been configured.');
    }
    return await realpath(modelStore).catch((cause: unknown) => {
      throw new ServingError(
        'MODEL_STORE_MISSING',
        'The configured model store cannot be read. Create the folder, or correct model_store.',
        {},
        cause,
      );
    });
  }
}

/** Said before the first byte is asked for; that nothing is written over is up to HiddenFile.publish. */
async function checkFree(store: string, fileName: string, url: URL): Promise<void> {
  const isTaken = await lstat(join(store, fileName)).then(
    () => true,
    (thrown: unknown) => {
      if (codeOf(thrown) === 'ENOENT') return false;
      throw thrown;
    },
  );
  if (isTaken) throw nameTaken(url.href, fileName);
}
