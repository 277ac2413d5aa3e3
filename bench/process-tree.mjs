// What the kernel says of a process and its children: CPU time and memory. Linux only, by /proc.
import { readdirSync, readFileSync } from 'node:fs';

/** What /proc counts CPU time in (USER_HZ). */
const TICKS_PER_SEC = 100;

/**
 * A process and everything that it started, as process ids.
 * @param {number} root
 * @returns {number[]}
 */
export function treeOf(root) {
  const parents = new Map();
  for (const name of readdirSync('/proc')) {
    const fields = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    if (fields !== undefined) parents.set(Number(name), Number(fields[1]));
  }
  const tree = [root];
  for (const pid of tree) for (const [child, parent] of parents) if (parent === pid) tree.push(child);
  return tree;
}

/**
 * CPU time that a process and all that it started have used, in microseconds. Those that have ended count, too: the kernel adds their time
 * to that of the parent that waited for them.
 * @param {number} root
 */
export function treeMicroseconds(root) {
  let ticks = 0;
  for (const pid of treeOf(root)) {
    const fields = statOf(pid);
    if (fields === undefined) continue;
    const [user, system, endedUser, endedSystem] = fields.slice(11, 15).map(Number);
    ticks += user + system + endedUser + endedSystem;
  }
  return (ticks / TICKS_PER_SEC) * 1e6;
}

/** CPU time that the whole machine has used, in microseconds. */
export function machineMicroseconds() {
  const [, user, nice, system, , , irq, softIrq] = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0].split(/\s+/);
  return ([user, nice, system, irq, softIrq].reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SEC) * 1e6;
}

/**
 * Resident memory of one process in bytes, 0 when it is gone.
 * @param {number} pid
 */
export function residentBytes(pid) {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(statusOf(pid))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

/**
 * Resident memory of a process and all that it started, in bytes; pages that they share count for each.
 * @param {number} root
 */
export function treeResidentBytes(root) {
  return treeOf(root).reduce((sum, pid) => sum + residentBytes(pid), 0);
}

/** The fields of /proc/<pid>/stat behind the command's name, which may hold blanks; undefined when the process is gone. */
function statOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** The text of /proc/<pid>/status, "" when the process is gone. */
function statusOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}
