// From the `url` of a registration to an unpacked archive: which names of the model store may be opened, where they are unpacked,
// and that nothing unpacked outlives its model. Formats are unpack.ts's business, the manifest's content is manifest.ts's.
import { randomBytes } from 'node:crypto';
import { readdir, realpath, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ServingError } from '../core/errors.ts';
import type { Archive } from './archive.ts';
import { checkFolderLinks } from './folder-links.ts';
import { isInside } from './inside.ts';
import { networkArchive, withNetwork } from './network-file.ts';
import { DEFAULT_UNPACK_LIMITS, type UnpackLimits } from './unpack-limits.ts';

const ARCHIVE_ENDINGS = ['.mar', '.tar.gz', '.tgz', '.model', '.onnx'] as const;

/** System errors that mean "there is nothing of this name". */
const ABSENCE_CODES: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);

export interface ArchiveStoreOptions {
  /** The folder of archives, undefined when none is configured. */
  readonly modelStore: string | undefined;
  /** Archives are unpacked below it; made when needed. */
  readonly workDir: string;
  readonly limits?: UnpackLimits;
}

/** An entry of the model store. */
interface FoundEntry {
  /** Real paths: of the store, and of the entry in it. */
  readonly store: string;
  readonly path: string;
  readonly isFolder: boolean;
}

export class ArchiveStore {
  readonly #modelStore: string | undefined;
  readonly #unpackDir: string;
  readonly #limits: UnpackLimits;
  readonly #unpacked = new Set<string>();
  readonly #opening = new Set<Promise<Archive>>();
  readonly #closing = new AbortController();

  constructor(options: ArchiveStoreOptions) {
    this.#modelStore = options.modelStore;
    this.#unpackDir = resolve(options.workDir, 'models');
    this.#limits = options.limits ?? DEFAULT_UNPACK_LIMITS;
  }

  /**
   * Opens a file or folder of the model store by its bare name. A file is unpacked into a folder of its own; a folder is used in
   * place, or its inner folder when that is all it holds. Throws MODEL_STORE_MISSING, ARCHIVE_NOT_FOUND, ARCHIVE_PATH_FORBIDDEN,
   * DOWNLOAD_FAILED for http(s) URLs, ARCHIVE_INVALID, MANIFEST_INVALID, SERVER_STOPPING once closed, and INTERNAL when the disk
   * fails, each with `details.url`. After an error nothing is left on disk.
   */
  open(url: string): Promise<Archive> {
    const opening = this.#open(url).catch((thrown: unknown) => {
      throw withUrl(thrown, url);
    });
    this.#opening.add(opening);
    const forget = () => this.#opening.delete(opening);
    opening.then(forget, forget);
    return opening;
  }

  /**
   * The names in the model store that look like models, sorted: archives by their ending, and every folder, none hidden.
   * Throws MODEL_STORE_MISSING.
   */
  async list(): Promise<string[]> {
    const store = await this.#storePath();
    const names = (await readdir(store)).filter((name) => !name.startsWith('.')).sort();
    const isModel = await Promise.all(
      names.map(async (name) => {
        // stat and not the entry's own type: a link counts as what it leads to.
        const status = await stat(join(store, name)).catch(() => undefined);
        if (status === undefined) return false;
        return status.isDirectory() || (status.isFile() && ARCHIVE_ENDINGS.some((ending) => name.endsWith(ending)));
      }),
    );
    return names.filter((_, index) => isModel[index]);
  }

  /** Ends what is being opened, refuses further opens, and removes everything that this store has unpacked. */
  async close(): Promise<void> {
    this.#closing.abort(new ServingError('SERVER_STOPPING', 'The server is shutting down; no archive can be opened.'));
    await Promise.allSettled(this.#opening);
    await Promise.all([...this.#unpacked].map((folder) => this.#remove(folder)));
  }

  async #open(url: string): Promise<Archive> {
    this.#closing.signal.throwIfAborted();
    const found = await this.#find(url);
    if (found.isFolder) {
      await checkFolderLinks(found.path, found.store);
      return this.#describe(url, await innerFolderOf(found.path), async () => undefined);
    }
    if (found.path.endsWith('.onnx')) return networkArchive(url, found.path);
    const { unpack } = await import('./unpack.ts');
    const folder = join(this.#unpackDir, randomBytes(16).toString('hex'));
    await unpack(found.path, folder, this.#limits, this.#closing.signal);
    this.#unpacked.add(folder);
    try {
      const archive = await this.#describe(url, folder, () => this.#remove(folder));
      this.#closing.signal.throwIfAborted();
      return archive;
    } catch (thrown) {
      await this.#remove(folder);
      throw thrown;
    }
  }

  async #describe(url: string, modelDir: string, release: () => Promise<void>): Promise<Archive> {
    const { readConfigText, readManifest } = await import('./manifest.ts');
    const manifest = await withNetwork(await readManifest(modelDir), modelDir);
    const configText = await readConfigText(modelDir, manifest);
    return { url, modelDir, manifest, configText, release };
  }

  async #remove(folder: string): Promise<void> {
    if (!this.#unpacked.has(folder)) return;
    // A worker that is just ending may still write its bytecode cache; the retries outlast it.
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    this.#unpacked.delete(folder);
  }

  /** The store's entry behind a url. */
  async #find(url: string): Promise<FoundEntry> {
    const store = await this.#storePath();
    const name = nameOf(url);
    const path = await realpath(join(store, name)).catch((thrown: unknown) => {
      throw isAbsence(thrown) ? notFound(url) : thrown;
    });
    if (path === store || !isInside(store, path)) {
      throw new ServingError(
        'ARCHIVE_PATH_FORBIDDEN',
        `${url} is a link that leads out of the model store. Put the model itself into the store.`,
      );
    }
    const status = await stat(path);
    if (status.isDirectory()) return { store, path, isFolder: true };
    if (status.isFile() && !url.endsWith('/')) return { store, path, isFolder: false };
    throw notFound(url);
  }

  async #storePath(): Promise<string> {
    if (this.#modelStore === undefined) {
      throw new ServingError('MODEL_STORE_MISSING', 'Model store has not been configured.');
    }
    try {
      return await realpath(this.#modelStore);
    } catch (cause) {
      throw new ServingError(
        'MODEL_STORE_MISSING',
        'The configured model store cannot be read. Create the folder, or correct model_store.',
        {},
        cause,
      );
    }
  }
}

/** The bare name that a url gives, without the slash that a folder may end in. Throws for everything that is more than a name. */
function nameOf(url: string): string {
  if (url === '') throw new ServingError('ARCHIVE_NOT_FOUND', 'empty url');
  if (url.includes('..')) {
    throw new ServingError('ARCHIVE_PATH_FORBIDDEN', `Relative path is not allowed in url: ${url}`);
  }
  if (/^https?:\/\//i.test(url)) {
    throw new ServingError(
      'DOWNLOAD_FAILED',
      `Failed to download archive from: ${url} - archives are loaded from the model store only. ` +
        'Download the file into the model store and register it by its name.',
    );
  }
  const name = url.endsWith('/') ? url.slice(0, -1) : url;
  if (name === '' || name === '.' || /[/\\\p{Cc}]/u.test(name)) {
    throw new ServingError(
      'ARCHIVE_PATH_FORBIDDEN',
      `${url} is not the name of a file or folder in the model store. Paths, subfolders and file: URLs are refused: ` +
        'put the model directly into the model store and register it by its name.',
    );
  }
  return name;
}

function notFound(url: string): ServingError {
  return new ServingError('ARCHIVE_NOT_FOUND', `Model not found at: ${url}`);
}

/** A folder that holds nothing but another folder was packed one level too deep; the inner one is the model. */
async function innerFolderOf(folder: string): Promise<string> {
  const [only, ...others] = await readdir(folder, { withFileTypes: true });
  return only?.isDirectory() && only.name !== 'MAR-INF' && others.length === 0 ? join(folder, only.name) : folder;
}

function isAbsence(thrown: unknown): boolean {
  return (
    thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' && ABSENCE_CODES.has(thrown.code)
  );
}

/** The error as the caller of `open` gets it: it names the archive, in its details and where its text does not do so yet. */
function withUrl(thrown: unknown, url: string): ServingError {
  if (!(thrown instanceof ServingError)) {
    const code = thrown instanceof Error && 'code' in thrown ? ` (${String(thrown.code)})` : '';
    return new ServingError('INTERNAL', `Cannot load ${url}: the server could not read it${code}.`, { url }, thrown);
  }
  const isAboutContent = ['ARCHIVE_INVALID', 'MANIFEST_INVALID', 'INTERNAL'].includes(thrown.code);
  const message = isAboutContent ? `Cannot load ${url}: ${thrown.message}` : thrown.message;
  return new ServingError(thrown.code, message, { ...thrown.details, url }, thrown.cause);
}
