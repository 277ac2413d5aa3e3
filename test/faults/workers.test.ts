// Rows 1 to 6, 8 and 11 of docs/architecture/faults.md: real workers that die, hang, starve, flood and never start, beside a model that
// must not notice any of it.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { FaultModel } from '../support/fault-model.ts';
import { FaultBench } from '../support/invariants.ts';
import { loadTook, untilGone } from '../support/processes.ts';
import type { LogLine } from '../support/sconce-server.ts';
import {
  type Answer,
  ask,
  describeModel,
  predict,
  register,
  untilModel,
  untilWaiting,
} from '../support/serving-client.ts';

let bench: FaultBench;

beforeAll(async () => {
  bench = await FaultBench.start();
});
afterEach(() => bench.expectAtRest());
afterAll(() => bench?.stop());

/** How long something takes, and what comes of it. */
async function timed<T>(work: Promise<T>): Promise<{ readonly ms: number; readonly value: T }> {
  const startedAt = performance.now();
  return { value: await work, ms: performance.now() - startedAt };
}

const echo = (model: string, value: string) => predict(bench.server, model, { do: 'echo', value });
const texts = (answers: readonly Answer[]) => answers.map(({ status, text }) => [status, text]);
const pidsOf = async (model: string) => (await describeModel(bench.server, model)).workers.map(({ pid }) => pid);

/** Adds a model without waiting for it to be registered as `serve` does. */
async function begin(
  name: string,
  plan: Parameters<FaultBench['store']['add']>[1],
  parameters = {},
): Promise<FaultModel> {
  const model = await bench.store.add(name, plan);
  bench.adopt(name);
  expect((await register(bench.server, name, { synchronous: false, ...parameters })).status).toBe(202);
  return model;
}

test('row 1: SIGKILL in the middle of a batch fails that batch at once, keeps what waits, and is over within the load time and a second', async () => {
  const { server } = bench;
  const model = await bench.serve('killed', { initial_workers: 2 });
  const doomed = predict(server, 'killed', { do: 'wait', gate: 'never' });
  const { pid } = await model.reached('waiting');
  const lucky = predict(server, 'killed', { do: 'wait', gate: 'go', value: 'lucky' });
  await model.reached('waiting', 2);
  const waiting = ['one', 'two', 'three'].map((value) => echo('killed', value));
  await untilWaiting(server, 'killed', 3);

  process.kill(pid, 'SIGKILL');
  const { ms, value } = await timed(doomed);
  expect(value).toMatchObject({ status: 503, text: expect.stringContaining('SIGKILL') });
  expect(value.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(ms).toBeLessThan(1_000);
  const recovery = await timed(Promise.all(waiting));
  expect(texts(recovery.value)).toEqual(['one', 'two', 'three'].map((text) => [200, text]));
  const replacement = (await model.entries('loaded')).at(-1)?.pid ?? 0;
  const plain = await timed(bench.expectServing());
  expect(recovery.ms).toBeLessThan((await loadTook(model, replacement)) + 1_000 + 5 * plain.ms);
  await model.open('go');
  expect((await lucky).text).toBe('lucky');
});

test('row 2: a worker stopped while it computes meets the response timeout and is replaced, group and all', async () => {
  const { server } = bench;
  const model = await bench.serve('stopped', { response_timeout: 1 });
  const hanging = predict(server, 'stopped', { do: 'fork', next: 'wait', gate: 'never' });
  const { pid } = await model.reached('waiting');
  const [forked] = await model.entries('forked');
  process.kill(pid, 'SIGSTOP');
  const waiting = echo('stopped', 'next');
  await bench.expectServing();
  expect(await hanging).toMatchObject({ status: 504, text: expect.stringContaining('after 1 s') });
  expect(texts([await waiting])).toEqual([[200, 'next']]);
  await untilGone(pid, forked?.child ?? 0);
});

test('row 3: a handler that is denied memory loses its request with 507, and its worker lives', async () => {
  await bench.serve('starving');
  const before = await pidsOf('starving');
  for (const command of ['starve', 'exhaust']) {
    const answer = await predict(bench.server, 'starving', { do: command });
    expect(answer.status, answer.text).toBe(507);
  }
  expect(texts([await echo('starving', 'fed')])).toEqual([[200, 'fed']]);
  expect(await pidsOf('starving')).toEqual(before);
});

test('row 4: a worker that never becomes ready shows that it loads, holds up nobody, and is given up after startup_timeout', async () => {
  const { server } = bench;
  const model = await begin('slow', { load: { do: 'wait', gate: 'never' } }, { startup_timeout: 2 });
  const { pid } = await model.reached('waiting');
  expect((await describeModel(server, 'slow')).workers[0]).toMatchObject({ state: 'loading', status: 'UNLOADING' });
  await bench.expectServing();
  const patient = echo('slow', 'patient');
  const { lastError } = await untilModel(server, 'slow', (view) => view.lastError !== undefined);
  expect(lastError).toMatchObject({ type: 'StartupTimeoutException' });
  expect(await patient).toMatchObject({ status: 503, text: expect.stringContaining('start-up timeout of 2 s') });
  await untilGone(pid);
});

test('row 5: requests to a model that cannot be imported are refused at once, with the first line of the error', async () => {
  const { server } = bench;
  await begin('unimportable', { import: 'module_of_nobody' });
  await untilModel(server, 'unimportable', (view) => view.lastError !== undefined);
  const { ms, value } = await timed(echo('unimportable', 'lost'));
  expect(value).toMatchObject({ status: 503, text: expect.stringContaining("No module named 'module_of_nobody'") });
  expect(value.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(ms).toBeLessThan(1_000);
  const { workers } = await untilModel(server, 'unimportable', (view) => view.workers[0]?.state === 'backoff');
  expect(workers[0]).toMatchObject({ reason: expect.stringMatching(/./), nextRetryAt: expect.stringMatching(/^20/) });
  const ready = await ask(`${server.inference}/readyz`);
  expect(ready).toMatchObject({ status: 503, text: expect.stringContaining('unimportable') });
});

test.each([
  ['exits', { do: 'leave', code: 9 }, 'exit code 9'],
  ['crashes', { do: 'crash' }, 'SIGSEGV'],
  ['aborts', { do: 'kill', signal: 'SIGABRT' }, 'SIGABRT'],
])(
  'row 6: a handler that %s costs its own request, and one that keeps doing so is not restarted in a storm',
  async (name, command, how) => {
    const { server } = bench;
    const model = await bench.serve(name);
    await echo(name, 'well');
    expect(await predict(server, name, command)).toMatchObject({ status: 503, text: expect.stringContaining(how) });
    expect(texts([await echo(name, 'again')])).toEqual([[200, 'again']]);
    for (const _ of [1, 2]) expect((await predict(server, name, command)).status).toBe(503);
    const { value, ms } = await timed(echo(name, 'early'));
    expect(value.status).toBe(503);
    expect(ms).toBeLessThan(1_000);
    expect((await model.entries('loading')).length).toBeLessThanOrEqual(3);
  },
);

test('row 8: a handler that raises is told apart in the log by the request, and tells its client nothing of itself', async () => {
  const { server } = bench;
  await bench.serve('raising');
  const before = await pidsOf('raising');
  const headers = { 'x-request-id': 'the-request-that-raised' };
  const raised = await predict(server, 'raising', { do: 'fail', text: 'password=hunter2' }, { headers });
  expect(raised.status).toBe(500);
  expect(raised.text).not.toMatch(/hunter2|Traceback|handler\.py|RuntimeError/);
  const line = await server.waitForLog(({ msg }) => msg?.includes('hunter2') === true);
  expect(line).toMatchObject({ model: 'raising' });
  const told = await server.waitForLog((one) => JSON.stringify(one).includes('the-request-that-raised'));
  expect(told).toBeDefined();
  expect(texts([await echo('raising', 'well')])).toEqual([[200, 'well']]);
  expect(await pidsOf('raising')).toEqual(before);
});

test('row 11: floods and bytes that are no text on the output of a worker hold up neither it nor others, and are cut in the log', async () => {
  const { server } = bench;
  await bench.serve('flooding');
  const flooding = predict(server, 'flooding', { do: 'flood', mebibytes: 40 });
  let isOver = false;
  void flooding.finally(() => {
    isOver = true;
  });
  let slowestMs = 0;
  while (!isOver) slowestMs = Math.max(slowestMs, (await timed(bench.expectServing())).ms);
  expect((await flooding).text).toBe('flooded');
  expect(slowestMs).toBeLessThan(2_000);
  // What was dropped is told with the first line that is let through again.
  let isTold = false;
  const isCount = ({ msg, model }: LogLine) => model === 'flooding' && /^\[\d+ lines dropped/.test(msg ?? '');
  void server.waitForLog(isCount).then(() => {
    isTold = true;
  });
  while (!isTold) await predict(server, 'flooding', { do: 'speak', text: 'dry again' });
  expect((await predict(server, 'flooding', { do: 'binary' })).text).toBe('printed');
  const lines = server.log.filter(({ model, stream }) => model === 'flooding' && stream !== undefined);
  expect(lines.length).toBeLessThan(5_000);
  expect(Math.max(...lines.map(({ msg }) => msg?.length ?? 0))).toBeLessThan(64 * 1024);
});
