// Writes a tar.gz as torch-model-archiver does: every member below one folder with the archive's name. Headers come from the tar package,
// which knows what to do about long names and large files.
import type { FileHandle } from 'node:fs/promises';
import { createGzip } from 'node:zlib';
import { Header, Pax } from 'tar';
import { decompressed } from './decompressed.ts';
import { CHUNK_BYTES } from './file-range.ts';

/** One member, its name without the folder that all are below. */
export interface TarMember {
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  readonly content: AsyncIterable<Buffer>;
}

const BLOCK_BYTES = 512;
const FILE_MODE = 0o644;

/** Writes all members into an open file, below the folder `prefix`. */
export async function writeTarGz(handle: FileHandle, prefix: string, members: AsyncIterable<TarMember>): Promise<void> {
  const packed = decompressed(tarBytes(prefix, members), createGzip({ chunkSize: CHUNK_BYTES }));
  for await (const chunk of packed) await handle.appendFile(chunk);
}

async function* tarBytes(prefix: string, members: AsyncIterable<TarMember>): AsyncGenerator<Buffer, void, undefined> {
  for await (const { path, sizeBytes, modifiedAt, content } of members) {
    yield* headersOf({ path: `${prefix}/${path}`, size: sizeBytes, mtime: wholeSeconds(modifiedAt) });
    yield* content;
    yield Buffer.alloc((BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES);
  }
  yield Buffer.alloc(2 * BLOCK_BYTES);
}

/** The member's header, after a second one with what does not fit into it. */
function* headersOf(member: { path: string; size: number; mtime: Date }): Generator<Buffer, void, undefined> {
  const header = new Header({ ...member, type: 'File', mode: FILE_MODE, uid: 0, gid: 0 });
  header.encode();
  if (header.needPax) yield new Pax(member).encode();
  if (header.block !== undefined) yield header.block;
}

/** A fraction of a second alone would make a second header. */
function wholeSeconds(at: Date): Date {
  return new Date(Math.floor(at.getTime() / 1000) * 1000);
}
