// The file that says which process serves for `torchserve`: one for a folder of temporary files, as TorchServe has it, with the process id in
// it and nothing else, since scripts read it. Process ids are used again, so the number alone proves nothing: the server keeps the
// file open as long as it runs, and that can be seen from outside.
import { closeSync, fstatSync, openSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { link, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a command line holds when it is TorchServe's own server, whose pid file has the same name. */
const JAVA_SERVER = 'org.pytorch.serve.ModelServer';

/** What a pid file names. */
export interface PidEntry {
  /** Undefined when what is written there is no process id. */
  readonly pid: number | undefined;
  /** Whether that process is a server that this file was written for. */
  readonly isRunning: boolean;
  /** The file that was read: another one of its name is another one's. */
  readonly inode: number;
}

/** Where the pid file is, by the variables that Python looks at for its folder of temporary files. */
export function pidFilePath(env: Readonly<Record<string, string | undefined>>): string {
  const folder = [env['TMPDIR'], env['TEMP'], env['TMP']].find((each) => each !== undefined && each !== '');
  return join(folder ?? tmpdir(), '.model_server.pid');
}

/** What the file says, undefined when there is none. Fails when it may not be read. */
export async function readPidFile(path: string): Promise<PidEntry | undefined> {
  const status = await ifThere(stat(path));
  const text = await ifThere(readFile(path, 'utf8'));
  if (status === undefined || text === undefined) return undefined;
  const pid = /^\d{1,10}\s*$/.test(text) && Number(text) > 0 ? Number(text) : undefined;
  return { pid, isRunning: pid !== undefined && (await isServer(pid, path)), inode: status.ino };
}

/** Removes the file that was read, unless another server has put its own in that place. */
export async function removePidFile(path: string, { inode }: PidEntry): Promise<void> {
  const status = await ifThere(stat(path));
  if (status?.ino === inode) await rm(path, { force: true });
}

/**
 * Writes this process into the file, which goes when the process ends; what a server has left behind is replaced. Answers the entry of a
 * running server that has the file already, undefined when it is ours.
 */
export async function claimPidFile(path: string): Promise<PidEntry | undefined> {
  // Complete before it has its name: nobody reads a file without a number in it.
  const draft = `${path}.${process.pid}`;
  await rm(draft, { force: true });
  const descriptor = openSync(draft, 'wx', 0o644);
  try {
    writeSync(descriptor, `${process.pid}\n`);
    for (;;) {
      if (await isLinked(draft, path)) break;
      const entry = await readPidFile(path);
      if (entry?.isRunning === true) {
        closeSync(descriptor);
        return entry;
      }
      if (entry !== undefined) await removePidFile(path, entry);
    }
  } finally {
    await rm(draft, { force: true });
  }
  process.once('exit', () => removeOwn(path, descriptor));
  return undefined;
}

/** Whether the process still runs; one that has ended and that nobody has waited for does not. */
export async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (thrown) {
    if (!isCode(thrown, 'EPERM')) return false;
  }
  if (process.platform !== 'linux') return true;
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return text !== '' && !/^\d+ \(.*\) [ZX]/s.test(text);
}

async function isLinked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (thrown) {
    if (isCode(thrown, 'EEXIST')) return false;
    throw thrown;
  }
}

async function ifThere<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (thrown) {
    if (isCode(thrown, 'ENOENT')) return undefined;
    throw thrown;
  }
}

function isCode(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === code;
}

async function isServer(pid: number, path: string): Promise<boolean> {
  if (!(await isRunning(pid))) return false;
  const command = await commandLine(pid);
  if (command.includes(JAVA_SERVER)) return true;
  const isHeld = process.platform === 'linux' ? await hasOpen(pid, path) : undefined;
  return isHeld ?? command.includes('torchserve');
}

/** Whether the process has the file open, undefined where that cannot be seen: another user's process. */
async function hasOpen(pid: number, path: string): Promise<boolean | undefined> {
  const folder = `/proc/${pid}/fd`;
  const file = await stat(path).catch(() => undefined);
  const names = await readdir(folder).catch(() => undefined);
  if (names === undefined || file === undefined) return undefined;
  for (const name of names) {
    const open = await stat(join(folder, name)).catch(() => undefined);
    if (open !== undefined && open.ino === file.ino && open.dev === file.dev) return true;
  }
  return false;
}

async function commandLine(pid: number): Promise<string> {
  if (process.platform === 'linux') return readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const { execFile } = await import('node:child_process');
  return new Promise((resolve) => {
    execFile('ps', ['-o', 'command=', '-p', String(pid)], (_, stdout) => resolve(stdout));
  });
}

/** At the very end of the process, when nothing asynchronous happens any more. */
function removeOwn(path: string, descriptor: number): void {
  try {
    if (statSync(path).ino === fstatSync(descriptor).ino) unlinkSync(path);
  } catch {
    // Somebody has removed it: `torchserve --stop` does.
  }
}
