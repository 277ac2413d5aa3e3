// Keeps the memory of a decompression small. zlib gives each piece of its output a buffer of its own, and V8 looks after buffers only when
// 32 MiB of them have gathered; asked for it, it takes back what a few pieces have left in a tenth of a millisecond.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const EVERY_BYTES = 4 * 1024 * 1024;

type Collect = (options: { readonly type: 'minor' }) => void;

let collect: Collect | undefined;

/** A function that is told of every piece of output, and clears away those before it from time to time. */
export function garbageWatch(): (bytes: number) => void {
  let gathered = 0;
  return (bytes) => {
    gathered += bytes;
    if (gathered < EVERY_BYTES) return;
    gathered = 0;
    collect ??= exposedCollect();
    collect({ type: 'minor' });
  };
}

/** V8's own function, which contexts only have while this flag is set. */
function exposedCollect(): Collect {
  setFlagsFromString('--expose-gc');
  const exposed = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  return exposed;
}
