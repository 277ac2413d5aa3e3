// Reads a span of an open file as a stream of chunks. The handle stays its opener's.
import type { FileHandle } from 'node:fs/promises';

/** Large enough that a model of gigabytes is not a million small reads. */
export const CHUNK_BYTES = 256 * 1024;

/** The bytes from `start` up to but without `end`. Throws when the file ends before `end`. */
export async function* readRange(
  handle: FileHandle,
  start: number,
  end: number,
): AsyncGenerator<Buffer, void, undefined> {
  let position = start;
  while (position < end) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end - position));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) throw new Error('the file ends too early');
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
