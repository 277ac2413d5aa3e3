// How many files and sockets the system lets this process have open at a time.
import { readFile } from 'node:fs/promises';

/** The limit that counts (Node raises the soft one to the hard one when it starts); Infinity where the system does not tell. */
export async function openFileLimit(): Promise<number> {
  const text = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const soft = /^Max open files\s+(\d+)/m.exec(text)?.[1];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}
