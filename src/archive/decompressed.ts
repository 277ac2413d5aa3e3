// Runs bytes through a decompressor as one async iteration: errors of either side reach the reader, and once the reader has
// left, for whatever reason, nothing is still running. (`pipeline` with a reading function promises neither.)
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** What `decompressor` makes of `packed`. Both are ended when the iteration is. */
export async function* decompressed(
  packed: AsyncIterable<Buffer>,
  decompressor: Transform,
): AsyncGenerator<Buffer, void, undefined> {
  const feeding = pipeline(packed, decompressor).catch(() => {
    // A failure destroys the decompressor with its cause, so the iteration below throws it.
  });
  try {
    yield* decompressor as AsyncIterable<Buffer>;
  } finally {
    decompressor.destroy();
    await feeding;
  }
}
