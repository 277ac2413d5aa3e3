// Which processes a server has brought about, directly or through its workers, and what they hold: read from /proc, so on Linux only.
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type FaultModel, until } from './fault-model.ts';
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

/** Resident memory in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}

/** How many milliseconds this worker took from its start until it had loaded the model; to about 10. */
export async function loadTook(model: FaultModel, pid: number): Promise<number> {
  const loaded = (await model.entries('loaded')).find((entry) => entry.pid === pid);
  if (loaded === undefined) throw new Error(`process ${pid} has not loaded ${model.name}`);
  return loaded.at * 1_000 - (await startedAt(pid));
}

/** When the process was started, by the wall clock in milliseconds. */
async function startedAt(pid: number): Promise<number> {
  const [stat, uptime] = await Promise.all([readFile(`/proc/${pid}/stat`, 'utf8'), readFile('/proc/uptime', 'utf8')]);
  // Behind the name, which may hold anything, stand the third field and those after it; the 22nd counts hundredths since the system's start.
  const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  return Date.now() - (Number.parseFloat(uptime) * 1_000 - ticks * 10);
}

/** How many children of the process have ended without its having taken notice. */
export async function zombiesOf(pid: number): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(pids.map((name) => readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')));
  return stats.filter((stat) => new RegExp(`\\) Z ${pid} `).test(stat)).length;
}

/**
 * How much the server has open besides the connections of its clients, which come and go as the clients like. A connection that ends
 * meanwhile may count, one that the server does not have never takes anything away.
 */
export async function restingDescriptors(server: TestServer): Promise<number> {
  const folder = `/proc/${server.pid}/fd`;
  const links = await Promise.all((await readdir(folder)).map((fd) => readlink(join(folder, fd)).catch(() => '')));
  const connections = await clientConnections(server);
  return links.filter((link) => link !== '' && !connections.has(link)).length;
}

/** The connections of clients as `/proc` names their sockets. */
async function clientConnections(server: TestServer): Promise<ReadonlySet<string>> {
  const ports = [server.inference, server.management, server.metrics].map((url) =>
    Number(new URL(url).port).toString(16).toUpperCase().padStart(4, '0'),
  );
  const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n').slice(1);
  const found = new Set<string>();
  for (const line of lines) {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
    // Established (01) connections whose local end is one of the listeners.
    if (state === '01' && ports.includes(local.split(':')[1] ?? '')) found.add(`socket:[${inode}]`);
  }
  return found;
}
