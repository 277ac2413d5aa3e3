// The folder of models that the operator has filled: which names in it may be opened, and which there are. What is done with them is
// archive-store.ts's business.
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ServingError } from '../core/errors.ts';
import { isInside } from './inside.ts';

const ARCHIVE_ENDINGS = ['.mar', '.tar.gz', '.tgz', '.model', '.onnx'] as const;

/** System errors that mean "there is nothing of this name". */
const ABSENCE_CODES: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);

/** Something in the model store. */
export interface StoredModel {
  /** Real path. */
  readonly path: string;
  readonly isFolder: boolean;
}

export class ModelStore {
  readonly #folder: string | undefined;

  /** `folder` is undefined when none is configured. */
  constructor(folder: string | undefined) {
    this.#folder = folder;
  }

  /** The real path of the store. Throws MODEL_STORE_MISSING. */
  async path(): Promise<string> {
    if (this.#folder === undefined) {
      throw new ServingError('MODEL_STORE_MISSING', 'Model store has not been configured.');
    }
    try {
      return await realpath(this.#folder);
    } catch (cause) {
      throw new ServingError(
        'MODEL_STORE_MISSING',
        'The configured model store cannot be read. Create the folder, or correct model_store.',
        {},
        cause,
      );
    }
  }

  /** What has this bare name. Throws MODEL_STORE_MISSING, ARCHIVE_NOT_FOUND and ARCHIVE_PATH_FORBIDDEN. */
  async find(url: string): Promise<StoredModel> {
    const store = await this.path();
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
    if (status.isDirectory()) return { path, isFolder: true };
    if (status.isFile() && !url.endsWith('/')) return { path, isFolder: false };
    throw notFound(url);
  }

  /**
   * The names that look like models, sorted: archives by their ending, and every folder, none hidden.
   * Throws MODEL_STORE_MISSING.
   */
  async list(): Promise<string[]> {
    const store = await this.path();
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
}

/** The bare name that a url gives, without the slash that a folder may end in. Throws for everything that is more than a name. */
function nameOf(url: string): string {
  if (url === '') throw new ServingError('ARCHIVE_NOT_FOUND', 'empty url');
  if (url.includes('..')) {
    throw new ServingError('ARCHIVE_PATH_FORBIDDEN', `Relative path is not allowed in url: ${url}`);
  }
  const name = url.endsWith('/') ? url.slice(0, -1) : url;
  if (name === '' || name === '.' || /[/\\\p{Cc}]/u.test(name)) {
    throw new ServingError(
      'ARCHIVE_PATH_FORBIDDEN',
      `${url} is neither the name of a file or folder in the model store nor a URL. Paths and subfolders are refused: put the model ` +
        'directly into the model store and register it by its name.',
    );
  }
  return name;
}

function notFound(url: string): ServingError {
  return new ServingError('ARCHIVE_NOT_FOUND', `Model not found at: ${url}`);
}

function isAbsence(thrown: unknown): boolean {
  return (
    thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' && ABSENCE_CODES.has(thrown.code)
  );
}
