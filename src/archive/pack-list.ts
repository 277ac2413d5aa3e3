// Which files go into an archive, and under which names. Where they come from is pack-collect.ts's business, and how they are
// written that of the pack-… files of each format.
import { quoted } from './entry-path.ts';
import { PackError } from './pack-error.ts';

/** The manifest's place in every archive. */
export const MANIFEST_PATH = 'MAR-INF/MANIFEST.json';

/** One file of an archive to be. */
export interface PackedFile {
  /** Inside the archive, with forward slashes. */
  readonly path: string;
  /** On disk. */
  readonly source: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
}

/** What becomes of the second file of a name: an error that names both, or (as in TorchServe) the later one wins, with a notice. */
export type WhenTaken = 'refuse' | 'replace';

export class PackList {
  /** One line each about what was done otherwise than somebody may expect. */
  readonly notices: string[] = [];
  readonly #whenTaken: WhenTaken;
  /** By path; a replaced file keeps its place. */
  readonly #files = new Map<string, PackedFile>();
  readonly #folded = new Map<string, string>();
  readonly #folders = new Set<string>();

  constructor(whenTaken: WhenTaken) {
    this.#whenTaken = whenTaken;
  }

  get files(): readonly PackedFile[] {
    return [...this.#files.values()];
  }

  has(path: string): boolean {
    return this.#files.has(path);
  }

  /** Adds a file. One that is added twice is there once; a manifest is left out, since each archive gets its own. */
  add(file: PackedFile): void {
    if (file.path === MANIFEST_PATH) return;
    this.#refuseFolderAndFile(file);
    const folded = file.path.normalize('NFC').toLowerCase();
    const takenPath = this.#folded.get(folded);
    const taken = takenPath === undefined ? undefined : this.#files.get(takenPath);
    if (taken !== undefined && taken.source !== file.source) this.#clash(taken, file);
    this.#files.set(file.path, file);
    this.#folded.set(folded, file.path);
  }

  #clash(taken: PackedFile, file: PackedFile): void {
    const both = `${quoted(taken.source)} and ${quoted(file.source)}`;
    const isSame = taken.path === file.path;
    const problem = isSame
      ? `${both} are both called ${quoted(file.path)} in the archive`
      : `${both} become ${quoted(taken.path)} and ${quoted(file.path)}, which are one name on some disks`;
    if (this.#whenTaken === 'refuse') throw new PackError(`${problem}. Rename one of them, or leave one out.`);
    this.notices.push(isSame ? `${problem}; the second one is packed` : `${problem}; Sconce refuses such an archive`);
  }

  /** A name cannot be a file and a folder with files at once. */
  #refuseFolderAndFile(file: PackedFile): void {
    const parts = file.path.split('/');
    const folders = parts.slice(0, -1).map((_, index) => parts.slice(0, index + 1).join('/'));
    const inTheWay = folders.find((folder) => this.#files.has(folder));
    if (inTheWay !== undefined || this.#folders.has(file.path)) {
      throw new PackError(
        `${quoted(file.source)} cannot be packed: ${quoted(inTheWay ?? file.path)} would be a file and a folder of the archive. Rename one of them.`,
      );
    }
    for (const folder of folders) this.#folders.add(folder);
  }
}
