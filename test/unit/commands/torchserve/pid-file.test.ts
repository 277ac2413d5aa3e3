import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isRunning, pidFilePath, readPidFile, removePidFile } from '../../../../src/commands/torchserve/pid-file.ts';

const MODULE = fileURLToPath(new URL('../../../../dist/commands/torchserve/pid-file.js', import.meta.url));

let folder: string;
let path: string;
const children: ReturnType<typeof spawn>[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-pid-'));
  path = join(folder, '.model_server.pid');
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** A process that claims the file, says how that went, and lives until its standard input ends. */
async function claimant(): Promise<{
  readonly pid: number;
  readonly said: string;
  end(how?: NodeJS.Signals): Promise<void>;
}> {
  const script = `
    const { claimPidFile } = await import(${JSON.stringify(MODULE)});
    const other = await claimPidFile(process.argv[1]);
    process.stdout.write(other === undefined ? 'mine' : 'taken by ' + other.pid);
    process.stdin.resume().on('end', () => process.exit(0));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, path]);
  children.push(child);
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    pid: child.pid ?? -1,
    said: said.toString(),
    end: async (how) => {
      const ended = once(child, 'exit');
      if (how === undefined) child.stdin.end();
      else child.kill(how);
      await ended;
    },
  };
}

describe('the pid file', () => {
  it('holds the number of its server and nothing else, and goes with it', async () => {
    const server = await claimant();
    expect(server.said).toBe('mine');
    expect(await readFile(path, 'utf8')).toBe(`${server.pid}\n`);
    expect(await readPidFile(path)).toMatchObject({ pid: server.pid, isRunning: true });
    expect(await readdir(folder)).toEqual(['.model_server.pid']);
    await server.end();
    expect(await readPidFile(path)).toBeUndefined();
  });

  it('is not given to a second server', async () => {
    const first = await claimant();
    const second = await claimant();
    expect(second.said).toBe(`taken by ${first.pid}`);
    await second.end();
    expect(await readPidFile(path)).toMatchObject({ pid: first.pid, isRunning: true });
  });

  it('is given to one of many that start at the same moment', async () => {
    const said = (await Promise.all([claimant(), claimant(), claimant(), claimant()])).map((each) => each.said);
    expect(said.filter((each) => each === 'mine')).toHaveLength(1);
  });

  it('that a killed server left behind does not count, and the next server replaces it', async () => {
    const killed = await claimant();
    await killed.end('SIGKILL');
    expect(await readPidFile(path)).toMatchObject({ pid: killed.pid, isRunning: false });
    const next = await claimant();
    expect(next.said).toBe('mine');
    expect(await readPidFile(path)).toMatchObject({ pid: next.pid, isRunning: true });
  });

  it('does not count when its number has come to mean another process', async () => {
    await writeFile(path, `${process.pid}\n`);
    expect(await readPidFile(path)).toMatchObject({ pid: process.pid, isRunning: false });
  });

  it.each(['', 'what', '0', '-1', '1 2'])('does not count when it holds %j', async (text) => {
    await writeFile(path, text);
    expect(await readPidFile(path)).toMatchObject({ pid: undefined, isRunning: false });
  });

  it('counts when it names a TorchServe in Java', async () => {
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume()', 'org.pytorch.serve.ModelServer']);
    children.push(child);
    await once(child, 'spawn');
    await writeFile(path, String(child.pid));
    await expect.poll(() => readPidFile(path)).toMatchObject({ pid: child.pid, isRunning: true });
  });

  it('is left alone by whoever read one that was there before', async () => {
    await writeFile(path, 'old');
    const old = await readPidFile(path);
    // The old one keeps its inode until the new one has its own.
    const newer = join(folder, 'newer');
    await writeFile(newer, 'new');
    await rename(newer, path);
    if (old !== undefined) await removePidFile(path, old);
    expect(await readFile(path, 'utf8')).toBe('new');
  });

  it('lies where Python has its temporary files', () => {
    expect(pidFilePath({ TMPDIR: '/a', TEMP: '/b', TMP: '/c' })).toBe('/a/.model_server.pid');
    expect(pidFilePath({ TMPDIR: '', TEMP: '/b', TMP: '/c' })).toBe('/b/.model_server.pid');
    expect(pidFilePath({ TMP: '/c' })).toBe('/c/.model_server.pid');
    expect(pidFilePath({})).toBe(join(tmpdir(), '.model_server.pid'));
  });
});

describe('a process', () => {
  it('that has ended does not run, even while nobody has waited for it', async () => {
    // The shell becomes a process that never waits for its child, and only then the child ends.
    const script = '{ read line <&3; } & echo $!; exec tail -f /dev/null';
    const shell = spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore', 'pipe'] });
    children.push(shell);
    const [, stdout, , gate] = shell.stdio;
    if (!(stdout instanceof Readable) || !(gate instanceof Socket)) throw new Error('the shell has no pipes');
    const [text] = (await once(stdout, 'data')) as [Buffer];
    await expect.poll(() => readFile(`/proc/${shell.pid}/comm`, 'utf8')).toBe('tail\n');
    const pid = Number(text.toString());
    expect(await isRunning(pid)).toBe(true);
    gate.end('\n');
    await expect.poll(() => readFile(`/proc/${pid}/stat`, 'utf8')).toMatch(/\) Z/);
    expect(await isRunning(pid)).toBe(false);
    expect(await isRunning(shell.pid ?? -1)).toBe(true);
  });
});
