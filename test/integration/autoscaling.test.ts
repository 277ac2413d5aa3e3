// Workers that come with the load, and changes in the middle of it: nothing is lost, and nothing is answered by another than who was asked.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { ask, describeModel, register, scale, untilModel } from '../support/serving-client.ts';
import { Clients, createToilerStore, type ToilerStore, toil } from '../support/toiler-model.ts';

/** The full length of what is shortened for every run. */
const IS_LONG = process.env['SCONCE_LONG_TESTS'] === '1';

let store: ToilerStore;
let server: TestServer;

beforeAll(async () => {
  store = await createToilerStore();
  server = await startServer({ modelStore: store.folder });
});

afterAll(async () => {
  await server?.stop();
  await store?.remove();
});

test('under load a pool grows from min_worker to max_worker, says why, and answers every request', async () => {
  await store.add('growing', { config: 'minWorkers: 1\nmaxWorkers: 3\n' });
  await register(server, 'growing', { initial_workers: undefined });
  expect(await describeModel(server, 'growing')).toMatchObject({ minWorkers: 1, maxWorkers: 3 });
  const startedAt = performance.now();
  const clients = new Clients(server, 'growing', 12, { sleepMs: 100 });
  await untilModel(server, 'growing', ({ workers }) => workers.length > 1);
  expect(performance.now() - startedAt).toBeLessThan(8_000);
  const { scaling } = await untilModel(
    server,
    'growing',
    ({ workers }) => workers.length === 3 && workers.every(({ status }) => status === 'READY'),
  );
  await expect.poll(() => clients.pids.size).toBe(3);
  await clients.stop();
  expect(clients.wrong).toEqual([]);
  expect(scaling?.lastChange).toMatchObject({ to: 3, reason: expect.stringMatching(/above the target of 200 ms$/) });
  const added = await server.waitForLog(({ msg, model }) => msg === 'workers are added' && model === 'growing');
  expect(added).toMatchObject({ version: '1.0', from: 1, reason: expect.stringContaining('waiting requests') });
});

test('a pool whose bounds are equal stays as it is under any load', async () => {
  await store.add('fixed');
  await register(server, 'fixed');
  const clients = new Clients(server, 'fixed', 12, { sleepMs: 50 }, 30);
  await clients.end();
  expect(clients.wrong).toEqual([]);
  const { workers, scaling } = await describeModel(server, 'fixed');
  expect(workers).toHaveLength(1);
  expect(scaling).toBeUndefined();
});

test('load adds no workers to those that cannot start', async () => {
  await store.add('doomed', { needs: '/nowhere', config: 'minWorkers: 1\nmaxWorkers: 3\n' });
  await register(server, 'doomed', { initial_workers: undefined, synchronous: false });
  await untilModel(server, 'doomed', ({ lastError }) => lastError !== undefined);
  const clients = new Clients(server, 'doomed', 6, {}, 200);
  await clients.end();
  expect(clients.wrong.every(({ status }) => status === 503)).toBe(true);
  expect((await describeModel(server, 'doomed')).workers).toHaveLength(1);
});

test('scaling from 4 workers to 1 and back under load fails no request', { timeout: 120_000 }, async () => {
  await store.add('breathing');
  await register(server, 'breathing', { initial_workers: 4 });
  const clients = new Clients(server, 'breathing', 8, { sleepMs: 5 });
  for (let round = 0; round < (IS_LONG ? 10 : 2); round += 1) {
    for (const min_worker of [1, 4]) {
      const scaled = await scale(server, 'breathing', { min_worker, synchronous: true });
      expect(scaled.status, scaled.text).toBe(200);
      expect((await describeModel(server, 'breathing')).workers).toHaveLength(min_worker);
    }
  }
  await clients.stop();
  expect(clients.wrong).toEqual([]);
  expect(clients.answered).toBeGreaterThan(100);
});

test('while the default version flips, every request is answered by one of them, and by the new one afterwards', {
  timeout: 120_000,
}, async () => {
  await store.add('flip-1', { model: 'flip', version: '1.0' });
  await store.add('flip-2', { model: 'flip', version: '2.0' });
  await register(server, 'flip-1');
  await register(server, 'flip-2');
  const clients = new Clients(server, 'flip', 8, {}, IS_LONG ? 10_000 : 1_000);
  for (let flip = 0; flip < (IS_LONG ? 100 : 40); flip += 1) {
    const version = flip % 2 === 0 ? '2.0' : '1.0';
    const done = await ask(`${server.management}/models/flip/${version}/set-default`, { method: 'PUT' });
    expect(done.status).toBe(200);
    expect(await toil(server, 'flip', { value: flip })).toMatchObject({ version, value: flip });
  }
  await clients.end();
  expect(clients.wrong).toEqual([]);
  expect(clients.pids.size, 'both versions have answered').toBe(2);
});
