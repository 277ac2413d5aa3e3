// Workers that go on purpose: scaling down, unregistering, and the time that the work in hand has. And what management never does:
// hold up predictions.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeMar } from '../support/archive-forge.ts';
import { createFaultStore, type FaultStore } from '../support/fault-model.ts';
import { untilGone } from '../support/processes.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import {
  describeModel,
  predict,
  register,
  scale,
  unregister,
  untilModel,
  untilWaiting,
} from '../support/serving-client.ts';

let store: FaultStore;
let server: TestServer;

beforeAll(async () => {
  store = await createFaultStore();
  server = await startServer({ modelStore: store.folder });
});

afterAll(async () => {
  await server?.stop();
  await store?.remove();
});

test('scaling down lets a busy worker finish what it has', async () => {
  const model = await store.add('shrinking');
  await register(server, 'shrinking', { initial_workers: 2 });
  const inHand = ['one', 'two'].map((value) => predict(server, 'shrinking', { do: 'wait', gate: 'go', value }));
  await model.reached('waiting', 2);
  const scaled = scale(server, 'shrinking', { min_worker: 1, synchronous: true });
  const { workers } = await untilModel(server, 'shrinking', (view) => view.workers.length === 1);
  await model.open('go');
  expect((await Promise.all(inHand)).map(({ text }) => text)).toEqual(['one', 'two']);
  expect((await scaled).status).toBe(200);
  const gone = (await model.entries('loaded')).map(({ pid }) => pid).filter((pid) => pid !== workers[0]?.pid);
  expect(gone).toHaveLength(1);
  await untilGone(...gone);
});

test('scaling to zero answers what was accepted, and refuses what comes then', async () => {
  const model = await store.add('emptied');
  await register(server, 'emptied');
  const inHand = predict(server, 'emptied', { do: 'wait', gate: 'go', value: 'in hand' });
  await model.reached('waiting');
  const waiting = predict(server, 'emptied', { do: 'echo', value: 'waiting' });
  await untilWaiting(server, 'emptied', 1);
  const scaled = scale(server, 'emptied', { min_worker: 0, synchronous: true });
  await untilModel(server, 'emptied', ({ maxWorkers }) => maxWorkers === 0);
  const refused = await predict(server, 'emptied', { do: 'echo' });
  expect(refused.status).toBe(503);
  expect(refused.text).toContain('PUT /models/emptied?min_worker=1');
  await model.open('go');
  expect((await inHand).text).toBe('in hand');
  expect((await waiting).text).toBe('waiting');
  expect((await scaled).status).toBe(200);
  expect((await describeModel(server, 'emptied')).workers).toEqual([]);
  expect((await scale(server, 'emptied', { min_worker: 1, synchronous: true })).status).toBe(200);
  expect((await predict(server, 'emptied', { do: 'echo', value: 'revived' })).text).toBe('revived');
});

test('unregistering answers what runs and what waits, while the name is gone at once', async () => {
  const model = await store.add('leaving');
  await register(server, 'leaving');
  const inHand = predict(server, 'leaving', { do: 'wait', gate: 'go', value: 'in hand' });
  const { pid } = await model.reached('waiting');
  const waiting = predict(server, 'leaving', { do: 'echo', value: 'waiting' });
  await untilWaiting(server, 'leaving', 1);
  const unregistered = unregister(server, 'leaving');
  await expect.poll(async () => (await predict(server, 'leaving', { do: 'echo' })).status).toBe(404);
  await model.open('go');
  expect((await inHand).text).toBe('in hand');
  expect((await waiting).text).toBe('waiting');
  expect((await unregistered).status).toBe(200);
  await untilGone(pid);
});

test.each(['unregister', 'scale'])(
  'with timeout=0 %s ends at once: both the running and the waiting requests are told',
  async (how) => {
    const model = await store.add(`hasty-${how}`);
    await register(server, model.name);
    const inHand = predict(server, model.name, { do: 'wait', gate: 'never' });
    const { pid } = await model.reached('waiting');
    const waiting = predict(server, model.name, { do: 'echo' });
    await untilWaiting(server, model.name, 1);
    const startedAt = performance.now();
    const ended =
      how === 'unregister'
        ? await unregister(server, model.name, { timeout: 0 })
        : await scale(server, model.name, { min_worker: 0, timeout: 0, synchronous: true });
    expect(ended.status).toBe(200);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    const [first, second] = await Promise.all([inHand, waiting]);
    expect(first.status).toBe(503);
    expect(first.text).toContain('stopped before it had answered');
    expect(second.status).toBe(503);
    expect(second.text).toContain(`"${model.name}\\" is being stopped`);
    await untilGone(pid);
    expect((await model.entries('batch')).length).toBe(1);
  },
);

test('unregistering during a slow start ends the start', async () => {
  const model = await store.add('undone', { load: { do: 'wait', gate: 'never' } });
  await register(server, 'undone', { synchronous: false });
  const { pid } = await model.reached('waiting');
  expect((await unregister(server, 'undone')).status).toBe(200);
  await untilGone(pid);
});

test('a synchronous registration that is unregistered before it is ready is answered', async () => {
  const model = await store.add('crossed', { load: { do: 'wait', gate: 'never' } });
  const registered = register(server, 'crossed');
  await model.reached('waiting');
  expect((await unregister(server, 'crossed')).status).toBe(200);
  expect((await registered).status).toBe(503);
});

test('predictions flow while archives are unpacked and slow models load', async () => {
  await store.add('flowing');
  await register(server, 'flowing');
  await makeMar(`${store.folder}/large.mar`, {
    'MAR-INF/MANIFEST.json': JSON.stringify({
      runtime: 'python',
      model: { modelName: 'large', modelVersion: '1.0', handler: 'handler.py' },
    }),
    // Half of it can be deflated: both unpacking and checking cost.
    'weights.bin': Buffer.concat([randomBytes(60 * 1024 * 1024), Buffer.alloc(60 * 1024 * 1024)]),
    'handler.py': 'def handle(data, context):\n    return ["large"] * len(data or [])\n',
  });
  const slow = await store.add('slow', { load: { do: 'wait', gate: 'go' } });
  const slowRegistration = register(server, 'slow');
  await slow.reached('waiting');
  const largeRegistration = register(server, 'large.mar');
  let isRegistered = false;
  void largeRegistration.then(() => {
    isRegistered = true;
  });
  const latencies: number[] = [];
  while (!isRegistered) {
    const startedAt = performance.now();
    expect((await predict(server, 'flowing', { do: 'echo', value: 'on' })).text).toBe('on');
    latencies.push(performance.now() - startedAt);
  }
  expect((await largeRegistration).status).toBe(200);
  expect(latencies.length).toBeGreaterThan(20);
  expect(Math.max(...latencies)).toBeLessThan(500);
  await slow.open('go');
  expect((await slowRegistration).status).toBe(200);
});
