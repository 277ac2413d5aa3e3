// The bytes of a file that is being packed: as many as were promised when it was listed, counted for whoever watches.
import { open } from 'node:fs/promises';
import { quoted } from './entry-path.ts';
import { CHUNK_BYTES } from './file-range.ts';
import { PackError } from './pack-error.ts';
import type { PackedFile } from './pack-list.ts';

/** What a writer hears and tells while it writes. */
export interface PackWatch {
  /** Ends the packing; its reason is what the writer throws. */
  readonly signal: AbortSignal;
  /** More bytes of a file have been read. */
  onBytes(count: number): void;
}

/** Throws PackError when the file cannot be read, or has another size than it had when it was listed. */
export async function* contentOf(file: PackedFile, watch: PackWatch): AsyncGenerator<Buffer, void, undefined> {
  const handle = await open(file.source, 'r').catch((thrown: NodeJS.ErrnoException) => {
    throw new PackError(`${quoted(file.source)} cannot be read (${thrown.code}). Correct its permissions.`, thrown);
  });
  try {
    let left = file.sizeBytes;
    while (left > 0) {
      watch.signal.throwIfAborted();
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, left));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) throw changed(file);
      left -= bytesRead;
      watch.onBytes(bytesRead);
      yield buffer.subarray(0, bytesRead);
    }
    if ((await handle.stat()).size !== file.sizeBytes) throw changed(file);
  } finally {
    await handle.close();
  }
}

function changed(file: PackedFile): PackError {
  return new PackError(`${quoted(file.source)} changed while it was being packed. Pack again when it is complete.`);
}
