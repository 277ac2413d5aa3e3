// Models whose workers cannot start: who is told why, that nobody hangs, that nothing is left, and that a mended model comes back.
import { readdir, readFile, rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeMar } from '../support/archive-forge.ts';
import { createFaultStore, type FaultStore, type LoadPlan, until } from '../support/fault-model.ts';
import { isAlive, offspringOf, untilNoOffspring } from '../support/processes.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { ask, describeModel, predict, register, scale, unregister, untilModel } from '../support/serving-client.ts';

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

interface FailedStart {
  readonly name: string;
  readonly plan: LoadPlan;
  readonly status: number;
  readonly type: string;
  readonly words: readonly string[];
  readonly parameters?: Record<string, unknown>;
}

const FAILED_STARTS: FailedStart[] = [
  {
    name: 'import-missing',
    plan: { import: 'module_that_is_missing' },
    status: 500,
    type: 'HandlerImportException',
    words: ["No module named 'module_that_is_missing'", 'Install module_that_is_missing'],
  },
  {
    name: 'import-raises',
    plan: { needs: 'a-file' },
    status: 500,
    type: 'HandlerImportException',
    words: ['RuntimeError: a-file is not there yet.'],
  },
  {
    name: 'initialize-raises',
    plan: { load: { do: 'fail', text: 'weights of another shape' } },
    status: 500,
    type: 'HandlerInitializeException',
    words: ['RuntimeError: weights of another shape.'],
  },
  {
    name: 'initialize-out-of-memory',
    plan: { load: { do: 'exhaust' } },
    status: 507,
    type: 'OutOfMemoryException',
    words: ['MemoryError', 'fewer workers'],
  },
  {
    name: 'initialize-exits',
    plan: { load: { do: 'leave', code: 4, words: 'bye from the handler' } },
    status: 500,
    type: 'WorkerCrashException',
    words: ['exit code 4', 'bye from the handler'],
  },
  {
    name: 'initialize-crashes',
    plan: { load: { do: 'crash' } },
    status: 500,
    type: 'WorkerCrashException',
    words: ['signal SIGSEGV'],
  },
  {
    name: 'initialize-hangs',
    plan: { load: { do: 'deaf' } },
    status: 500,
    type: 'StartupTimeoutException',
    words: ['start-up timeout of 1 s', 'startup_timeout'],
    parameters: { startup_timeout: 1 },
  },
  {
    name: 'no-such-handler',
    plan: {},
    status: 500,
    type: 'HandlerNotFoundException',
    words: ['No handler nothing.py', 'handler.py'],
    parameters: { handler: 'nothing.py' },
  },
];

describe.each(FAILED_STARTS)('a model that cannot start ($name)', ({ name, plan, status, type, words, parameters }) => {
  test('fails a synchronous registration with the reason, and nothing of it stays', async () => {
    const model = await store.add(name, plan);
    const answer = await register(server, name, parameters);
    expect(answer.status, answer.text).toBe(status);
    const document = JSON.parse(answer.text);
    expect(document).toMatchObject({ code: status, type });
    for (const word of words) expect(document.message).toContain(word);
    expect((await ask(`${server.management}/models/${name}`)).status).toBe(404);
    expect((await predict(server, name, { do: 'echo' })).status).toBe(404);
    const pids = (await model.journal()).map(({ pid }) => pid);
    expect(await Promise.all(pids.map(isAlive))).toEqual(pids.map(() => false));
  });
});

test('after failed registrations the server has no process of them', async () => {
  await untilNoOffspring(server);
});

test('an asynchronous registration that fails stays, says why, and answers predictions with the reason at once', async () => {
  await store.add('broken', { import: 'module_that_is_missing' });
  const registered = await register(server, 'broken', { synchronous: false });
  expect(registered.status).toBe(202);
  // Whether a prediction comes before the failure is known or after, it is answered.
  const early = await predict(server, 'broken', { do: 'echo' });
  expect(early.status).toBe(503);
  expect(early.text).toContain('module_that_is_missing');

  const view = await untilModel(server, 'broken', ({ workers }) => workers[0]?.state === 'backoff');
  expect(view.workers[0]).toMatchObject({
    status: 'UNLOADING',
    reason: expect.stringContaining("No module named 'module_that_is_missing'"),
    lastExit: { exitCode: 1 },
  });
  expect(Date.parse(view.workers[0]?.nextRetryAt ?? '')).not.toBeNaN();
  expect(view.workers[0]?.pid).toBeUndefined();

  const startedAt = performance.now();
  const late = await predict(server, 'broken', { do: 'echo' });
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  expect(late.status).toBe(503);
  expect(Number(late.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(JSON.parse(late.text).message).toContain("No module named 'module_that_is_missing'");

  expect((await ask(`${server.inference}/ping`)).status).toBe(500);
  const ready = await ask(`${server.inference}/readyz`);
  expect(ready.status).toBe(503);
  expect(JSON.parse(ready.text)).toMatchObject({
    status: 'not ready',
    reasons: ['model broken version 1.0: 0 of 1 workers ready'],
  });
  await server.waitForLog(({ msg, model, trace }) => {
    return (
      model === 'broken' && msg?.startsWith('worker failed to start') === true && String(trace).includes('Traceback')
    );
  });
  expect((await unregister(server, 'broken')).status).toBe(200);
  expect((await ask(`${server.inference}/readyz`)).status).toBe(200);
});

test('a model whose cause of failure is mended comes back by itself', async () => {
  const model = await store.add('mended', { needs: 'the-file' });
  await register(server, 'mended', { synchronous: false });
  await untilModel(server, 'mended', ({ workers }) => workers[0]?.state === 'backoff');
  expect((await predict(server, 'mended', { do: 'echo' })).status).toBe(503);
  await model.open('the-file');
  await untilModel(server, 'mended', ({ workers }) => workers[0]?.state === 'ready');
  expect((await predict(server, 'mended', { do: 'echo', value: 'back' })).text).toBe('back');
  expect((await ask(`${server.inference}/ping`)).status).toBe(200);
});

test('what waits for a first start that fails is answered with the reason', async () => {
  const model = await store.add('hopeful', { load: { do: 'wait', gate: 'go' } });
  await register(server, 'hopeful', { synchronous: false });
  const { pid } = await model.reached('waiting');
  const waiting = predict(server, 'hopeful', { do: 'echo' });
  await untilModel(server, 'hopeful', ({ jobQueueStatus }) => jobQueueStatus.pendingRequests === 1);
  expect((await describeModel(server, 'hopeful')).workers[0]).toMatchObject({ state: 'loading', status: 'UNLOADING' });
  process.kill(pid, 'SIGKILL');
  const answer = await waiting;
  expect(answer.status).toBe(503);
  expect(answer.text).toContain('signal SIGKILL');
  await model.open('go');
  await untilModel(server, 'hopeful', ({ workers }) => workers[0]?.state === 'ready');
});

test('a synchronous scale that fails leaves the number of workers and those that run as they were', async () => {
  const model = await store.add('grown', { needs: 'the-file' });
  await model.open('the-file');
  await register(server, 'grown');
  const before = await describeModel(server, 'grown');
  await rm(`${model.folder}/the-file`);
  const answer = await scale(server, 'grown', { min_worker: 2, synchronous: true });
  expect(answer.status).toBe(500);
  expect(JSON.parse(answer.text)).toMatchObject({ type: 'HandlerImportException' });
  const after = await describeModel(server, 'grown');
  expect([after.minWorkers, after.maxWorkers]).toEqual([1, 1]);
  expect(after.workers.map(({ pid }) => pid)).toEqual(before.workers.map(({ pid }) => pid));
  expect((await predict(server, 'grown', { do: 'echo', value: 'served' })).text).toBe('served');
});

test('a registration that fails leaves no temporary file', async () => {
  const handler = await readFile(`${(await store.add('template')).folder}/handler.py`, 'utf8');
  await makeMar(`${store.folder}/packed.mar`, {
    'MAR-INF/MANIFEST.json': JSON.stringify({
      runtime: 'python',
      model: { modelName: 'packed', modelVersion: '1.0', handler: 'handler.py' },
    }),
    'handler.py': handler,
    'plan.json': JSON.stringify({ import: 'module_that_is_missing' }),
  });
  expect((await register(server, 'packed.mar')).status).toBe(500);
  const left = await Promise.all([server.tmp, server.cache].map((folder) => readdir(folder, { recursive: true })));
  expect(left.flat().filter((path) => path.endsWith('handler.py'))).toEqual([]);
});

test('an interpreter that does not exist is told as the reason', async () => {
  const other = await startServer({ modelStore: store.folder, settings: { python: 'no-such-python' } });
  const answer = await register(other, 'template');
  expect(answer.status).toBe(500);
  expect(answer.text).toContain('no-such-python');
  expect(await offspringOf(other)).toEqual([]);
  expect(await other.stop()).toBe(0);
});

test('in the torchserve dialect a failed start has its words, and the model is gone as well', async () => {
  const other = await startServer({
    modelStore: store.folder,
    args: ['--api-dialect', 'torchserve'],
    settings: { enable_model_api: true },
  });
  const answer = await register(other, 'import-missing');
  expect(answer.status).toBe(500);
  expect(JSON.parse(answer.text)).toEqual({
    code: 500,
    type: 'InternalServerException',
    message: 'Failed to start workers for model import-missing version: 1.0',
  });
  await until(async () => (await ask(`${other.management}/models/import-missing`)).status === 404);
  expect(await other.stop()).toBe(0);
});
