// Unpacks a gzip'd tar. The first component of every member's name goes (the archiver packs everything below one folder); a
// member without a slash keeps its name. Links, devices and pipes are refused: an archive holds plain files.
// What becomes of half-written folders after an error is unpack.ts's business.
import { once } from 'node:events';
import type { FileHandle } from 'node:fs/promises';
import { createGunzip, type Gunzip } from 'node:zlib';
import { Parser, type ReadEntry } from 'tar';
import { decompressed } from './decompressed.ts';
import { pathProblem, plainPath, quoted } from './entry-path.ts';
import { CHUNK_BYTES, readRange } from './file-range.ts';
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

const FILE_TYPES: ReadonlySet<string> = new Set(['File', 'OldFile', 'ContiguousFile']);

/** Unpacks the tar.gz in `handle` into `tree`. Throws ARCHIVE_INVALID, or whatever reading and writing threw. */
export async function unpackTarGz(handle: FileHandle, tree: UnpackTree, meter: UnpackMeter): Promise<void> {
  const { size } = await handle.stat();
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  const members = new TarMembers(tree, meter);
  await members.unpack(counted(decompressed(readRange(handle, 0, size), gunzip), gunzip, meter));
}

async function* counted(
  chunks: AsyncIterable<Buffer>,
  gunzip: Gunzip,
  meter: UnpackMeter,
): AsyncGenerator<Buffer, void, undefined> {
  let size = 0;
  for await (const chunk of chunks) {
    // The tar parser would unzip once more, past the meter.
    if (size === 0 && chunk[0] === 0x1f) throw archiveInvalid('it is compressed twice.');
    size += chunk.length;
    meter.addBytes(chunk.length);
    meter.checkRatio('it', size, gunzip.bytesWritten);
    yield chunk;
  }
}

/** Takes a tar apart. The parser pushes members; they are written one after another, and the first failure ends everything. */
class TarMembers {
  readonly #tree: UnpackTree;
  readonly #meter: UnpackMeter;
  readonly #parser = new Parser({ strict: true, brotli: false, zstd: false });
  readonly #failed = new AbortController();
  #writing: Promise<void> = Promise.resolve();
  #current: ReadEntry | undefined;
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
    this.#parser.on('entry', (entry: ReadEntry) => {
      this.#writing = this.#writing.then(() => this.#write(entry));
      this.#writing.catch((thrown: unknown) => this.#failed.abort(thrown));
    });
  }

  /** Resolves when every member is on disk. */
  async unpack(chunks: AsyncIterable<Buffer>): Promise<void> {
    const { signal } = this.#failed;
    try {
      for await (const chunk of chunks) {
        signal.throwIfAborted();
        // Padding after the end is read to verify the gzip checksum, but the parser would hoard it.
        if (this.#hasEnded) continue;
        if (!this.#parser.write(chunk)) await once(this.#parser, 'drain', { signal });
      }
      signal.throwIfAborted();
      const ended = once(this.#parser, 'end', { signal });
      this.#parser.end();
      await ended;
      await this.#writing;
      signal.throwIfAborted();
    } catch (thrown) {
      const reason: unknown = signal.aborted ? signal.reason : thrown;
      this.#failed.abort(reason);
      // A member that waits for more content than will come is let go, so that its file is closed before anyone cleans up.
      this.#current?.end();
      await this.#writing.catch(() => undefined);
      throw reason;
    }
  }

  async #write(entry: ReadEntry): Promise<void> {
    this.#failed.signal.throwIfAborted();
    this.#current = entry;
    const isFolder = entry.type === 'Directory';
    if (!isFolder && !FILE_TYPES.has(entry.type)) {
      throw refusal(quoted(entry.path), REFUSED_TYPES.get(entry.type) ?? 'of a type that no model needs');
    }
    // The whole name is judged, not only what is left of it: "../x" is an attack, even where the first component goes.
    const problem = pathProblem(entry.path, this.#meter.limits);
    if (problem !== undefined) throw archiveInvalid(`the name of its entry ${quoted(entry.path)} ${problem}.`);
    if (isFolder) {
      // A folder is named with its slash by most writers and without it by some.
      const rest = withoutFirstComponent(`${entry.path}/`);
      if (rest !== '') await this.#tree.makeFolder(this.#tree.claim(rest, 'folder'));
      entry.resume();
      return;
    }
    await this.#tree.writeFile(this.#tree.claim(withoutFirstComponent(entry.path), 'file'), entry);
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
