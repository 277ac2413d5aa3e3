// The folder that an archive is unpacked into: which names are taken, and the only place where its files are created.
// Nothing but plain files (0644) and folders (0755) is ever made, so no path below the root can lead out of it.
// Readers of formats claim a name first and write it afterwards.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { plainPath, quoted } from './entry-path.ts';
import { NewFile, type WrittenFile } from './new-file.ts';
import { archiveInvalid, type UnpackMeter } from './unpack-limits.ts';

type EntryKind = 'file' | 'folder';

/** A file of the tree, its path relative to the root. */
export interface UnpackedFile extends WrittenFile {
  readonly path: string;
}

export class UnpackTree {
  readonly #root: string;
  readonly #meter: UnpackMeter;
  /** Folded path → what has that path. Folded, because Foo and foo are one file on some disks. */
  readonly #taken = new Map<string, { readonly path: string; readonly kind: EntryKind }>();
  readonly #made = new Set<string>(['']);
  readonly #files: UnpackedFile[] = [];
  #open: NewFile | undefined;

  /** `root` is an empty folder that exists. */
  constructor(root: string, meter: UnpackMeter) {
    this.#root = root;
    this.#meter = meter;
  }

  /** Every folder below the root that was made. */
  get folders(): string[] {
    return [...this.#made].filter((path) => path !== '');
  }

  /** Every file that is complete. */
  get files(): readonly UnpackedFile[] {
    return this.#files;
  }

  /**
   * Takes a name and the folders above it; answers the path to write, '' for the root itself. Throws ARCHIVE_INVALID for a name
   * that is unsafe, that is taken, that differs from a taken one only by case, or that lies below a file. A folder may be named again.
   */
  claim(name: string, kind: EntryKind): string {
    this.#meter.checkName(name);
    const path = plainPath(name);
    if (path === '') {
      if (kind === 'folder') return path;
      throw archiveInvalid(`its entry ${quoted(name)} is a file that has the name of a folder.`);
    }
    for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
      this.#take(path.slice(0, slash), 'folder', name);
    }
    this.#take(path, kind, name);
    return path;
  }

  /** Creates a claimed folder. */
  makeFolder(path: string): void {
    if (this.#made.has(path)) return;
    this.makeFolder(parentOf(path));
    mkdirSync(join(this.#root, path), { mode: 0o755 });
    this.#made.add(path);
  }

  /** Creates a claimed file, to be written and then completed before the next one is created; whoever writes counts. */
  createFile(path: string): NewFile {
    this.makeFolder(parentOf(path));
    this.#open = new NewFile(join(this.#root, path));
    return this.#open;
  }

  /** What was created last has all its content. */
  completeFile(path: string): void {
    if (this.#open === undefined) throw new Error('no file is open');
    this.#files.push({ path, ...this.#open.finish() });
    this.#open = undefined;
  }

  /** Lets go of a file that will not be completed. */
  abandon(): void {
    this.#open?.close();
    this.#open = undefined;
  }

  #take(path: string, kind: EntryKind, name: string): void {
    const folded = path.normalize('NFC').toLowerCase();
    const holder = this.#taken.get(folded);
    if (holder === undefined) {
      this.#meter.addEntry();
      this.#taken.set(folded, { path, kind });
      return;
    }
    if (holder.kind === 'folder' && kind === 'folder' && holder.path === path) return;
    if (holder.path !== path) {
      throw archiveInvalid(`its entries ${quoted(holder.path)} and ${quoted(path)} are one name on some disks.`);
    }
    if (holder.kind === kind) throw archiveInvalid(`it has two entries ${quoted(path)}.`);
    throw archiveInvalid(`its entry ${quoted(name)} needs ${quoted(path)} to be both a file and a folder.`);
  }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}
