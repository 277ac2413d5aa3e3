// A file: URL, which names a file of this machine outside of the model store: whether it may be read, and its bytes into a part file.
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { UrlVerdict } from '../core/allowed-urls.ts';
import { codeOf, downloadFailed, urlNotAllowed } from './download-failure.ts';
import { NoRoom, type PartFile } from './part-file.ts';

/** Small enough to be hashed beside requests. */
const PIECE_BYTES = 256 * 1024;

export interface FileCopy {
  readonly url: URL;
  readonly judge: (url: URL) => UrlVerdict;
  readonly part: PartFile;
  /** Its reason is what the copying fails with. */
  readonly signal: AbortSignal;
  count(doneBytes: number, totalBytes: number | undefined): void;
}

/**
 * Copies the file. Both its URL and the file that it leads to (through links) must be allowed. Throws URL_NOT_ALLOWED, DOWNLOAD_FAILED or
 * the signal's reason.
 */
export async function copyFile({ url, judge, part, signal, count }: FileCopy): Promise<void> {
  const handle = await openAllowed(url, judge);
  try {
    const status = await handle.stat();
    if (!status.isFile()) throw downloadFailed(url.href, `it is ${kindOf(status)} and not a file`);
    await part.expect(status.size);
    const buffer = Buffer.allocUnsafe(PIECE_BYTES);
    for (;;) {
      signal.throwIfAborted();
      const { bytesRead } = await handle.read(buffer, 0, PIECE_BYTES, part.bytes);
      if (bytesRead === 0) return;
      await part.write(buffer.subarray(0, bytesRead));
      count(part.bytes, status.size);
    }
  } catch (thrown) {
    throw thrown instanceof NoRoom ? downloadFailed(url.href, thrown.message) : thrown;
  } finally {
    await handle.close();
  }
}

async function openAllowed(url: URL, judge: FileCopy['judge']): Promise<FileHandle> {
  if (judge(url) === 'refused') {
    throw urlNotAllowed(url.href, 'file: URLs are read only where an expression of allowed_urls fits them');
  }
  try {
    const path = await realpath(pathOf(url));
    if (judge(pathToFileURL(path)) === 'refused') {
      throw urlNotAllowed(url.href, 'it leads through a link to a file that no expression of allowed_urls fits');
    }
    // Not through a link that has taken the place of the file since, and not waiting for the writer of a pipe.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (thrown) {
    const code = codeOf(thrown);
    if (code === 'ENOENT' || code === 'ENOTDIR') throw downloadFailed(url.href, 'there is no such file', thrown);
    if (code === 'EACCES') throw downloadFailed(url.href, 'the server may not read it', thrown);
    if (code === 'ELOOP' || code === 'ENXIO') throw downloadFailed(url.href, 'it is not a file', thrown);
    throw thrown;
  }
}

function pathOf(url: URL): string {
  if (url.host !== '') {
    throw downloadFailed(url.href, 'a file: URL names no host; write file:///folder/name.mar with three slashes');
  }
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw downloadFailed(url.href, 'it is not the path of a file on this system', cause);
  }
}

function kindOf(status: Stats): string {
  return status.isDirectory() ? 'a folder' : 'something else';
}
