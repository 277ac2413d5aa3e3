// The content of a tar.gz, in one pass. Names lose their first component, as they do when the archive is unpacked.
import { once } from 'node:events';
import type { FileHandle } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { Parser, type ReadEntry } from 'tar';
import type { ContentReader } from './content.ts';
import { decompressed } from './decompressed.ts';
import { CHUNK_BYTES, readRange } from './file-range.ts';
import type { UnpackMeter } from './unpack-limits.ts';

const ODDITIES: ReadonlyMap<string, string> = new Map([
  ['SymbolicLink', 'a symbolic link'],
  ['Link', 'a hard link'],
  ['File', ''],
  ['OldFile', ''],
  ['ContiguousFile', ''],
]);

/** Lists the tar.gz in `handle` and reads what the reader wants. Throws ARCHIVE_INVALID, or whatever reading threw. */
export async function readTarGz(handle: FileHandle, reader: ContentReader, meter: UnpackMeter): Promise<void> {
  const { size } = await handle.stat();
  const failed = new AbortController();
  const parser = new Parser({ strict: true, brotli: false, zstd: false });
  let reading: Promise<void> = Promise.resolve();
  let current: ReadEntry | undefined;
  const take = (entry: ReadEntry) => {
    reading = reading.then(async () => {
      failed.signal.throwIfAborted();
      current = entry;
      await takeEntry(entry, reader, meter);
    });
    reading.catch((thrown: unknown) => failed.abort(thrown));
  };
  parser.on('error', (error: Error) => failed.abort(error));
  parser.on('entry', take);
  parser.on('ignoredEntry', take);
  try {
    const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
    let unpackedBytes = 0;
    for await (const chunk of decompressed(readRange(handle, 0, size), gunzip)) {
      failed.signal.throwIfAborted();
      meter.addBytes(chunk.length);
      unpackedBytes += chunk.length;
      meter.checkRatio('it', unpackedBytes, gunzip.bytesWritten);
      if (!parser.write(chunk)) await once(parser, 'drain', { signal: failed.signal });
    }
    failed.signal.throwIfAborted();
    const ended = once(parser, 'end', { signal: failed.signal });
    parser.end();
    await ended;
    await reading;
  } catch (thrown) {
    const reason: unknown = failed.signal.aborted ? failed.signal.reason : thrown;
    failed.abort(reason);
    // An entry that waits for more than will come is let go.
    current?.end();
    await reading.catch(() => undefined);
    throw reason;
  }
}

async function takeEntry(entry: ReadEntry, reader: ContentReader, meter: UnpackMeter): Promise<void> {
  meter.addEntry();
  if (entry.type === 'Directory') {
    entry.resume();
    return;
  }
  const slash = entry.path.indexOf('/');
  const path = slash < 0 ? entry.path : entry.path.slice(slash + 1);
  const oddity = ODDITIES.get(entry.type) ?? 'neither a file nor a folder';
  const content = { path, sizeBytes: entry.size, packedBytes: undefined, oddity: oddity === '' ? undefined : oddity };
  if (reader.list(content)) await reader.read(content, entry);
  // What was not read to its end would hold up the rest.
  entry.resume();
}
