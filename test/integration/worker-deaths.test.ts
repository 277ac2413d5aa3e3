// Workers that die while they compute: who is told what, and what stays behind of the process. test/faults/workers.test.ts has who is served
// all the same.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createFaultStore, type FaultModel, type FaultStore } from '../support/fault-model.ts';
import { isAlive, untilGone, untilNoOffspring } from '../support/processes.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { predict, register, unregister, untilModel, untilWaiting } from '../support/serving-client.ts';

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

describe('a worker that dies with a request', () => {
  let model: FaultModel;

  beforeAll(async () => {
    model = await store.add('mortal');
    await register(server, 'mortal');
  });

  // A death before the first answer of a worker counts for its back-off; these tests are about other things.
  beforeEach(async () => {
    await untilModel(server, 'mortal', ({ workers }) => workers[0]?.state === 'ready');
    expect((await predict(server, 'mortal', { do: 'echo', value: 'well' })).text).toBe('well');
  });

  test('fails that request with 503, Retry-After and the exit code, and is replaced', async () => {
    const answer = await predict(server, 'mortal', { do: 'leave', code: 3 });
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 503, message: expect.stringContaining('exit code 3') });
    expect((await predict(server, 'mortal', { do: 'echo', value: 'again' })).text).toBe('again');
  });

  test.each([
    [{ do: 'kill' }, 'signal SIGKILL'],
    [{ do: 'kill', signal: 'SIGABRT' }, 'signal SIGABRT'],
    [{ do: 'crash' }, 'signal SIGSEGV'],
    [{ do: 'leave', code: 0 }, 'exit code 0'],
  ])('is told apart by how it ended: %j is %s', async (command, how) => {
    const answer = await predict(server, 'mortal', command);
    expect(answer.status).toBe(503);
    expect(answer.text).toContain(how);
  });

  test('shows its last exit, with its last words, in the description', async () => {
    await predict(server, 'mortal', { do: 'leave', code: 7, words: 'these were the last words' });
    const { workers } = await untilModel(server, 'mortal', (view) => view.workers[0]?.state === 'ready');
    expect(workers[0]?.lastExit).toMatchObject({ exitCode: 7 });
    expect(workers[0]?.lastExit?.stderr.join('\n')).toContain('these were the last words');
  });

  test('leaves neither a forked child nor a subprocess behind', async () => {
    for (const command of ['fork', 'spawn']) {
      await predict(server, 'mortal', { do: command, next: 'leave' });
      const entry = (await model.journal()).at(-1);
      expect(entry?.child).toBeGreaterThan(0);
      await untilGone(entry?.child ?? 0);
      await predict(server, 'mortal', { do: 'echo', value: command });
    }
  });

  test('is noticed although a forked child keeps its descriptors open', async () => {
    const answer = await predict(server, 'mortal', { do: 'fork', raw: true, next: 'leave' });
    expect(answer.status).toBe(503);
    expect(answer.text).toContain('exit code 3');
  });
});

test('a worker killed in the middle of a batch fails the jobs that had started, and its replacement answers those that waited', async () => {
  const model = await store.add('batched');
  await register(server, 'batched', { batch_size: 2, max_batch_delay: 50 });
  const first = predict(server, 'batched', { do: 'wait', gate: 'never', value: 'first' });
  const { pid } = await model.reached('waiting');
  const others = ['second', 'third', 'fourth'].map((value) => predict(server, 'batched', { do: 'echo', value }));
  await untilWaiting(server, 'batched', 3);

  process.kill(pid, 'SIGKILL');
  expect((await first).status).toBe(503);
  expect((await Promise.all(others)).map(({ status, text }) => [status, text])).toEqual([
    [200, 'second'],
    [200, 'third'],
    [200, 'fourth'],
  ]);
  const batches = await model.entries('batch');
  expect(batches.map(({ commands }) => commands)).toEqual([['first'], ['second', 'third'], ['fourth']]);
});

test('a worker that dies of every request backs off, and a registered model answers again when the requests are good', async () => {
  await store.add('poisoned');
  await register(server, 'poisoned');
  expect((await predict(server, 'poisoned', { do: 'leave' })).status).toBe(503);
  expect((await predict(server, 'poisoned', { do: 'leave' })).status).toBe(503);
  const view = await untilModel(server, 'poisoned', ({ workers }) => workers[0]?.state === 'backoff');
  expect(view.workers[0]).toMatchObject({ status: 'UNLOADING', reason: expect.stringContaining('exit code 3') });
  expect(Date.parse(view.workers[0]?.nextRetryAt ?? '')).toBeGreaterThan(Date.now() - 1000);
  const refused = await predict(server, 'poisoned', { do: 'echo', value: 'early' });
  expect(refused).toMatchObject({ status: 503, text: expect.stringContaining('keeps dying') });
  await untilModel(server, 'poisoned', ({ workers }) => workers[0]?.status === 'READY');
  expect((await predict(server, 'poisoned', { do: 'echo', value: 'good' })).text).toBe('good');
});

test('unregistering ends what a handler has started, with its worker', async () => {
  const model = await store.add('parental');
  await register(server, 'parental');
  await predict(server, 'parental', { do: 'fork' });
  await predict(server, 'parental', { do: 'spawn' });
  const children = (await model.journal()).flatMap(({ child }) => (child === undefined ? [] : [child]));
  expect(children).toHaveLength(2);
  expect(await Promise.all(children.map(isAlive))).toEqual([true, true]);

  expect((await unregister(server, 'parental')).status).toBe(200);
  await untilGone(...children);
});

test('nothing that a worker has started outlives the server', async () => {
  const other = await startServer({ modelStore: store.folder });
  await store.add('survivor');
  await register(other, 'survivor');
  await predict(other, 'survivor', { do: 'fork', raw: true });
  await predict(other, 'survivor', { do: 'spawn' });
  expect(await other.stop()).toBe(0);
  await untilNoOffspring(other);
});
