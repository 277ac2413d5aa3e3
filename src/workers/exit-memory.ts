// Whether a process that ended by itself had run out of memory: by what it said last, by how it ended, and by what the kernel counts. A guess is
// told apart from knowledge.
import { readFile } from 'node:fs/promises';
import type { MemoryVerdict, WorkerExit } from '../core/worker-state.ts';

/** The words of Python, C++, V8, the C library and the frameworks for it. */
const WORDS =
  /\bMemoryError\b|OutOfMemoryError|out of memory|std::bad_alloc|(?:can't|cannot) allocate memory|not enough memory|OUT_OF_MEMORY|STATUS_ALLOC_FAILED/i;

/** Of a process that exits, only its very last words are about its end. A crash writes its reason first, and then where everything was. */
const LAST_WORDS_LINES = 3;

const KILLED_CODE = 137;

/** How many processes the kernel has killed for want of memory, in any container; undefined where it does not say. */
export async function countOomKills(): Promise<number | undefined> {
  try {
    const count = /^oom_kill (?<count>\d+)$/m.exec(await readFile('/proc/vmstat', 'utf8'))?.groups?.['count'];
    return count === undefined ? undefined : Number(count);
  } catch {
    return undefined;
  }
}

/**
 * The verdict on a process that the server has not ended. A SIGKILL that it did not send comes from the kernel, which has counted it then; from a
 * daemon that watches over memory; or from a person: only the first is certain. `hasKernelKilled` is whether the kernel's count has grown
 * while the process lived.
 */
export function memoryVerdict(
  { exitCode, signal, stderrTail }: Pick<WorkerExit, 'exitCode' | 'signal' | 'stderrTail'>,
  hasKernelKilled: boolean,
): MemoryVerdict | undefined {
  if (exitCode === 0) return undefined;
  if (signal === 'SIGKILL') return hasKernelKilled ? 'out' : 'probably out';
  const lastWords = signal === null ? stderrTail.slice(-LAST_WORDS_LINES) : stderrTail;
  if (lastWords.some((line) => WORDS.test(line))) return 'out';
  // A shell between server and worker words the death of its child like this.
  return exitCode === KILLED_CODE ? 'probably out' : undefined;
}
