// The orphan guard by itself: which process groups die with a server that is killed, and which do not. shutdown.test.ts kills servers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';

const GUARD = new URL('../../dist/workers/orphan-guard.js', import.meta.url).href;

test('when the server is killed, groups that are watched die with its work folder, and those that were forgotten live', async () => {
  const groups = [startGroup(), startGroup(), startGroup()] as const;
  const [watched, forgotten, alsoWatched] = groups;
  const workDir = await mkdtemp(join(tmpdir(), 'sconce-guard-'));
  await writeFile(join(workDir, 'unpacked'), 'model');
  const program = `
    import { OrphanGuard } from ${JSON.stringify(GUARD)};
    const guard = new OrphanGuard(${JSON.stringify(workDir)});
    for (const group of ${JSON.stringify(groups.map(({ pid }) => pid))}) guard.watch(group);
    guard.forget(${forgotten.pid});
    setInterval(() => process.stdout.write('told'), 10);
  `;
  const server = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(server.stdout, 'data');
    server.kill('SIGKILL');
    expect(await Promise.all([watched.ended, alsoWatched.ended])).toEqual([
      [null, 'SIGKILL'],
      [null, 'SIGKILL'],
    ]);
    expect(forgotten.child.signalCode).toBeNull();
    await vi.waitFor(() => expect(existsSync(workDir)).toBe(false));
  } finally {
    server.kill('SIGKILL');
    for (const { child } of groups) child.kill('SIGKILL');
  }
});

test('a server that ends leaves no guard behind', async () => {
  const group = startGroup();
  const program = `
    import { OrphanGuard } from ${JSON.stringify(GUARD)};
    const guard = new OrphanGuard('/nonexistent/sconce');
    guard.watch(${group.pid});
    guard.forget(${group.pid});
    process.stdout.write('told');
  `;
  // No process.exit: the guard must not keep its server alive either. The pipe of stdout closes when nobody holds it any more.
  const server = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  server.stdout.resume();
  const [code] = await once(server, 'close');
  expect(code).toBe(0);
  expect(group.child.signalCode).toBeNull();
  group.child.kill('SIGKILL');
});

/** A process group that sleeps. */
function startGroup() {
  const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
  return { pid: child.pid, child, ended: once(child, 'exit') };
}
