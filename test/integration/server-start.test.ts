// What the server does with what it was told at start: the starts that it refuses, the models that it loads, and what it costs.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createFaultStore, type FaultStore, until } from '../support/fault-model.ts';
import { residentBytes } from '../support/processes.ts';
import { startServer } from '../support/sconce-server.ts';
import { runServe } from '../support/server-command.ts';
import { ask, describeModel, predict, untilModel } from '../support/serving-client.ts';

const FREE_PORTS = ['inference_address', 'management_address', 'metrics_address'].map(
  (key) => `${key}=http://127.0.0.1:0`,
);

let store: FaultStore;

beforeAll(async () => {
  store = await createFaultStore();
});

afterAll(async () => {
  await store?.remove();
});

describe('a start that would leave the server open', () => {
  test.each([
    ['disable_token_authorization=false', ['disable_token_authorization', 'no tokens yet']],
    ['inference_address=https://127.0.0.1:0', ['inference_address', 'TLS']],
    ['management_address=https://127.0.0.1:0', ['management_address', 'TLS']],
    ['management_address=http://0.0.0.0:0', ['management_address', '--insecure']],
    ['management_address=http://[::]:0', ['management_address', '--insecure']],
    ['job_queue_size=many', ['job_queue_size', 'many']],
    ['model_store=/no/such/folder', ['model_store', '/no/such/folder']],
  ])('is refused with one line that names the setting: %s', async (line, words) => {
    const result = await runServe([...FREE_PORTS, line]);
    expect(result.exitCode).toBe(1);
    const [only, ...others] = result.stderr.trimEnd().split('\n');
    expect(others).toEqual([]);
    for (const word of ['sconce: ', 'config.properties', ...words]) expect(only).toContain(word);
    expect(result.leftFiles).toEqual([]);
  });

  test('is allowed with --insecure, and the log says what that means', async () => {
    const server = await startServer({ args: ['--insecure'], settings: { management_address: 'http://0.0.0.0:0' } });
    expect(server.log.some(({ level, msg }) => level === 'warn' && msg?.includes('open to the network'))).toBe(true);
    expect(await server.stop()).toBe(0);
  });
});

test('a port in use ends the start with one line that names the address, and nothing stays', async () => {
  const occupant = createServer().listen(0, '127.0.0.1');
  await once(occupant, 'listening');
  const { port } = occupant.address() as AddressInfo;
  await store.add('preloaded');
  const result = await runServe(
    [
      ...FREE_PORTS,
      `management_address=http://127.0.0.1:${port}`,
      `model_store=${store.folder}`,
      'default_workers_per_model=1',
    ],
    ['--models', 'preloaded'],
  );
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toMatch(new RegExp(`^sconce: 127\\.0\\.0\\.1:${port} is in use by another process.*\n$`));
  expect(result.leftFiles).toEqual([]);
  occupant.close();
});

test('settings that have no effect are told at start, with a suggestion for a slip of the pen', async () => {
  const server = await startServer({
    settings: { job_queue_sise: 10, keystore: 'a.p12', vmargs: '-Xmx1g', number_of_netty_threads: 4, io_ratio: 50 },
  });
  const warnings = server.log.filter(({ level }) => level === 'warn').map(({ msg }) => msg);
  expect(warnings).toContainEqual(
    expect.stringMatching(/"job_queue_sise" is not a known setting.*did you mean.*job_queue_size/i),
  );
  expect(warnings).toContainEqual(expect.stringContaining('"keystore" is known, but not yet applied'));
  expect(warnings.filter((line) => /vmargs|netty|io_ratio/.test(String(line)))).toEqual([
    'settings that have no effect here: vmargs (there is no Java); number_of_netty_threads (threads and buffers are those of Node.js and need no tuning)',
  ]);
  expect(await server.stop()).toBe(0);
});

test('load_models and models register at start what they name, with the settings for that version', async () => {
  await store.add('configured');
  await store.add('plain');
  const models = {
    configured: { '1.0': { minWorkers: 2, maxWorkers: 3, batchSize: 4, maxBatchDelay: 20, responseTimeout: 9 } },
  };
  const server = await startServer({
    modelStore: store.folder,
    settings: {
      load_models: 'configured,renamed=plain,absent.mar',
      models: JSON.stringify(models),
      default_workers_per_model: 1,
    },
  });
  const configured = await untilModel(server, 'configured', ({ workers }) =>
    workers.every(({ state }) => state === 'ready'),
  );
  expect(configured).toMatchObject({
    minWorkers: 2,
    maxWorkers: 3,
    batchSize: 4,
    maxBatchDelay: 20,
    responseTimeout: 9,
  });
  expect(configured.workers).toHaveLength(2);
  expect(configured).toMatchObject({ loadedAtStartup: true });
  expect((await predict(server, 'renamed', { do: 'echo', value: 'named' })).text).toBe('named');
  expect(await describeModel(server, 'renamed')).toMatchObject({ minWorkers: 1 });
  await server.waitForLog(({ msg, url, reason }) => {
    return msg === 'registration failed' && url === 'absent.mar' && String(reason).includes('Model not found');
  });
  const ready = await ask(`${server.inference}/readyz`);
  expect(ready.status).toBe(503);
  expect(ready.text).toContain('load_models: absent.mar is not loaded: Model not found at: absent.mar');
  expect((await ask(`${server.inference}/ping`)).status).toBe(200);
  expect(await server.stop()).toBe(0);
});

test('load_models=all loads every archive of the store, and one that cannot start keeps neither the others nor the server', async () => {
  const mixed = await createFaultStore();
  await mixed.add('good');
  await mixed.add('bad', { import: 'module_that_is_missing' });
  const server = await startServer({
    modelStore: mixed.folder,
    settings: { load_models: 'all', default_workers_per_model: 1 },
  });
  expect((await predict(server, 'good', { do: 'echo', value: 'serves' })).text).toBe('serves');
  expect((await predict(server, 'bad', { do: 'echo' })).text).toContain('module_that_is_missing');
  expect((await ask(`${server.inference}/ping`)).status).toBe(500);
  expect(await server.stop()).toBe(0);
  await mixed.remove();
});

test('a model that loads slowly at start does not keep the server from answering', async () => {
  const slow = await store.add('slow-at-start', { load: { do: 'wait', gate: 'go' } });
  const server = await startServer({
    modelStore: store.folder,
    settings: { load_models: 'slow-at-start', default_workers_per_model: 1 },
  });
  const ready = await ask(`${server.inference}/readyz`);
  expect(ready.status).toBe(503);
  expect(JSON.parse(ready.text).reasons).toEqual(['model slow-at-start version 1.0: 0 of 1 workers ready']);
  // A first start is under way: the probe that restarts containers must not say otherwise.
  expect((await ask(`${server.inference}/ping`)).status).toBe(200);
  expect((await ask(`${server.management}/livez`)).status).toBe(200);
  const early = predict(server, 'slow-at-start', { do: 'echo', value: 'early' });
  await slow.open('go');
  expect((await early).text).toBe('early');
  await until(async () => (await ask(`${server.management}/readyz`)).status === 200);
  expect(await server.stop()).toBe(0);
});

test('an idle server is small, and answers its first ping soon (both are printed)', async () => {
  const startedAt = performance.now();
  const server = await startServer();
  expect((await ask(`${server.inference}/ping`)).status).toBe(200);
  const startMs = performance.now() - startedAt;
  const mebibytes = (await residentBytes(server.pid)) / 1024 / 1024;
  process.stdout.write(
    `idle server: first 200 of /ping after ${startMs.toFixed(0)} ms, ${mebibytes.toFixed(1)} MiB resident\n`,
  );
  expect(mebibytes).toBeLessThan(150);
  expect(await server.stop()).toBe(0);
});
