// Pushes bytes through a decompressor, a chunk at a time: neither side is ever ahead of the other, so memory stays what one chunk takes.
import type { Transform } from 'node:stream';
import { garbageWatch } from './short-garbage.ts';

/**
 * Hands `take` what `decompressor` makes of `packed`; each chunk of `packed` is through before the next one is asked for. What follows the end of
 * the compressed stream is left alone. Throws what either side or `take` throws; the decompressor is closed then as at the end.
 */
export function pour(packed: Iterable<Buffer>, decompressor: Transform, take: (chunk: Buffer) => void): Promise<void> {
  const chunks = packed[Symbol.iterator]();
  const orEnd = (step: () => void) => {
    try {
      step();
    } catch (thrown) {
      decompressor.destroy(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  };
  const pushNext = () => {
    if (decompressor.destroyed) return;
    const { done, value } = chunks.next();
    if (done === true) decompressor.end();
    else decompressor.write(value, () => orEnd(pushNext));
  };
  return new Promise((resolve, reject) => {
    const watchGarbage = garbageWatch();
    decompressor.on('data', (chunk: Buffer) => {
      orEnd(() => take(chunk));
      watchGarbage(chunk.length);
    });
    decompressor.once('error', reject);
    decompressor.once('end', () => {
      decompressor.destroy();
      resolve();
    });
    orEnd(pushNext);
  });
}
