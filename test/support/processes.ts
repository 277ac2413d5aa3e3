// Which processes a server has brought about, directly or through its workers, and what they hold: read from /proc, so on Linux only.
import { readdir, readFile } from 'node:fs/promises';
import { until } from './fault-model.ts';
import type { TestServer } from './sconce-server.ts';

/** Whether the process runs; one that has ended but was not waited for does not. */
export async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat !== undefined && !/^\d+ \(.*\) [ZX]/s.test(stat);
}

/** Resolves when none of the processes runs any more. */
export async function untilGone(...pids: readonly number[]): Promise<void> {
  await until(async () => (await Promise.all(pids.map(isAlive))).every((alive) => !alive));
}

/** Every process, besides the server itself, that lives in this server's temporary folder: its workers and whatever they started. */
export async function offspringOf(server: Pick<TestServer, 'pid' | 'tmp'>): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const mark = `TMPDIR=${server.tmp}`;
  const isOffspring = async (pid: number) => {
    if (pid === server.pid) return false;
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    return environment.split('\0').includes(mark) && (await isAlive(pid));
  };
  const found = await Promise.all(pids.map(isOffspring));
  return pids.filter((_, index) => found[index]);
}

/** Resolves when nothing that the server brought about runs any more. */
export async function untilNoOffspring(server: Pick<TestServer, 'pid' | 'tmp'>): Promise<void> {
  await until(async () => (await offspringOf(server)).length === 0);
}

export async function openDescriptors(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

/** Resident memory in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}
