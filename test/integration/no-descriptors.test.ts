// The server has as many files open as the system allows: a worker that cannot be started for that must not end the server.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const WORKER_PROCESS = new URL('../../dist/workers/worker-process.js', import.meta.url).href;

/** Opens files until there are no more, tries to start a process, and tells what came of it. */
const SCRIPT = `
import { openSync } from 'node:fs';
const { WorkerProcess } = await import('${WORKER_PROCESS}');
const clock = { now: () => performance.now(), after: () => ({ cancel() {} }) };
try { for (;;) openSync('/dev/null'); } catch {}
try {
  new WorkerProcess({ command: process.execPath, args: ['-e', ''], env: process.env, cwd: '/' }, clock, () => {});
  console.log('started');
} catch (error) {
  console.log(error.message);
}
setImmediate(() => console.log('alive'));
`;

test('without a descriptor left a process is refused in words, and the server lives on', async () => {
  const limited = 'ulimit -n 64; exec "$0" --input-type=module -e "$1"';
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', limited, process.execPath, SCRIPT]);
  const [refusal, after] = stdout.trim().split('\n');
  expect(refusal).toContain('no file descriptors are left');
  expect(after).toBe('alive');
});
