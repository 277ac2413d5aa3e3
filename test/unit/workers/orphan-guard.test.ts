import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const GUARD = fileURLToPath(new URL('../../../src/workers/orphan-guard.ts', import.meta.url));

/** A group of its own that sleeps. */
function startGroup() {
  const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
  if (child.pid === undefined) throw new Error('sleep could not be started');
  return { pid: child.pid, child, ended: once(child, 'exit') };
}

test('groups that are watched when the server is killed die, those that were forgotten live', async () => {
  const [watched, forgotten, alsoWatched] = [startGroup(), startGroup(), startGroup()];
  const server = spawn(
    process.execPath,
    [
      '--experimental-strip-types',
      '--no-warnings',
      '--input-type=module',
      '--eval',
      `import { OrphanGuard } from ${JSON.stringify(GUARD)};
       const guard = new OrphanGuard();
       for (const group of [${watched.pid}, ${forgotten.pid}, ${alsoWatched.pid}]) guard.watch(group);
       guard.forget(${forgotten.pid});
       process.stdout.write('told');
       setInterval(() => {}, 1000);`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(server.stdout, 'data');
  server.kill('SIGKILL');
  const [[, signal], [, otherSignal]] = await Promise.all([watched.ended, alsoWatched.ended]);
  expect([signal, otherSignal]).toEqual(['SIGKILL', 'SIGKILL']);
  expect(forgotten.child.exitCode ?? forgotten.child.signalCode).toBeNull();
  forgotten.child.kill('SIGKILL');
  await forgotten.ended;
});
