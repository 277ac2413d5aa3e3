// What is in an archive or a folder, read without unpacking and without running any of it: names, sizes, the small text files, and what
// ONNX networks say about themselves. The formats are content-zip.ts's and content-tar.ts's; judging it is lint's business.
import { open } from 'node:fs/promises';
import { readRange } from './file-range.ts';
import { type NetworkSignature, readNetworkSignature, UnusableNetwork } from './onnx-signature.ts';
import { MANIFEST_PATH, type PackedFile } from './pack-list.ts';
import { MAX_TEXT_FILE_BYTES } from './text-file.ts';

export type ContentFormat = 'zip' | 'tar.gz' | 'folder' | 'file';

/** One entry, by its name as it is written: nobody has judged it. */
export interface ContentEntry {
  readonly path: string;
  readonly sizeBytes: number;
  /** What it takes in the archive, where the format tells. */
  readonly packedBytes: number | undefined;
  /** In words, for an entry that is neither file nor folder: `a symbolic link`. */
  readonly oddity: string | undefined;
}

export interface ArchiveContent {
  readonly format: ContentFormat;
  /** Files, and what is odd; folders are not listed. */
  readonly entries: readonly ContentEntry[];
  /** Text files of at most 1 MiB by their path. */
  readonly texts: ReadonlyMap<string, string>;
  /** `.onnx` files by their path: the signature, or in words why there is none. */
  readonly networks: ReadonlyMap<string, NetworkSignature | string>;
}

const TEXT_ENDINGS = ['.py', '.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json', '.yaml', '.yml', '.txt'];

/** All texts of an archive together; what is beyond is listed, but not read. */
const MAX_TEXT_BYTES = 64 * 1024 * 1024;

/** Gathers the content while somebody goes through the entries. */
export class ContentReader {
  readonly #entries: ContentEntry[] = [];
  readonly #texts = new Map<string, string>();
  readonly #networks = new Map<string, NetworkSignature | string>();
  #textBytes = 0;

  /** Adds an entry and answers whether its bytes are wanted: `read` is to be called then. */
  list(entry: ContentEntry): boolean {
    this.#entries.push(entry);
    if (entry.oddity !== undefined) return false;
    return isNetwork(entry.path) || this.#isText(entry);
  }

  /** Reads an entry that is wanted. Errors of the chunks themselves are the caller's. */
  async read({ path }: ContentEntry, chunks: AsyncIterable<Buffer>): Promise<void> {
    if (isNetwork(path)) {
      this.#networks.set(path, await signatureOf(chunks));
      return;
    }
    const parts: Buffer[] = [];
    for await (const chunk of chunks) parts.push(chunk);
    const bytes = Buffer.concat(parts);
    this.#textBytes += bytes.length;
    this.#texts.set(path, bytes.toString('utf8').replace(/^\uFEFF/, ''));
  }

  contentOf(format: ContentFormat): ArchiveContent {
    return { format, entries: this.#entries, texts: this.#texts, networks: this.#networks };
  }

  #isText({ path, sizeBytes }: ContentEntry): boolean {
    if (!TEXT_ENDINGS.some((ending) => path.endsWith(ending))) return false;
    return sizeBytes <= MAX_TEXT_FILE_BYTES && this.#textBytes + sizeBytes <= MAX_TEXT_BYTES;
  }
}

/** The content of an archive that these files would make; without a manifest when there is no text for one. */
export async function contentOfFiles(
  files: readonly PackedFile[],
  manifestText: string | undefined,
  format: ContentFormat = 'folder',
): Promise<ArchiveContent> {
  const reader = new ContentReader();
  for (const { path, source, sizeBytes } of files) {
    const entry = { path, sizeBytes, packedBytes: undefined, oddity: undefined };
    if (reader.list(entry)) await reader.read(entry, chunksOf(source));
  }
  if (manifestText !== undefined) {
    const bytes = Buffer.from(manifestText);
    const entry = { path: MANIFEST_PATH, sizeBytes: bytes.length, packedBytes: undefined, oddity: undefined };
    if (reader.list(entry))
      await reader.read(
        entry,
        (async function* () {
          yield bytes;
        })(),
      );
  }
  return reader.contentOf(format);
}

async function* chunksOf(source: string): AsyncGenerator<Buffer, void, undefined> {
  const handle = await open(source, 'r');
  try {
    yield* readRange(handle, 0, (await handle.stat()).size);
  } finally {
    await handle.close();
  }
}

async function signatureOf(chunks: AsyncIterable<Buffer>): Promise<NetworkSignature | string> {
  try {
    return await readNetworkSignature(chunks);
  } catch (thrown) {
    if (thrown instanceof UnusableNetwork) return thrown.message;
    throw thrown;
  }
}

function isNetwork(path: string): boolean {
  return path.endsWith('.onnx');
}
