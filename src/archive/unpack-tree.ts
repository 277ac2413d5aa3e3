// The folder that an archive is unpacked into: which names are taken, and the only place where its files are created.
// Nothing but plain files (0644) and folders (0755) is ever made, so no path below the root can lead out of it.
// Readers of formats claim a name first and write it afterwards.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathProblem, plainPath, quoted } from './entry-path.ts';
import { archiveInvalid, type UnpackMeter } from './unpack-limits.ts';

type EntryKind = 'file' | 'folder';

export class UnpackTree {
  readonly #root: string;
  readonly #meter: UnpackMeter;
  /** Folded path → what has that path. Folded, because Foo and foo are one file on some disks. */
  readonly #taken = new Map<string, { readonly path: string; readonly kind: EntryKind }>();
  readonly #made = new Set<string>(['']);

  /** `root` is an empty folder that exists. */
  constructor(root: string, meter: UnpackMeter) {
    this.#root = root;
    this.#meter = meter;
  }

  /**
   * Takes a name and the folders above it; answers the path to write, '' for the root itself. Throws ARCHIVE_INVALID for a name
   * that is unsafe, that is taken, that differs from a taken one only by case, or that lies below a file. A folder may be named again.
   */
  claim(name: string, kind: EntryKind): string {
    const problem = pathProblem(name, this.#meter.limits);
    if (problem !== undefined) throw archiveInvalid(`the name of its entry ${quoted(name)} ${problem}.`);
    const path = plainPath(name);
    if (path === '') {
      if (kind === 'folder') return path;
      throw archiveInvalid(`its entry ${quoted(name)} is a file that has the name of a folder.`);
    }
    const components = path.split('/');
    for (let depth = 1; depth < components.length; depth += 1) {
      this.#take(components.slice(0, depth).join('/'), 'folder', name);
    }
    this.#take(path, kind, name);
    return path;
  }

  /** Creates a claimed folder. */
  async makeFolder(path: string): Promise<void> {
    if (this.#made.has(path)) return;
    await this.makeFolder(parentOf(path));
    await mkdir(join(this.#root, path), { mode: 0o755 });
    this.#made.add(path);
  }

  /** Creates a claimed file from what `chunks` yields; whoever yields counts. */
  async writeFile(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    await this.makeFolder(parentOf(path));
    await writeFile(join(this.#root, path), chunks, { flag: 'wx', mode: 0o644 });
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
