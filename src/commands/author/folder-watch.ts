// Tells which of the author's files have changed. It watches through the folder above, so that the model's folder may be deleted, renamed and
// come back, and it leaves out what editors, tools and interpreters write.
import { type Stats, unwatchFile, watchFile } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';

/** Folders and files of tools; whatever begins with a dot is left out as well. */
const TOOL_NAMES: ReadonlySet<string> = new Set(['__pycache__', 'node_modules', '__MACOSX', 'Thumbs.db']);
/** What editors write beside a file that they save, and logs and compiled code. */
const TEMPORARY =
  /~$|^#.*#$|^4913$|___jb_(?:tmp|old)___$|\.(?:tmp|temp|swp|swo|swx|bak|orig|crswap|pyc|pyo|log|part)$/i;

export interface WatchedFiles {
  /** A real path; it need not stay there. */
  readonly folder: string;
  /** The only file that counts; undefined for all of the folder. */
  readonly file: string | undefined;
  /** Names of files and folders, or paths from the folder on, that do not count. */
  readonly ignored: readonly string[];
}

/** Hears of changes. */
export interface WatchListener {
  /** The path from the folder on; `.` is the folder itself, which went or came back. */
  onChange(path: string): void;
  onError(error: Error): void;
}

/** How often it is asked whether the folder is still the same one. */
const IDENTITY_INTERVAL_MS = 250;

export class FolderWatch {
  readonly #files: WatchedFiles;
  readonly #listener: WatchListener;
  #watcher: FSWatcher | undefined;
  #reopening = Promise.resolve();
  #isClosed = false;

  private constructor(files: WatchedFiles, listener: WatchListener) {
    this.#files = files;
    this.#listener = listener;
  }

  /** Begins to watch; resolves when no change is missed any more. */
  static async open(files: WatchedFiles, listener: WatchListener): Promise<FolderWatch> {
    const opened = new FolderWatch(files, listener);
    await opened.#begin();
    // Events can be missed when a folder goes and comes back quickly, and then nothing would ever be heard of the new one.
    watchFile(files.folder, { interval: IDENTITY_INTERVAL_MS }, opened.#compare);
    return opened;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    unwatchFile(this.#files.folder, this.#compare);
    await this.#reopening;
    await this.#watcher?.close();
  }

  async #begin(): Promise<void> {
    const { folder } = this.#files;
    const parent = dirname(folder);
    const ignored = (path: string) => path !== parent && !isWatched(path, this.#files);
    const watcher = watch(parent, { ignored, ignoreInitial: true, ignorePermissionErrors: true });
    this.#watcher = watcher;
    watcher.on('all', (event, path) => {
      if (event !== 'addDir') this.#listener.onChange(relative(folder, path) || '.');
    });
    watcher.on('error', (error) => this.#listener.onError(error instanceof Error ? error : new Error(String(error))));
    await new Promise<void>((resolve) => {
      watcher.once('ready', () => resolve());
    });
  }

  readonly #compare = (now: Stats, before: Stats): void => {
    if (now.ino === before.ino && now.dev === before.dev) return;
    this.#reopening = this.#reopening.then(() => this.#reopen());
  };

  async #reopen(): Promise<void> {
    if (this.#isClosed) return;
    await this.#watcher?.close();
    await this.#begin();
    this.#listener.onChange('.');
  }
}

/** Whether a change of this path is one of the author's. */
export function isWatched(path: string, { folder, file, ignored }: WatchedFiles): boolean {
  if (path === folder) return true;
  if (!path.startsWith(folder + sep)) return false;
  if (file !== undefined) return path === file;
  const inner = relative(folder, path);
  const names = inner.split(sep);
  if (names.some((name) => name.startsWith('.') || TOOL_NAMES.has(name) || TEMPORARY.test(name))) return false;
  return !ignored.some((each) => {
    const plain = join(each);
    return names.includes(plain) || inner === plain || inner.startsWith(plain + sep);
  });
}
