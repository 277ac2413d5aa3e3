// When batches leave, seen from outside: what the handler gets together, and that nobody waits for nothing.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createFaultStore, type FaultModel, type FaultStore, until } from '../support/fault-model.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { predict, register, untilModel, untilWaiting } from '../support/serving-client.ts';

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

/** The values of each batch that the handler got. */
async function batchesOf(model: FaultModel): Promise<(readonly unknown[] | undefined)[]> {
  return (await model.entries('batch')).map(({ commands }) => commands);
}

function echo(model: FaultModel, value: string) {
  return predict(server, model.name, { do: 'echo', value });
}

/** Keeps one worker of the model at work until its gate opens. */
async function occupy(model: FaultModel, gate: string): Promise<{ readonly answer: Promise<unknown> }> {
  const before = (await model.entries('waiting')).length;
  const answer = predict(server, model.name, { do: 'wait', gate, value: gate });
  await model.reached('waiting', before + 1);
  return { answer };
}

test('a lone request is answered at once, however long a batch may wait', async () => {
  const model = await store.add('lone');
  await register(server, 'lone', { batch_size: 8, max_batch_delay: 5000 });
  const startedAt = performance.now();
  expect((await echo(model, 'alone')).text).toBe('alone');
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});

test('with batching=fixed a batch waits until it is full, although a worker is idle', async () => {
  const model = await store.add('full');
  await register(server, 'full', { batch_size: 3, max_batch_delay: 60_000, batching: 'fixed' });
  const first = echo(model, 'a');
  await untilWaiting(server, 'full', 1);
  const second = echo(model, 'b');
  await untilWaiting(server, 'full', 2);
  const third = echo(model, 'c');
  expect((await Promise.all([first, second, third])).map(({ text }) => text)).toEqual(['a', 'b', 'c']);
  expect(await batchesOf(model)).toEqual([['a', 'b', 'c']]);
});

test("with the archive's batching: fixed a batch leaves when its oldest request has waited for the delay", async () => {
  const model = await store.add('oldest', {}, 'batching: fixed\nbatchSize: 8\nmaxBatchDelay: 600\n');
  await register(server, 'oldest');
  const startedAt = performance.now();
  const first = echo(model, 'old').then(() => performance.now());
  await untilWaiting(server, 'oldest', 1);
  await until(() => performance.now() - startedAt > 300);
  const youngAt = performance.now();
  const second = echo(model, 'young').then(() => performance.now());
  const [firstAt, secondAt] = await Promise.all([first, second]);
  expect(firstAt - startedAt).toBeGreaterThan(550);
  // Had the delay begun anew with the younger one, it would have waited for 600 ms itself.
  expect(secondAt - youngAt).toBeLessThan(550);
  expect(await batchesOf(model)).toEqual([['old', 'young']]);
});

test('X-Request-Priority lets a request overtake those that wait', async () => {
  const model = await store.add('urgent');
  await register(server, 'urgent');
  const { answer } = await occupy(model, 'go');
  const send = (value: string, priority: string) =>
    predict(server, 'urgent', { do: 'echo', value }, { headers: { 'x-request-priority': priority } });
  const waiting = [send('last', '8')];
  await untilWaiting(server, 'urgent', 1);
  waiting.push(send('second', '2'));
  await untilWaiting(server, 'urgent', 2);
  waiting.push(send('first', '1'));
  await untilWaiting(server, 'urgent', 3);
  await model.open('go');
  await Promise.all([...waiting, answer]);
  expect(await batchesOf(model)).toEqual([['go'], ['first'], ['second'], ['last']]);
  const refused = await send('none', '9');
  expect(refused.status).toBe(400);
  expect(JSON.parse(refused.text).message).toBe(
    'X-Request-Priority: expected a number from 1 (first) to 8 (last), found "9"',
  );
});

test('what has waited for longer than the delay behind busy workers goes with the first one that is free', async () => {
  const model = await store.add('overdue');
  await register(server, 'overdue', { batch_size: 8, max_batch_delay: 700, initial_workers: 2 });
  const busy = [await occupy(model, 'first'), await occupy(model, 'second')];
  const startedAt = performance.now();
  const overdue = echo(model, 'overdue');
  await untilWaiting(server, 'overdue', 1);
  await until(() => performance.now() - startedAt > 750);
  const freeAt = performance.now();
  await model.open('first');
  expect((await overdue).text).toBe('overdue');
  expect(performance.now() - freeAt).toBeLessThan(600);
  expect(await batchesOf(model)).toEqual([['first'], ['second'], ['overdue']]);
  await model.open('second');
  await Promise.all(busy.map(({ answer }) => answer));
});

test('a request whose time is over while it waits is answered 504 then, and never reaches the handler', async () => {
  const model = await store.add('expiring');
  await register(server, 'expiring');
  const { answer } = await occupy(model, 'go');
  const expired = await predict(
    server,
    'expiring',
    { do: 'echo', value: 'late' },
    { headers: { 'x-request-timeout': '0.2' } },
  );
  expect(expired.status).toBe(504);
  expect(JSON.parse(expired.text)).toMatchObject({
    type: 'RequestTimeoutException',
    message: expect.stringContaining('200 ms'),
  });
  await untilWaiting(server, 'expiring', 0);
  await model.open('go');
  await answer;
  await echo(model, 'after');
  expect(await batchesOf(model)).toEqual([['go'], ['after']]);
});

test('a request whose time is over while it is computed is answered 504, and its handler sees that nobody waits', async () => {
  const model = await store.add('overrunning');
  await register(server, 'overrunning');
  const answer = await predict(server, 'overrunning', { do: 'watch' }, { headers: { 'x-request-timeout': '0.2' } });
  expect(answer.status).toBe(504);
  await model.reached('cancelled');
  expect((await echo(model, 'after')).text).toBe('after');
});

test("the archive's clientTimeoutInMills holds for every request of the model", async () => {
  const model = await store.add('limited', {}, 'clientTimeoutInMills: 200\n');
  await register(server, 'limited');
  expect((await predict(server, 'limited', { do: 'watch' })).status).toBe(504);
  await model.reached('cancelled');
});

test('a full queue refuses at once, with Retry-After, and loses none of those that wait', async () => {
  const model = await store.add('crowded', {}, 'jobQueueSize: 2\n');
  await register(server, 'crowded');
  const { answer } = await occupy(model, 'go');
  const waiting = [echo(model, 'one'), echo(model, 'two')];
  await untilWaiting(server, 'crowded', 2);
  const refused = await echo(model, 'three');
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('1');
  expect(refused.text).toContain('queue of model crowded is full');
  await model.open('go');
  await answer;
  expect((await Promise.all(waiting)).map(({ text }) => text)).toEqual(['one', 'two']);
});

test('every request of a batch keeps its own id, and gets its own answer', async () => {
  const model = await store.add('named');
  await register(server, 'named', { batch_size: 4 });
  const { answer } = await occupy(model, 'go');
  const values = Array.from({ length: 40 }, (_, index) => `value-${index}`);
  const answers = values.map(async (value) => {
    const { headers, text } = await predict(
      server,
      'named',
      { do: 'ids', value },
      { headers: { 'x-request-id': `id-${value}` } },
    );
    expect(JSON.parse(text)).toEqual({ id: `id-${value}`, value });
    expect(headers.get('x-request-id')).toBe(`id-${value}`);
  });
  await untilModel(server, 'named', ({ jobQueueStatus }) => jobQueueStatus.pendingRequests === 40);
  await model.open('go');
  await Promise.all([answer, ...answers]);
  expect((await batchesOf(model)).slice(1).map((batch) => batch?.length)).toEqual(Array.from({ length: 10 }, () => 4));
});
