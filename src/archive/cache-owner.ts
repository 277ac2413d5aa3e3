// Who uses what of a cache that several servers share: the name under which one store of one process leaves its marks, and whether the one
// behind a name is still there. A process id alone would not do: ids are used again, and containers that share a folder count their own.
import { randomBytes } from 'node:crypto';
import { readFile, readlink, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** How often an owner says that it is there, for those who cannot look at its process. */
export const HEARTBEAT_MS = 10 * 60_000;
/** After this long without a word, one whose process cannot be looked at counts as gone. */
const SILENCE_MS = 3 * HEARTBEAT_MS;
const STRANGER_PATIENCE_MS = 60_000;

/** A name for the life of one store. */
export async function newOwner(): Promise<string> {
  const start = (await startOf(process.pid)) ?? 0;
  return [await thisSystem(), process.pid, start, randomBytes(4).toString('hex')].join('.');
}

/** Says that `owner` is there; `owners` is the folder of such words. */
export async function sayAlive(owners: string, owner: string): Promise<void> {
  const now = new Date();
  await utimes(join(owners, owner), now, now).catch(() => writeFile(join(owners, owner), ''));
}

/** Whether the process behind a name has ended. Also true for what is no owner's name. */
export async function isGone(owners: string, owner: string): Promise<boolean> {
  const [system, pid, start] = owner.split('.');
  if (start === undefined || pid === undefined || !/^\d+$/.test(pid)) return true;
  if (system === (await thisSystem())) return (await startOf(Number(pid))) !== Number(start);
  const word = await stat(join(owners, owner)).catch(() => undefined);
  return word === undefined || Date.now() - word.mtimeMs > SILENCE_MS;
}

/**
 * Whether it is no use to wait any longer for what an owner does: it is gone, or it is where nobody can look and has not done it for a
 * minute. Going on then may do it twice, and harms nobody.
 */
export async function isGivenUp(owners: string, owner: string, waitedMs: number): Promise<boolean> {
  const isElsewhere = owner.split('.')[0] !== (await thisSystem());
  return (isElsewhere && waitedMs > STRANGER_PATIENCE_MS) || isGone(owners, owner);
}

/** Of some owners, those that are still there. */
export async function presentOnes(owners: string, names: readonly string[]): Promise<string[]> {
  const gone = await Promise.all(names.map((name) => isGone(owners, name)));
  return names.filter((_, index) => gone[index] === false);
}

/** This boot of this machine; '' where the system does not say. */
export function bootId(): Promise<string> {
  boot ??= readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
    (text) => text.replaceAll(/[^0-9a-f]/g, ''),
    () => '',
  );
  return boot;
}

let boot: Promise<string> | undefined;
let system: Promise<string> | undefined;

/** This boot of this machine, and its namespace of process ids: within it, a process id and a moment of start name one process. */
function thisSystem(): Promise<string> {
  system ??= Promise.all([bootId(), readlink('/proc/self/ns/pid').catch(() => '')]).then(
    ([id, namespace]) => `${id}-${/\d+/.exec(namespace)?.[0] ?? process.platform}`,
  );
  return system;
}

/** When a process was started, in the kernel's ticks, 0 where only its existence can be seen; undefined when it is not there. */
async function startOf(pid: number): Promise<number | undefined> {
  if (process.platform !== 'linux') return exists(pid) ? 0 : undefined;
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The command's name may hold blanks and brackets; what counts comes behind it.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return text === '' || fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19]);
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM';
  }
}
