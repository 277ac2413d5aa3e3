// What a worker is given while it computes, through a real server: the next request lies ready in it, and is nobody's loss there.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeFolder, manifestFile } from '../support/archive-forge.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { describeModel, register, scale, untilWaiting } from '../support/serving-client.ts';

/** Computes, without letting anything else run, until the file that the request names is there; says it on standard output first. */
const GATED = `
import { existsSync } from 'node:fs';
import { join } from 'node:path';
export const handler = {
  predict: (requests, _state, context) =>
    requests.map((request) => {
      const { gate, value } = request.json();
      context.log.info('began with ' + value);
      while (gate !== undefined && !existsSync(join(context.config.gates, gate)));
      return value;
    }),
};
`;

let folder: string;
let server: TestServer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-ahead-'));
  const config = { 'model-config.yaml': `gates: ${folder}\n` };
  const manifest = manifestFile(
    { modelName: 'gated', modelVersion: '1.0', handler: 'handler.js', configFile: 'model-config.yaml' },
    { runtime: 'node' },
  );
  await makeFolder(join(folder, 'store', 'gated'), { ...manifest, ...config, 'handler.js': GATED });
  server = await startServer({ modelStore: join(folder, 'store') });
  expect((await register(server, 'gated', { url: 'gated' })).status).toBe(200);
});

afterEach(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function ask(command: object, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(`${server.inference}/predictions/gated`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(command),
  });
  return { status: response.status, text: await response.text() };
}

const open = (gate: string) => writeFile(join(folder, gate), '');
const began = (value: string) => server.waitForLog((line) => String(line.msg).includes(`began with ${value}`));

test('a worker that gets ready takes over what waits in a busy one', async () => {
  const slow = ask({ gate: 'first', value: 'slow' });
  await began('slow');
  const next = ask({ value: 'next' });
  await untilWaiting(server, 'gated', 1);
  expect((await scale(server, 'gated', { min_worker: 2, synchronous: true })).status).toBe(200);
  expect((await next).text).toBe('next');
  await open('first');
  expect((await slow).text).toBe('slow');
});

test('what waits in a worker that dies is answered by the next one', async () => {
  const slow = ask({ gate: 'first', value: 'slow' });
  await began('slow');
  const next = ask({ value: 'next' });
  await untilWaiting(server, 'gated', 1);
  const [worker] = (await describeModel(server, 'gated')).workers;
  process.kill(Number(worker?.pid), 'SIGKILL');
  expect((await slow).text).toContain('died');
  expect((await next).text).toBe('next');
});

test('what waits in a worker ends at its own deadline, though the worker computes', async () => {
  const slow = ask({ gate: 'first', value: 'slow' });
  await began('slow');
  const hurried = await ask({ value: 'hurried' }, { 'x-request-timeout': '0.05' });
  expect(hurried.status).toBe(504);
  await open('first');
  expect((await slow).text).toBe('slow');
  expect((await ask({ value: 'last' })).text).toBe('last');
});
