// The folder of request bodies that are too large for memory. A file is written as the body arrives, readable for its owner alone, and goes
// when whoever got it discards it; the server removes the folder.
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ServingError } from '../core/errors.ts';

/** What one file may have in memory on its way to the disk. */
export const WRITE_BUFFER_BYTES = 256 * 1024;

/** What the system says when there is no room. */
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

export class BodyFiles {
  readonly #folder: string;
  #made: Promise<unknown> | undefined;
  readonly #files = new Set<BodyFile>();
  #lastNumber = 0;
  #bytes = 0;

  /** The folder is made when it is needed first. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** How many bytes are in files now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Begins a file. Rejects with BODY_NOT_STORED when it cannot be made, or when `expectedBytes` have no room on the disk. */
  async create(expectedBytes: number): Promise<BodyFile> {
    try {
      this.#made ??= mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await this.#made;
      const { bavail, bsize } = await statfs(this.#folder);
      if (expectedBytes > bavail * bsize) throw noRoom(undefined);
    } catch (error) {
      this.#made = undefined;
      throw notStored(error);
    }
    this.#lastNumber += 1;
    const file = new BodyFile(join(this.#folder, `${this.#lastNumber}`), {
      written: (bytes) => {
        this.#bytes += bytes;
      },
      removed: () => this.#files.delete(file),
    });
    this.#files.add(file);
    return file;
  }

  /** Removes what is left; resolves when no file is being written or removed any more. */
  async close(): Promise<void> {
    await Promise.all([...this.#files].map((file) => file.remove()));
  }
}

/** What a file tells its folder. */
interface FolderAccount {
  /** So many bytes more, or fewer for a file that goes. */
  written(bytes: number): void;
  removed(): void;
}

export class BodyFile {
  readonly path: string;
  readonly #account: FolderAccount;
  readonly #stream: WriteStream;
  #bytes = 0;
  #failure: ServingError | undefined;
  #onFailure: (error: ServingError) => void = () => {};
  #removed: Promise<void> | undefined;

  constructor(path: string, account: FolderAccount) {
    this.path = path;
    this.#account = account;
    this.#stream = createWriteStream(path, { flags: 'wx', mode: 0o600, highWaterMark: WRITE_BUFFER_BYTES });
    this.#stream.on('error', (error) => {
      this.#failure = notStored(error);
      this.#onFailure(this.#failure);
    });
  }

  /** Calls back with BODY_NOT_STORED when the file cannot be written; at once when that is known already. */
  onFailure(callback: (error: ServingError) => void): void {
    this.#onFailure = callback;
    if (this.#failure !== undefined) callback(this.#failure);
  }

  /** Appends. False when the next chunk should wait until `drained` resolves. */
  write(chunk: Uint8Array): boolean {
    this.#bytes += chunk.length;
    this.#account.written(chunk.length);
    return this.#stream.write(chunk);
  }

  /** Resolves when there is room for more; never, if the file cannot be written. */
  drained(callback: () => void): void {
    this.#stream.once('drain', callback);
  }

  /** Calls back when everything can be read by whoever opens the file. */
  finish(callback: () => void): void {
    this.#stream.end();
    this.#stream.once('close', () => {
      if (this.#failure === undefined && this.#removed === undefined) callback();
    });
  }

  /** Removes the file, be it finished or not; resolves when that is done. Can be called again. */
  remove(): Promise<void> {
    this.#removed ??= this.#remove();
    return this.#removed;
  }

  async #remove(): Promise<void> {
    this.#account.written(-this.#bytes);
    if (!this.#stream.closed) {
      const closed = new Promise<void>((resolve) => this.#stream.once('close', resolve));
      this.#stream.destroy();
      await closed;
    }
    // It may be gone with its folder, or never have been made.
    await unlink(this.path).catch(() => {});
    this.#account.removed();
  }
}

function notStored(error: unknown): ServingError {
  if (error instanceof ServingError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  if (code !== undefined && FULL.has(code)) return noRoom(error);
  const message = `The server could not store the request body, which is too large for memory (${code ?? 'unknown error'}); see that its temporary folder (TMPDIR) can be written.`;
  return new ServingError('BODY_NOT_STORED', message, {}, error);
}

function noRoom(error: unknown): ServingError {
  const message =
    'The request body is too large for memory, and the disk of the temporary folder has no room for it. Free some space there, or set TMPDIR to a folder with more.';
  return new ServingError('BODY_NOT_STORED', message, {}, error);
}
