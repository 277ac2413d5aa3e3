// One server of a peer as a process group of its own: started, waited for, and ended with all that it has started.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../ask.mjs';
import { treeOf } from '../process-tree.mjs';

const PATIENCE_MS = 120_000;
const ASK_EVERY_MS = 100;
/** What a server has for an orderly end. */
const GRACE_MS = 10_000;
/** So much of its output is told when it does not start. */
const TOLD_CHARACTERS = 500;

/**
 * Starts a server and resolves when it answers `readyPath` with 200.
 * @param {{ name: string, command: string, args: readonly string[], cwd: string, env?: Readonly<Record<string, string>>, port: number, readyPath: string }} launch
 * @returns {Promise<import('../floor.mjs').Subject>}
 */
export async function startPeer({ name, command, args, cwd, env, port, readyPath }) {
  const output = createWriteStream(join(cwd, 'output.log'));
  await once(output, 'open');
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', output, output],
    detached: true,
  });
  const exited = once(child, 'exit');
  const signal = (what) => {
    try {
      process.kill(-child.pid, what);
    } catch {
      // All of the group are gone.
    }
  };
  const end = () => signal('SIGKILL');
  // Before folders are removed.
  process.prependListener('exit', end);
  const stop = async () => {
    const tree = treeOf(child.pid);
    signal('SIGTERM');
    await Promise.race([exited, sleep(GRACE_MS, undefined, { ref: false })]);
    signal('SIGKILL');
    await exited;
    while (tree.some(isAlive)) await sleep(ASK_EVERY_MS);
    process.off('exit', end);
    output.end();
  };
  const startedAt = performance.now();
  while ((await ask('GET', port, readyPath))?.status !== 200) {
    const isLate = performance.now() - startedAt > PATIENCE_MS;
    if (child.exitCode === null && !isLate) {
      await sleep(ASK_EVERY_MS);
      continue;
    }
    await stop();
    const what = isLate ? 'did not answer in time' : `ended with ${child.exitCode} instead of starting`;
    const told = (await readFile(join(cwd, 'output.log'), 'utf8')).slice(-TOLD_CHARACTERS).trim();
    throw new Error(`${name} ${what}: ${told}`);
  }
  return { name, pid: child.pid, port, stop };
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
