// From the `url` of a registration to an opened archive, and back: who brings what, and that nothing is held longer than its model. Names are
// model-store.ts's business, fetching downloads.ts's, unpacking unpack-cache.ts's, the manifest's content manifest.ts's.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ServingError } from '../core/errors.ts';
import type { LoadProgress, PhaseMeter } from '../core/load-progress.ts';
import { shownUrl } from '../core/shown-url.ts';
import type { Archive } from './archive.ts';
import type { CacheWork } from './archive-threads.ts';
import { archivesIn, isLeftover } from './cache-names.ts';
import { diskFull, isDiskFull } from './disk-full.ts';
import { checksumMismatch } from './download-failure.ts';
import { type FileDigest, fingerprintOf } from './file-digest.ts';
import { checkFolderLinks } from './folder-links.ts';
import { readConfigText, readManifest } from './manifest.ts';
import { ModelStore } from './model-store.ts';
import { networkArchive, withNetwork } from './network-file.ts';
import type { SourceFetcher, SourceFile } from './source-file.ts';
import type { UnpackCache } from './unpack-cache.ts';
import { DEFAULT_UNPACK_LIMITS, type UnpackLimits } from './unpack-limits.ts';

export interface ArchiveStoreOptions {
  /** The folder of archives, undefined when none is configured. */
  readonly modelStore: string | undefined;
  /** An existing folder, below which archives are unpacked. */
  readonly cacheDir: string;
  /** Most bytes of unpacked archives; what is in use is never removed for it. 0 keeps nothing that is not in use. */
  readonly cacheBytes: number;
  /** Fetches what is not in the store; without it, a URL is a name that the store does not have. */
  readonly downloads?: SourceFetcher;
  readonly limits?: UnpackLimits;
  /** Whether folders may have links that lead anywhere: an author's own folder on the author's own machine has them (virtual environments). */
  readonly hasTrustedFolders?: boolean;
  /** Hears of trouble that no registration has. */
  readonly onTrouble?: (message: string) => void;
  /** Does the work on archives; threads of the store's own unless given. */
  readonly work?: CacheWork;
}

/** What a registration has to say about its archive. */
export interface OpenOptions {
  /** Lower-case hex; the archive's file must have this SHA-256. */
  readonly sha256: string | undefined;
  /** Whether a download is signed with the server's AWS keys. */
  readonly s3SseKms: boolean;
  /** Is told of the phases `download` and `unpack`. */
  readonly progress: LoadProgress;
}

/** What is behind a url. */
interface FoundModel {
  readonly path: string;
  readonly isFolder: boolean;
  /** The file when it was fetched. */
  readonly fetched: SourceFile | undefined;
}

/** Takes what is to be given up with an archive. */
type Holder = (release: () => Promise<void>) => void;

export class ArchiveStore {
  readonly #options: ArchiveStoreOptions;
  readonly #store: ModelStore;
  readonly #opening = new Set<Promise<Archive>>();
  readonly #closing = new AbortController();
  #cache: Promise<UnpackCache> | undefined;

  constructor(options: ArchiveStoreOptions) {
    this.#options = options;
    this.#store = new ModelStore(options.modelStore);
  }

  /**
   * Opens a file or folder of the model store by its bare name, or fetches what a URL names. A file is unpacked, once for all who open the same
   * bytes; a folder is used in place, or its inner folder when that is all it holds. Throws MODEL_STORE_MISSING, ARCHIVE_NOT_FOUND,
   * ARCHIVE_PATH_FORBIDDEN, what SourceFetcher.fetch throws, CHECKSUM_MISMATCH, INVALID_PARAMETER for a sha256 of a folder, ARCHIVE_INVALID,
   * MANIFEST_INVALID, SERVER_STOPPING once closed, STORAGE_FULL and INTERNAL when the disk is full or fails, each with `details.url`. After an
   * error this registration has left nothing on the disk.
   */
  open(url: string, options: OpenOptions): Promise<Archive> {
    const opening = this.#open(url, options).catch((thrown: unknown) => {
      throw withUrl(thrown, url);
    });
    this.#opening.add(opening);
    const forget = () => this.#opening.delete(opening);
    opening.then(forget, forget);
    return opening;
  }

  /** The names in the model store that look like models, sorted. Throws MODEL_STORE_MISSING. */
  list(): Promise<string[]> {
    return this.#store.list();
  }

  /** Clears away what a server that was killed has left half unpacked. */
  async sweep(): Promise<void> {
    const names = await readdir(archivesIn(this.#options.cacheDir)).catch(() => []);
    if (names.some(isLeftover)) await (await this.#unpackCache()).sweep();
  }

  /** The server ends: what archives give up from now on stays for its next start. */
  async keep(): Promise<void> {
    (await this.#cache)?.keep();
  }

  /** Ends what is being opened, refuses further opens, and gives up what was unpacked, keeping it for the next start. Can be called again. */
  async close(): Promise<void> {
    const reason = new ServingError('SERVER_STOPPING', 'The server is shutting down; no archive can be opened.');
    this.#closing.abort(reason);
    await (await this.#cache)?.close(reason);
    await Promise.allSettled(this.#opening);
  }

  async #open(url: string, options: OpenOptions): Promise<Archive> {
    this.#closing.signal.throwIfAborted();
    const held: (() => Promise<void>)[] = [];
    const release = async () => {
      // What was unpacked goes before the file that it came from.
      for (const one of held.toReversed()) await one();
    };
    try {
      const archive = await this.#opened(url, options, (one) => held.push(one));
      this.#closing.signal.throwIfAborted();
      return { ...archive, release };
    } catch (thrown) {
      await release();
      throw thrown;
    }
  }

  async #opened(url: string, options: OpenOptions, hold: Holder): Promise<Omit<Archive, 'release'>> {
    const { path, isFolder, fetched } = await this.#find(url, options, hold);
    if (isFolder) {
      if (options.sha256 !== undefined) throw noFileToCheck(url);
      if (this.#options.hasTrustedFolders !== true) await checkFolderLinks(path, await this.#store.path());
      return describedArchive(url, await innerFolderOf(path));
    }
    const isNetwork = path.endsWith('.onnx');
    if (isNetwork && (options.sha256 === undefined || fetched !== undefined))
      return networkArchive(shownUrl(url), path);
    const folder = await options.progress.during('unpack', async (meter) => {
      const digest = await this.#digest(path, fetched, meter);
      if (options.sha256 !== undefined && options.sha256 !== digest.sha256) {
        throw checksumMismatch(url, digest.sha256, options.sha256);
      }
      if (isNetwork) return undefined;
      const unpacked = await (await this.#unpackCache()).use(path, digest, meter);
      hold(() => unpacked.release());
      return unpacked.folder;
    });
    return folder === undefined ? networkArchive(shownUrl(url), path) : describedArchive(url, folder);
  }

  async #find(url: string, { sha256, s3SseKms, progress }: OpenOptions, hold: Holder): Promise<FoundModel> {
    const { downloads } = this.#options;
    await this.#store.path();
    if (downloads?.handles(url) !== true) return { ...(await this.#store.find(url)), fetched: undefined };
    const { signal } = this.#closing;
    const fetched = await progress.during('download', (meter) =>
      downloads.fetch(url, { sha256, s3SseKms, meter, signal }),
    );
    hold(() => fetched.release());
    return { path: fetched.path, isFolder: false, fetched };
  }

  async #digest(path: string, fetched: SourceFile | undefined, meter: PhaseMeter): Promise<FileDigest> {
    if (fetched === undefined) return (await this.#unpackCache()).digest(path, meter);
    return { sha256: fetched.sha256, fingerprint: fingerprintOf(await stat(path, { bigint: true })) };
  }

  #unpackCache(): Promise<UnpackCache> {
    this.#cache ??= this.#newCache();
    return this.#cache;
  }

  async #newCache(): Promise<UnpackCache> {
    const { UnpackCache } = await import('./unpack-cache.ts');
    const { ArchiveThreads } = await import('./archive-threads.ts');
    const { cacheDir, cacheBytes, limits, work, onTrouble } = this.#options;
    return new UnpackCache({
      cacheDir,
      maxBytes: cacheBytes,
      limits: limits ?? DEFAULT_UNPACK_LIMITS,
      work: work ?? new ArchiveThreads(),
      onTrouble: onTrouble ?? (() => undefined),
    });
  }
}

async function describedArchive(asked: string, modelDir: string): Promise<Omit<Archive, 'release'>> {
  const manifest = await withNetwork(await readManifest(modelDir), modelDir);
  const configText = await readConfigText(modelDir, manifest);
  return { url: shownUrl(asked), modelDir, manifest, configText };
}

function noFileToCheck(url: string): ServingError {
  return new ServingError(
    'INVALID_PARAMETER',
    `sha256 is given, and ${url} is a folder, which has no SHA-256. Leave sha256 out, or register an archive file.`,
    { parameter: 'sha256' },
  );
}

/** A folder that holds nothing but another folder was packed one level too deep; the inner one is the model. */
async function innerFolderOf(folder: string): Promise<string> {
  const [only, ...others] = await readdir(folder, { withFileTypes: true });
  return only?.isDirectory() && only.name !== 'MAR-INF' && others.length === 0 ? join(folder, only.name) : folder;
}

/** The error as the caller of `open` gets it: it names the archive, in its details and where its text does not do so yet. */
function withUrl(thrown: unknown, asked: string): ServingError {
  const url = shownUrl(asked);
  if (isDiskFull(thrown)) return withUrl(diskFull(thrown), asked);
  if (!(thrown instanceof ServingError)) {
    const code = thrown instanceof Error && 'code' in thrown ? ` (${String(thrown.code)})` : '';
    return new ServingError('INTERNAL', `Cannot load ${url}: the server could not read it${code}.`, { url }, thrown);
  }
  const isAboutContent = ['ARCHIVE_INVALID', 'MANIFEST_INVALID', 'STORAGE_FULL', 'INTERNAL'].includes(thrown.code);
  const message = isAboutContent ? `Cannot load ${url}: ${thrown.message}` : thrown.message;
  return new ServingError(thrown.code, message, { ...thrown.details, url }, thrown.cause);
}
