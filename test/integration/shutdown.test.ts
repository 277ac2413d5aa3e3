// How the server ends: politely, in a hurry, and by force; nothing that it started may be left.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { makeMar, makeMarFromFolder } from '../support/archive-forge.ts';
import { createFaultStore, type FaultStore, until } from '../support/fault-model.ts';
import { offspringOf, untilGone, untilNoOffspring } from '../support/processes.ts';
import { RawClient, requestText } from '../support/raw-client.ts';
import { type ServerOptions, startServer, type TestServer } from '../support/sconce-server.ts';
import { runServe } from '../support/server-command.ts';
import { ask, openPrediction, predict, register, unregister, untilWaiting } from '../support/serving-client.ts';

let store: FaultStore;
const running: TestServer[] = [];

beforeAll(async () => {
  store = await createFaultStore();
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop('SIGKILL')));
});

afterAll(async () => {
  await store?.remove();
});

async function start(options: ServerOptions = {}): Promise<TestServer> {
  const server = await startServer({ modelStore: store.folder, ...options });
  running.push(server);
  return server;
}

/** Sends a signal; the exit code comes when the process has ended. */
async function end(server: TestServer, signal: NodeJS.Signals): Promise<number | null> {
  const exited = once(server.process, 'exit');
  server.process.kill(signal);
  const [code] = await exited;
  return code as number | null;
}

async function isRefused(url: string): Promise<boolean> {
  return ask(url).then(
    () => false,
    () => true,
  );
}

test('SIGTERM: what runs and what waits is answered 200, new connections are refused, the exit code is 0 and nothing is left', async () => {
  const server = await start();
  const model = await store.add('drained');
  await register(server, 'drained');
  const inHand = predict(server, 'drained', { do: 'wait', gate: 'go', value: 'in hand' });
  await model.reached('waiting');
  const streaming = predict(server, 'drained', { do: 'stream', count: 2 });
  await untilWaiting(server, 'drained', 1);
  const waiting = ['one', 'two', 'three'].map((value) => predict(server, 'drained', { do: 'echo', value }));
  await untilWaiting(server, 'drained', 4);

  const exited = end(server, 'SIGTERM');
  await until(() => isRefused(`${server.inference}/ping`));
  expect(await isRefused(`${server.management}/models`)).toBe(true);
  await model.open('go');
  const answers = await Promise.all([inHand, streaming, ...waiting]);
  expect(answers.map(({ status, text }) => [status, text])).toEqual([
    [200, 'in hand'],
    [200, 'part 0part 1end'],
    [200, 'one'],
    [200, 'two'],
    [200, 'three'],
  ]);
  expect(answers.at(-1)?.headers.get('connection')).toBe('close');
  expect(await exited).toBe(0);
  expect(await offspringOf(server)).toEqual([]);
  expect((await readdir(server.tmp)).filter((name) => name !== 'config.properties')).toEqual([]);
  expect(server.log.find(({ msg }) => msg?.startsWith('stopping'))).toMatchObject({ requests: 5 });
  expect(server.log.filter(({ msg }) => msg?.includes('given up'))).toEqual([]);
  expect(server.log.at(-1)?.msg).toBe('stopped');
});

test('SIGTERM ends a connection that is kept for later at once, takes a body that is on its way, and answers all that came on one connection', async () => {
  const server = await start();
  const model = await store.add('arriving');
  await register(server, 'arriving');
  const [idle, sending] = [await RawClient.open(server.inference), await RawClient.open(server.inference)];
  await idle.send(requestText('GET', '/livez'));
  await idle.untilArrived(/alive/);
  const headers = { 'Content-Type': 'application/json' };
  const text = requestText(
    'POST',
    '/predictions/arriving',
    headers,
    JSON.stringify({ do: 'echo', value: 'came whole' }),
  );
  await sending.send(text.slice(0, -10));
  const piped = await RawClient.open(server.inference);
  for (const command of [
    { do: 'wait', gate: 'go' },
    { do: 'echo', value: 'the last' },
  ])
    await piped.send(requestText('POST', '/predictions/arriving', headers, JSON.stringify(command)));
  await model.reached('waiting');
  await untilWaiting(server, 'arriving', 1);
  const exited = end(server, 'SIGTERM');
  await until(() => isRefused(`${server.inference}/ping`));
  expect(await idle.ended).toBe('closed');
  await sending.send(text.slice(-10));
  await model.open('go');
  expect([await piped.ended, piped.statuses]).toEqual(['closed', [200, 200]]);
  expect(piped.arrived).toMatch(/connection: keep-alive(?:.|\s)*waited(?:.|\s)*connection: close(?:.|\s)*the last$/);
  await sending.untilArrived(/came whole/);
  expect(sending.statuses).toEqual([200]);
  expect(sending.arrived).toContain('connection: close');
  expect(await exited).toBe(0);
});

test('preStopDelay: the server says that it is not ready, and goes on in every other way until the delay is over', async () => {
  const server = await start({ settings: { preStopDelay: 2, cache_size: 0 } });
  const { folder } = await store.add('delayed');
  await makeMarFromFolder(`${store.folder}/delayed.mar`, folder);
  await register(server, 'delayed.mar', { model_name: 'delayed' });
  const exited = end(server, 'SIGTERM');
  await until(async () => (await ask(`${server.inference}/readyz`)).status === 503);
  // A worker that dies now needs its model's files for its next start.
  expect((await predict(server, 'delayed', { do: 'leave' })).status).toBe(503);
  const answer = await predict(server, 'delayed', { do: 'echo', value: 'in time' });
  expect([answer.status, answer.text, answer.headers.get('connection')]).toEqual([200, 'in time', 'close']);
  await store.add('late-comer');
  expect((await register(server, 'late-comer')).status).toBe(200);
  expect(await exited).toBe(0);
});

test('shutdownTimeout: what is left when it is over is answered 503, and the exit code is 0', async () => {
  const server = await start({ settings: { shutdownTimeout: 1 } });
  const model = await store.add('late');
  await register(server, 'late');
  const inHand = predict(server, 'late', { do: 'wait', gate: 'never', value: 'too late' });
  await model.reached('waiting');
  const waiting = predict(server, 'late', { do: 'echo', value: 'later still' });
  await untilWaiting(server, 'late', 1);
  expect(await end(server, 'SIGTERM')).toBe(0);
  const answers = await Promise.all([inHand, waiting]);
  expect(answers.map(({ status }) => status)).toEqual([503, 503]);
  const givenUp = server.log.filter(({ msg }) => msg?.includes('shutdownTimeout'));
  expect(givenUp).toMatchObject([{ level: 'warn', requests: 2 }]);
  expect(await offspringOf(server)).toEqual([]);
});

test('SIGTERM while a stream is under way lets the stream end', async () => {
  const server = await start();
  const model = await store.add('streamed');
  await register(server, 'streamed');
  const answer = await openPrediction(server, 'streamed', { do: 'stream', count: 2, gate: 'go' });
  await answer.untilBytes(1);
  const exited = end(server, 'SIGTERM');
  await until(() => isRefused(`${server.inference}/ping`));
  await model.open('go');
  expect(await answer.ended).toBe('whole');
  expect(answer.text()).toBe('part 0part 1end');
  expect(await exited).toBe(0);
});

test('SIGTERM while a worker starts answers what waits for it', async () => {
  const server = await start();
  const model = await store.add('starting', { load: { do: 'wait', gate: 'go' } });
  await register(server, 'starting', { synchronous: false });
  await model.reached('waiting');
  const waiting = predict(server, 'starting', { do: 'echo', value: 'patient' });
  await untilWaiting(server, 'starting', 1);
  const exited = end(server, 'SIGTERM');
  await until(() => isRefused(`${server.inference}/ping`));
  await model.open('go');
  expect((await waiting).text).toBe('patient');
  expect(await exited).toBe(0);
  expect(await offspringOf(server)).toEqual([]);
});

test('SIGTERM while a version is being unregistered lets its requests finish, and answers both', async () => {
  const server = await start();
  const model = await store.add('leaving');
  await register(server, 'leaving');
  const inHand = predict(server, 'leaving', { do: 'wait', gate: 'go', value: 'in hand' });
  await model.reached('waiting');
  const unregistered = unregister(server, 'leaving');
  await until(async () => (await ask(`${server.management}/models/leaving`)).status === 404);
  const exited = end(server, 'SIGTERM');
  await until(() => isRefused(`${server.inference}/ping`));
  await model.open('go');
  expect((await inHand).text).toBe('in hand');
  expect((await unregistered).status).toBe(200);
  expect(await exited).toBe(0);
  expect(await offspringOf(server)).toEqual([]);
});

test('SIGTERM with idle workers, idle connections and a worker in back-off ends quickly with code 0', async () => {
  const server = await start();
  await store.add('idle');
  await register(server, 'idle', { initial_workers: 2 });
  await store.add('unstartable', { import: 'module_that_is_missing' });
  await register(server, 'unstartable', { synchronous: false });
  await predict(server, 'idle', { do: 'echo', value: 'kept alive' });
  await server.waitForLog(({ msg }) => msg?.includes('worker failed to start') === true);
  expect(await end(server, 'SIGTERM')).toBe(0);
  expect(await offspringOf(server)).toEqual([]);
});

test('SIGTERM while an archive of load_models is unpacked ends the start, and nothing stays', async () => {
  await makeMar(`${store.folder}/large.mar`, {
    'MAR-INF/MANIFEST.json': JSON.stringify({
      runtime: 'python',
      model: { modelName: 'large', modelVersion: '1.0', handler: 'handler.py' },
    }),
    'handler.py': 'def handle(data, context):\n    return ["large"] * len(data or [])\n',
    'weights.bin': randomBytes(150 * 1024 * 1024),
  });
  const addresses = ['inference', 'management', 'metrics'].map((api) => `${api}_address=http://127.0.0.1:0`);
  const settings = [...addresses, `model_store=${store.folder}`, 'load_models=large.mar'];
  const result = await runServe(settings, [], async (child, folder) => {
    await until(async () => (await readdir(folder, { recursive: true })).some((name) => name.includes('/files/')));
    child.kill('SIGTERM');
  });
  expect(result).toMatchObject({ exitCode: 0, stderr: '', leftFiles: [] });
});

test('Ctrl-C drains as SIGTERM does', async () => {
  const server = await start();
  expect(await end(server, 'SIGINT')).toBe(0);
});

test('a second SIGTERM ends at once, and takes the workers and what they started along', async () => {
  const server = await start();
  const model = await store.add('hurried');
  await register(server, 'hurried');
  const cut = predict(server, 'hurried', { do: 'fork', next: 'deaf' }).then(
    () => 'answered',
    () => 'cut',
  );
  const { pid } = await model.reached('busy');
  const exited = once(server.process, 'exit');
  server.process.kill('SIGTERM');
  await server.waitForLog(({ msg }) => msg?.startsWith('stopping') === true);
  server.process.kill('SIGTERM');
  const [code] = await exited;
  expect(code).toBe(1);
  expect(await cut).toBe('cut');
  expect(server.log.at(-1)).toMatchObject({ level: 'warn', signal: 'SIGTERM', requests: 1 });
  expect(server.log.at(-1)?.msg).toContain('second signal: 1 request was cut');
  await untilGone(pid);
  await untilNoOffspring(server);
});

/** The ways in which a worker could miss that its server is gone. */
const OCCUPATIONS = [
  { do: 'echo', value: 'idle' },
  { do: 'busy' },
  { do: 'regex' },
  { do: 'deaf' },
  { do: 'fork' },
  { do: 'spawn' },
  { do: 'fork', next: 'deaf' },
];

test.for(OCCUPATIONS)('kill -9 of the server leaves no process, with a worker that did %j', async (command) => {
  const server = await start();
  const model = await store.add(`orphan-${command.do}-${'next' in command ? command.next : ''}`);
  await register(server, model.name);
  const request = predict(server, model.name, command).catch(() => undefined);
  await (command.do === 'busy' || 'next' in command || ['regex', 'deaf'].includes(command.do)
    ? model.reached('busy')
    : request);
  expect((await offspringOf(server)).length).toBeGreaterThan(0);
  await end(server, 'SIGKILL');
  await untilNoOffspring(server);
});

test('kill -9 while a worker loads leaves no process', async () => {
  const server = await start();
  const model = await store.add('loading', { load: { do: 'deaf' } });
  await register(server, 'loading', { synchronous: false });
  const { pid } = await model.reached('busy');
  await end(server, 'SIGKILL');
  await untilGone(pid);
});
