// Fresh workers in the place of others: on request, and when a worker has served long enough. The new one is ready before the old one goes.
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createFaultStore, type FaultStore } from '../support/fault-model.ts';
import { isAlive, untilGone } from '../support/processes.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { type Answer, ask, describeModel, predict, register, untilModel } from '../support/serving-client.ts';
import { Clients, ToilerStore, toil } from '../support/toiler-model.ts';

const MEBIBYTE = 1024 * 1024;
const IS_LONG = process.env['SCONCE_LONG_TESTS'] === '1';

let faults: FaultStore;
let store: ToilerStore;
let server: TestServer;

beforeAll(async () => {
  faults = await createFaultStore();
  store = new ToilerStore(faults.folder);
  server = await startServer({ modelStore: store.folder });
});

afterAll(async () => {
  await server?.stop();
  await store?.remove();
});

const restart = (path: string, query = ''): Promise<Answer> =>
  ask(`${server.management}/models/${path}/restart${query}`, { method: 'POST' });

const pidsOf = async (model: string) => (await describeModel(server, model)).workers.map(({ pid }) => pid);

test('a worker that is restarted finishes what it has, while the new one takes what comes', async () => {
  const model = await faults.add('renewed');
  await register(server, 'renewed');
  const [former] = (await describeModel(server, 'renewed')).workers;
  const inHand = predict(server, 'renewed', { do: 'wait', gate: 'go', value: 'in hand' });
  const { pid } = await model.reached('waiting');
  const restarted = restart(`renewed/workers/${former?.id}`, '?synchronous=true');
  const { workers } = await untilModel(server, 'renewed', (view) => view.workers.every(({ id }) => id !== former?.id));
  expect(workers).toHaveLength(1);
  expect((await predict(server, 'renewed', { do: 'echo', value: 'next' })).text).toBe('next');
  expect(await isAlive(pid)).toBe(true);
  await model.open('go');
  expect((await inHand).text).toBe('in hand');
  const answer = await restarted;
  expect(answer.status).toBe(200);
  expect(JSON.parse(answer.text)).toEqual({ status: `Worker ${former?.id} replaced by worker ${workers[0]?.id}` });
  expect(await isAlive(pid)).toBe(false);
});

test('a worker stays when the one that is to replace it cannot start', async () => {
  const weights = join(store.folder, 'weights');
  await writeFile(weights, '');
  await store.add('lasting', { needs: weights });
  await register(server, 'lasting');
  const [worker] = (await describeModel(server, 'lasting')).workers;
  await rm(weights);
  const refused = await restart(`lasting/1.0/workers/${worker?.id}`, '?synchronous=true');
  expect(refused.status).toBe(500);
  expect(JSON.parse(refused.text)).toMatchObject({ type: 'HandlerInitializeException' });
  expect(await toil(server, 'lasting', { value: 1 })).toMatchObject({ status: 200, pid: worker?.pid });
  expect((await describeModel(server, 'lasting')).workers).toMatchObject([{ id: worker?.id, state: 'ready' }]);
  await server.waitForLog(({ msg, model }) => model === 'lasting' && msg?.startsWith('worker stays') === true);
});

test('a worker that is restarted asynchronously is answered for at once, and described with the reason', async () => {
  const model = await faults.add('described', { load: { do: 'wait', gate: 'open' } });
  await model.open('open');
  await register(server, 'described');
  await rm(join(model.folder, 'open'));
  const [former] = (await describeModel(server, 'described')).workers;
  const answer = await restart(`described/1.0/workers/${former?.id}`);
  expect([answer.status, JSON.parse(answer.text)]).toEqual([202, { status: 'Worker updated' }]);
  await model.reached('waiting', 2);
  const { workers } = await describeModel(server, 'described');
  expect(workers).toMatchObject([
    { id: former?.id, state: 'ready', reason: `it is being replaced by worker ${workers[1]?.id}: asked for` },
    { state: 'loading', reason: `it replaces worker ${former?.id}: asked for` },
  ]);
  await model.open('open');
  await untilModel(server, 'described', (view) => view.workers.length === 1 && view.workers[0]?.id !== former?.id);
});

test('a worker that is not there cannot be restarted', async () => {
  await store.add('known');
  await register(server, 'known', { initial_workers: 0 });
  const answer = await restart('known/workers/1');
  expect([answer.status, JSON.parse(answer.text)]).toEqual([
    404,
    {
      code: 404,
      type: 'WorkerNotFoundException',
      message: 'Version 1.0 of model "known" has no worker 1; GET /models/known/1.0 lists its workers.',
    },
  ]);
});

test('with max_surge=0 the old worker ends before the new one starts, and what comes meanwhile waits', async () => {
  const model = await faults.add('modest');
  await register(server, 'modest', { max_surge: 0 });
  const [former] = (await describeModel(server, 'modest')).workers;
  const inHand = predict(server, 'modest', { do: 'wait', gate: 'go', value: 'in hand' });
  const { pid } = await model.reached('waiting');
  const restarted = restart(`modest/workers/${former?.id}`, '?synchronous=true');
  await untilModel(server, 'modest', (view) => view.workers[0]?.id !== former?.id);
  const waiting = predict(server, 'modest', { do: 'echo', value: 'waiting' });
  expect(await model.entries('loaded')).toHaveLength(1);
  await model.open('go');
  expect((await inHand).text).toBe('in hand');
  expect((await waiting).text).toBe('waiting');
  expect((await restarted).status).toBe(200);
  const [first, second] = await model.entries('loaded');
  expect(first?.pid).toBe(pid);
  expect(second?.pid).not.toBe(pid);
});

test('workers that have answered their share are replaced, one at a time, and no request fails', async () => {
  await store.add('shared-out', { config: 'minWorkers: 2\nmaxWorkers: 2\nmaxRequestsPerWorker: 40\n' });
  await register(server, 'shared-out', { initial_workers: undefined });
  const clients = new Clients(server, 'shared-out', 4, { sleepMs: 5 });
  let most = 0;
  await expect
    .poll(
      async () => {
        most = Math.max(most, (await pidsOf('shared-out')).length);
        return clients.pids.size;
      },
      { timeout: 25_000, interval: 20 },
    )
    .toBeGreaterThanOrEqual(4);
  await clients.stop();
  expect(clients.wrong).toEqual([]);
  expect(most).toBe(3);
  const line = await server.waitForLog(({ msg, model }) => msg === 'worker is replaced' && model === 'shared-out');
  expect(line['reason']).toMatch(/^it has answered \d+ requests \(maxRequestsPerWorker\)$/);
});

test('a worker is replaced when it has served for so long, also without any request', async () => {
  await store.add('aged', { config: 'minWorkers: 1\nmaxWorkers: 1\nmaxWorkerAgeSec: 1\n' });
  await register(server, 'aged', { initial_workers: undefined });
  const [pid] = await pidsOf('aged');
  await untilModel(server, 'aged', ({ workers }) => workers.length === 1 && workers[0]?.pid !== pid);
  await untilGone(pid ?? 0);
  await ask(`${server.management}/models/aged`, { method: 'DELETE' });
});

test('the memory of a handler that leaks is bounded, and none of its requests fails', {
  timeout: 600_000,
}, async () => {
  const [requests, limitBytes, sleepMs] = IS_LONG ? [2_000, 500 * MEBIBYTE, 20] : [110, 100 * MEBIBYTE, 50];
  await store.add('leaking', { config: `minWorkers: 1\nmaxWorkers: 1\nmaxWorkerRssBytes: ${limitBytes}\n` });
  await register(server, 'leaking', { initial_workers: undefined });
  // What a worker leaks while the next one starts comes on top of the limit, so the handler takes its time, as real ones do.
  const clients = new Clients(server, 'leaking', 2, { leakBytes: 5 * MEBIBYTE, sleepMs }, requests);
  let isOver = false;
  const ended = clients.end().then(() => {
    isOver = true;
  });
  let mostBytes = 0;
  const look = async () => {
    const { text } = await ask(`${server.management}/models/leaking`);
    const [{ workers }] = JSON.parse(text) as [{ readonly workers: readonly { readonly memoryUsage: number }[] }];
    mostBytes = Math.max(mostBytes, ...workers.map(({ memoryUsage }) => memoryUsage));
    return isOver;
  };
  await expect.poll(look, { timeout: 600_000, interval: 50 }).toBe(true);
  await ended;
  expect(clients.wrong).toEqual([]);
  expect(clients.answered).toBe(requests);
  expect(clients.pids.size).toBeGreaterThan(1);
  // All that is leaked in the short run is 550 MiB.
  expect(mostBytes).toBeLessThan(limitBytes + 300 * MEBIBYTE);
  if (IS_LONG) process.stderr.write(`${clients.pids.size} workers, at most ${mostBytes / MEBIBYTE} MiB\n`);
});

test('a limit of memory that a fresh worker exceeds has no effect but a warning', async () => {
  await store.add('large', { config: `minWorkers: 1\nmaxWorkers: 1\nmaxWorkerRssBytes: ${MEBIBYTE}\n` });
  await register(server, 'large', { initial_workers: undefined });
  const [pid] = await pidsOf('large');
  const warning = await server.waitForLog(
    ({ msg, model }) => model === 'large' && msg?.startsWith('maxWorkerRss') === true,
  );
  expect(warning.msg).toContain('raise it; until then it has no effect');
  const clients = new Clients(server, 'large', 1, { sleepMs: 20 }, 30);
  await clients.end();
  expect([...clients.pids]).toEqual([pid]);
});
