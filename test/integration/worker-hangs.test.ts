// Workers that never answer, flood their output or forge it: the response timeout, and what reaches the log.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createFaultStore, type FaultStore } from '../support/fault-model.ts';
import { untilGone } from '../support/processes.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { describeModel, predict, register, unregister } from '../support/serving-client.ts';

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

/** `regex` holds the interpreter, `deaf` blocks every signal that can be blocked. */
test.concurrent.for(['busy', 'regex', 'deaf'])(
  'a handler that hangs (%s) is ended after the response timeout, and what waited is answered by its replacement',
  async (how) => {
    const model = await store.add(`hanging-${how}`);
    await register(server, model.name, { response_timeout: 1 });
    const hanging = predict(server, model.name, { do: how });
    const { pid } = await model.reached('busy');
    const waiting = predict(server, model.name, { do: 'echo', value: 'next' });

    const answer = await hanging;
    expect(answer.status).toBe(504);
    expect(JSON.parse(answer.text)).toEqual({
      code: 504,
      type: 'RequestTimeoutException',
      message: 'Prediction timed out after 1 s',
    });
    expect((await waiting).text).toBe('next');
    await untilGone(pid);
    const [worker] = (await describeModel(server, model.name)).workers;
    expect(worker?.pid).not.toBe(pid);
    expect(worker?.lastExit).toMatchObject({ signal: 'SIGKILL' });
  },
);

test.concurrent('a request that an idle, stopped worker has never begun is answered by the replacement', async () => {
  await store.add('numb');
  await register(server, 'numb', { response_timeout: 1 });
  const [worker] = (await describeModel(server, 'numb')).workers;
  process.kill(worker?.pid ?? 0, 'SIGSTOP');
  const answer = await predict(server, 'numb', { do: 'echo', value: 'kept' });
  expect([answer.status, answer.text]).toEqual([200, 'kept']);
});

test.concurrent('unregistering ends a hanging worker when the time for it is over', async () => {
  const model = await store.add('stubborn');
  await register(server, 'stubborn');
  const hanging = predict(server, 'stubborn', { do: 'deaf' });
  const { pid } = await model.reached('busy');
  expect((await unregister(server, 'stubborn', { timeout: 0 })).status).toBe(200);
  const answer = await hanging;
  expect(answer.status).toBe(503);
  expect(answer.text).toContain('was stopped before it had answered');
  await untilGone(pid);
});

test('bytes that are no text, and a line of a megabyte, are cut to readable log lines', async () => {
  await store.add('blurting');
  await register(server, 'blurting');
  expect((await predict(server, 'blurting', { do: 'binary' })).text).toBe('printed');
  const long = await server.waitForLog(({ model, msg }) => model === 'blurting' && msg?.startsWith('yyy') === true);
  expect(long.msg?.length).toBeLessThan(17_000);
  expect(long.msg).toContain('line cut');
  await server.waitForLog(({ model, msg }) => model === 'blurting' && msg === 'text again');
});

test('what a worker prints stands in the log with its model, version, worker and stream', async () => {
  await store.add('speaking');
  await register(server, 'speaking');
  const [worker] = (await describeModel(server, 'speaking')).workers;
  const tag = { model: 'speaking', version: '1.0', worker: worker?.id };
  await predict(server, 'speaking', { do: 'speak', text: 'to the out' });
  await predict(server, 'speaking', { do: 'speak', text: 'to the err {"level":"x"}', stream: 'stderr' });
  const out = await server.waitForLog(({ msg }) => msg === 'to the out');
  expect(out).toMatchObject({ ...tag, stream: 'stdout', level: 'info' });
  const err = await server.waitForLog(({ msg }) => msg?.startsWith('to the err') === true);
  expect(err).toMatchObject({ ...tag, stream: 'stderr', level: 'warn', msg: 'to the err {"level":"x"}' });
});
