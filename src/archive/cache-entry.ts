// What the cache keeps for one archive, in a folder of its own: the unpacked files, the list that they are held to before they are used again,
// and the marks of those who use them. Which entries there are, and when one goes, is cache-jobs.ts's business.
import { closeSync, lstatSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { chunksOf } from './archive-file.ts';
import { bootId, presentOnes } from './cache-owner.ts';
import { SYNCED_FROM_BYTES } from './new-file.ts';
import type { Unpacked } from './unpack.ts';
import type { UnpackTotals } from './unpack-limits.ts';
import type { UnpackedFile } from './unpack-tree.ts';

const FORMAT = 1;
const FACTS = 'entry.json';
const LIST = 'files.list';
const USES = 'uses';
/** Python's own cache of its modules: it is bound to their times and sizes, and saves time. */
const KEPT_EXTRA = '__pycache__';

/** What entry.json says. */
export interface EntryFacts extends UnpackTotals {
  readonly format: typeof FORMAT;
  /** The boot in which the content was last known to be what was unpacked. */
  readonly bootId: string;
  /** Holds the list to what was written. */
  readonly listChecksum: number;
}

export class CacheEntry {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** The folder with the archive's files. */
  get files(): string {
    return join(this.folder, 'files');
  }

  /** Writes down what was unpacked into `files`, and forces it to the disk. */
  async seal(unpacked: Unpacked): Promise<void> {
    const list = listOf(unpacked);
    await writeDurably(join(this.folder, LIST), list);
    await this.#writeFacts({ format: FORMAT, ...unpacked.totals, bootId: await bootId(), listChecksum: crc32(list) });
  }

  /** What the entry says of itself; undefined when there is none, or none that this release can read. */
  async facts(): Promise<EntryFacts | undefined> {
    try {
      const facts = JSON.parse(await readFile(join(this.folder, FACTS), 'utf8')) as EntryFacts;
      return facts.format === FORMAT ? facts : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * Whether the files are those that were unpacked: all there, with their sizes and times; one with another time is read, and after a
   * boot each that was not forced to the disk. With `isTidied`, what is not of the archive is removed.
   */
  async isSound(facts: EntryFacts, isTidied: boolean): Promise<boolean> {
    try {
      const list = readFileSync(join(this.folder, LIST));
      if (crc32(list) !== facts.listChecksum) return false;
      const boot = await bootId();
      const isSameBoot = boot !== '' && boot === facts.bootId;
      const { files, folders } = parsedList(list.toString('utf8'));
      if (!folders.every((path) => lstatSync(join(this.files, path)).isDirectory())) return false;
      if (!files.every((file) => this.#isWhole(file, isSameBoot))) return false;
      if (isTidied) this.#tidy(files, folders);
      if (!isSameBoot) await this.#writeFacts({ ...facts, bootId: boot });
      return true;
    } catch {
      // What cannot be looked at is not whole.
      return false;
    }
  }

  /** Marks the entry as used by `owner`; false when there is no entry. */
  async mark(owner: string): Promise<boolean> {
    try {
      await writeFile(join(this.folder, USES, owner), '');
      return true;
    } catch (thrown) {
      if (isAbsence(thrown)) return false;
      throw thrown;
    }
  }

  async unmark(owner: string): Promise<void> {
    await rm(join(this.folder, USES, owner), { force: true });
  }

  /** Makes the folder of a new entry, without content. */
  async create(): Promise<void> {
    await mkdir(join(this.folder, USES), { recursive: true, mode: 0o700 });
  }

  /** Whose marks there are, gone or not. */
  async marks(): Promise<string[]> {
    return readdir(join(this.folder, USES)).catch(() => []);
  }

  /** Those who use the entry at present. */
  async users(owners: string): Promise<string[]> {
    return presentOnes(owners, await this.marks());
  }

  /** When somebody last began or ended to use it; 0 for what is no entry. */
  lastUsedAtMs(): number {
    try {
      return lstatSync(join(this.folder, USES)).mtimeMs;
    } catch {
      return 0;
    }
  }

  #isWhole(file: UnpackedFile, isSameBoot: boolean): boolean {
    const path = join(this.files, file.path);
    const status = lstatSync(path);
    if (!status.isFile() || status.size !== file.sizeBytes) return false;
    const isTrusted = status.mtimeMs === file.modifiedAtMs && (isSameBoot || file.sizeBytes >= SYNCED_FROM_BYTES);
    return isTrusted || checksumOf(path, file.sizeBytes) === file.checksum;
  }

  /** A handler may have left something half done; whoever comes next gets the archive as it is. */
  #tidy(files: readonly UnpackedFile[], folders: readonly string[]): void {
    const known = new Set([...files.map(({ path }) => path), ...folders]);
    for (const folder of ['', ...folders]) {
      for (const name of readdirSync(join(this.files, folder))) {
        if (name === KEPT_EXTRA || known.has(folder === '' ? name : `${folder}/${name}`)) continue;
        rmSync(join(this.files, folder, name), { recursive: true, force: true });
      }
    }
  }

  async #writeFacts(facts: EntryFacts): Promise<void> {
    await writeDurably(join(this.folder, FACTS), JSON.stringify(facts));
    await syncFolder(this.folder);
  }
}

/** Forces the names in a folder to the disk. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeDurably(path: string, content: string | Buffer): Promise<void> {
  const handle = await open(path, 'w', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function checksumOf(path: string, sizeBytes: number): number {
  const descriptor = openSync(path, 'r');
  try {
    let checksum = 0;
    for (const chunk of chunksOf({ descriptor, sizeBytes }, 0, sizeBytes)) checksum = crc32(chunk, checksum);
    return checksum;
  } finally {
    closeSync(descriptor);
  }
}

/** One line for each folder and file. Names have no control characters, so a line is a line. */
function listOf({ folders, files }: Unpacked): Buffer {
  const lines = [
    ...folders.map((path) => `d ${path}\n`),
    ...files.map((one) => `f ${one.sizeBytes} ${one.modifiedAtMs} ${one.checksum} ${one.path}\n`),
  ];
  return Buffer.from(lines.join(''));
}

function parsedList(text: string): { files: UnpackedFile[]; folders: string[] } {
  const files: UnpackedFile[] = [];
  const folders: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('d ')) folders.push(line.slice(2));
    const [, size, time, checksum, path] = /^f (\d+) ([\d.]+) (\d+) (.+)$/s.exec(line) ?? [];
    if (path === undefined) continue;
    files.push({ path, sizeBytes: Number(size), modifiedAtMs: Number(time), checksum: Number(checksum) });
  }
  return { files, folders };
}

function isAbsence(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && (thrown.code === 'ENOENT' || thrown.code === 'ENOTDIR');
}
