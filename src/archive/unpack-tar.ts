// Unpacks a gzip'd tar. The first component of every member's name goes (the archiver packs everything below one folder); a
// member without a slash keeps its name. Links, devices and pipes are refused: an archive holds plain files.
// What becomes of half-written folders after an error is unpack.ts's business.
import { once } from 'node:events';
import { createGunzip } from 'node:zlib';
import { Parser, type ReadEntry } from 'tar';
import { type ArchiveFile, chunksOf } from './archive-file.ts';
import { plainPath, quoted } from './entry-path.ts';
import { pour } from './pour.ts';
import { archiveInvalid, type UnpackMeter } from './unpack-limits.ts';
import type { UnpackTree } from './unpack-tree.ts';

/** Types of members in words, for those that are refused. */
const REFUSED_TYPES: ReadonlyMap<string, string> = new Map([
  ['SymbolicLink', 'a symbolic link'],
  ['Link', 'a hard link'],
  ['CharacterDevice', 'a character device'],
  ['BlockDevice', 'a block device'],
  ['FIFO', 'a named pipe'],
  ['SparseFile', 'a sparse file'],
]);

const BLOCK_BYTES = 512;
const INFLATED_CHUNK_BYTES = 64 * 1024;

const FILE_TYPES: ReadonlySet<string> = new Set(['File', 'OldFile', 'ContiguousFile']);

/** Unpacks the tar.gz in `file` into `tree`. Throws ARCHIVE_INVALID, or whatever reading and writing threw. */
export async function unpackTarGz(file: ArchiveFile, tree: UnpackTree, meter: UnpackMeter): Promise<void> {
  const gunzip = createGunzip({ chunkSize: INFLATED_CHUNK_BYTES });
  const members = new TarMembers(tree, meter);
  let size = 0;
  await pour(packed(file, meter), gunzip, (chunk) => {
    // The tar parser would unzip once more, past the meter.
    if (size === 0 && chunk[0] === 0x1f) throw archiveInvalid('it is compressed twice.');
    size += chunk.length;
    meter.addBytes(chunk.length);
    meter.checkRatio('it', size, gunzip.bytesWritten);
    members.write(chunk);
  });
  await members.end(size);
}

function* packed(file: ArchiveFile, meter: UnpackMeter): Generator<Buffer, void, undefined> {
  let position = 0;
  for (const chunk of chunksOf(file, 0, file.sizeBytes)) {
    position += chunk.length;
    meter.report(position, file.sizeBytes);
    yield chunk;
  }
}

/** Takes a tar apart. The parser pushes members, whose content is written as it comes; the first failure ends everything. */
class TarMembers {
  readonly #tree: UnpackTree;
  readonly #meter: UnpackMeter;
  readonly #parser = new Parser({ strict: true, brotli: false, zstd: false });
  readonly #failed = new AbortController();
  #hasEnded = false;

  constructor(tree: UnpackTree, meter: UnpackMeter) {
    this.#tree = tree;
    this.#meter = meter;
    this.#parser.on('error', (error: Error) => this.#failed.abort(error));
    this.#parser.on('eof', () => {
      this.#hasEnded = true;
    });
    this.#parser.on('meta', (text: string) => {
      if (text.includes('GNU.sparse.')) this.#failed.abort(refusal('a member', 'a sparse file'));
    });
    this.#parser.on('ignoredEntry', (entry: ReadEntry) => {
      this.#failed.abort(refusal(quoted(entry.path), REFUSED_TYPES.get(entry.type) ?? 'of a type that no model needs'));
    });
    this.#parser.on('entry', (entry: ReadEntry) => this.#orFail(() => this.#take(entry)));
  }

  /** Takes the next bytes of the tar; what they complete is on disk afterwards. */
  write(chunk: Buffer): void {
    // Padding after the end is read to verify the gzip checksum, but the parser would hoard it.
    if (!this.#hasEnded) this.#parser.write(chunk);
    this.#failed.signal.throwIfAborted();
  }

  /** There is no more than these bytes. */
  async end(sizeBytes: number): Promise<void> {
    const { signal } = this.#failed;
    // The parser passes over what is left when the tar ends within a header.
    if (!this.#hasEnded && sizeBytes % BLOCK_BYTES !== 0)
      throw archiveInvalid('it is damaged: its tar ends too early.');
    try {
      const ended = once(this.#parser, 'end', { signal });
      this.#parser.end();
      await ended;
    } catch (thrown) {
      throw signal.aborted ? signal.reason : thrown;
    }
    signal.throwIfAborted();
  }

  #take(entry: ReadEntry): void {
    const isFolder = entry.type === 'Directory';
    if (!isFolder && !FILE_TYPES.has(entry.type)) {
      throw refusal(quoted(entry.path), REFUSED_TYPES.get(entry.type) ?? 'of a type that no model needs');
    }
    // The whole name is judged, not only what is left of it: "../x" is an attack, even where the first component goes.
    this.#meter.checkName(entry.path);
    if (isFolder) {
      // A folder is named with its slash by most writers and without it by some.
      const rest = withoutFirstComponent(`${entry.path}/`);
      if (rest !== '') this.#tree.makeFolder(this.#tree.claim(rest, 'folder'));
      entry.resume();
      return;
    }
    const path = this.#tree.claim(withoutFirstComponent(entry.path), 'file');
    const file = this.#tree.createFile(path);
    entry.on('data', (chunk: Buffer) => this.#orFail(() => file.write(chunk)));
    entry.on('end', () => this.#orFail(() => this.#tree.completeFile(path)));
  }

  /** Nothing may throw into the parser; and after a failure nothing more is done, though it may go on for the rest of a chunk. */
  #orFail(step: () => void): void {
    if (this.#failed.signal.aborted) return;
    try {
      step();
    } catch (thrown) {
      this.#failed.abort(thrown);
    }
  }
}

/** What is left after the first slash, as a plain path; '' for the first component itself. */
function withoutFirstComponent(name: string): string {
  const slash = name.indexOf('/');
  return slash < 0 ? name : plainPath(name.slice(slash + 1));
}

function refusal(name: string, kind: string): Error {
  return archiveInvalid(
    `its entry ${name} is ${kind}. Pack the files themselves, for instance with "tar --dereference --hard-dereference".`,
  );
}
