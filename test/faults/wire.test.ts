// Rows 12 and 13 of docs/architecture/faults.md: a worker process that breaks the protocol, on either channel, or answers what it was not
// asked. It costs that worker; it never reaches a client that it is not meant for. fuzz.test.ts is for frames by the thousand.
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { FaultBench } from '../support/invariants.ts';
import { residentBytes, untilGone } from '../support/processes.ts';
import { type Answer, ask, describeModel, predict } from '../support/serving-client.ts';

const IMPOSTOR = fileURLToPath(new URL('../fixtures/workers/impostor.mjs', import.meta.url));
const MAX_RESPONSE_BYTES = 1_000_000;

let folder: string;
let bench: FaultBench;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-impostor-'));
  const python = join(folder, 'python');
  await writeFile(python, `#!/bin/sh\nexec "${process.execPath}" "${IMPOSTOR}"\n`);
  await chmod(python, 0o755);
  bench = await FaultBench.start({ settings: { python, max_response_size: MAX_RESPONSE_BYTES } });
});
afterEach(() => bench.expectAtRest());
afterAll(async () => {
  await bench?.stop();
  await rm(folder, { recursive: true, force: true });
});

type Step = Readonly<Record<string, unknown>>;

/** Has the impostor follow a script. */
function script(
  model: string,
  steps: readonly Step[],
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return ask(`${bench.server.inference}/predictions/${model}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(steps),
  });
}

const good = (model: string) => predict(bench.server, model, { do: 'echo', value: 'good' });
const pidOf = async (model: string) => (await describeModel(bench.server, model)).workers[0]?.pid ?? 0;

/** The head of a frame with this header, in hex. */
function head(header: string | object): string {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, text]).toString('hex');
}

const item = { job: 'own', last: true, as: 'text' };

describe('row 12: what is no frame, or no message', () => {
  const broken: readonly (readonly [what: string, ...steps: Step[]])[] = [
    ['a header of four gigabytes', { hex: 'ffffffff' }],
    ['a header just over the limit', { hex: '01000001' }],
    ['a header that is not UTF-8', { hex: '00000004fffefdfc' }],
    ['a header that is not JSON', { hex: head('{"type":') }],
    ['a header that is a list', { hex: head('[]') }],
    ['a header without a type', { hex: head({ kind: 'output' }) }],
    ['a message of a type that nobody knows', { say: { type: 'obey' } }],
    ['the server’s own word', { say: { type: 'load' } }],
    ['a part of a petabyte', { hex: head({ type: 'output', outputs: [item], parts: [2 ** 50] }) }],
    ['a part of less than nothing', { hex: head({ type: 'output', outputs: [item], parts: [-1] }) }],
    ['a part of half a byte', { hex: head({ type: 'output', outputs: [item], parts: [0.5] }) }],
    ['parts that are no list', { hex: head({ type: 'output', outputs: [item], parts: 'many' }) }],
    ['an answer over max_response_size', { hex: head({ type: 'output', parts: [MAX_RESPONSE_BYTES + 1] }) }],
    ['more outputs than parts', { say: { type: 'output', outputs: [item, item] }, parts: ['one'] }],
    ['outputs that are no list', { say: { type: 'output', outputs: { length: 1 } }, parts: ['one'] }],
    ['a job that is no number', { say: { type: 'output', outputs: [{ ...item, job: 'mine' }] }, parts: ['x'] }],
    ['a status that is no number', { say: { type: 'output', outputs: [{ ...item, status: 'ok' }] }, parts: ['x'] }],
    ['headers that are no pairs', { say: { type: 'output', outputs: [{ ...item, headers: [['a']] }] }, parts: ['x'] }],
    ['an error of a code that nobody knows', { say: { type: 'error', code: 'TIRED', message: 'm', jobs: ['own'] } }],
    [
      'half an answer, and the exit',
      { say: { type: 'output', outputs: [item] }, parts: ['half'], cut: 60 },
      { exit: 0 },
    ],
    ['half an answer, and the end of the channel', { say: { type: 'started', jobs: [] }, cut: 9 }, { hangUp: true }],
    ['garbage on the control channel', { controlHex: 'ffffffff' }],
    ['a part on the control channel', { controlHex: head({ type: 'pong', id: 1, parts: [1] }) }],
    ['a word on the control channel that nobody knows', { reply: { type: 'hello' } }],
  ];

  test('costs the worker that sends it its life and the request an answer, every time, and the next worker serves', async () => {
    await bench.serve('broken');
    await good('broken');
    for (const [what, ...steps] of broken) {
      const pid = await pidOf('broken');
      const startedAt = performance.now();
      const answer = await script('broken', [{ started: ['own'] }, ...steps]);
      expect([what, answer.status]).toEqual([what, 503]);
      expect(performance.now() - startedAt, what).toBeLessThan(4_000);
      const next = await good('broken');
      expect([what, next.status, next.text]).toEqual([what, 200, 'good']);
      await untilGone(pid);
    }
    const [worker] = (await describeModel(bench.server, 'broken')).workers;
    expect(worker?.state).toBe('ready');
  });

  test('takes no memory by the length that it claims', async () => {
    await bench.serve('greedy', { response_timeout: 1 });
    await good('greedy');
    const before = await residentBytes(bench.server.pid);
    for (const hex of ['00ffffff', head({ type: 'output', outputs: [item], parts: [MAX_RESPONSE_BYTES] })]) {
      const answers = Array.from({ length: 4 }, () => script('greedy', [{ started: ['own'] }, { hex }]));
      for (const { status } of await Promise.all(answers)) expect([503, 504]).toContain(status);
      await good('greedy');
    }
    expect((await residentBytes(bench.server.pid)) - before).toBeLessThan(30 * 1024 * 1024);
  });
});

describe('row 13: answers that nobody asked for', () => {
  test('two answers to one request: the first counts', async () => {
    await bench.serve('twice');
    const answer = await script('twice', [{ started: ['own'] }, { answer: 'first' }, { answer: 'second' }]);
    expect([answer.status, answer.text]).toEqual([200, 'first']);
    expect((await good('twice')).text).toBe('good');
  });

  test('an answer that comes after the client was told that it is too late reaches nobody', async () => {
    await bench.serve('late');
    const pid = await pidOf('late');
    const timedOut = await script('late', [{ started: ['own'] }, { park: 'late' }], { 'X-Request-Timeout': '0.1' });
    expect(timedOut.status).toBe(504);
    const own = [{ started: ['own'] }, { answer: 'too late', job: 'late' }, { answer: 'too late', job: 'late' }];
    const next = await script('late', [...own, { answer: 'in time' }]);
    expect([next.status, next.text]).toEqual([200, 'in time']);
    expect(await pidOf('late')).toBe(pid);
  });

  test('answers to made-up ids, and to requests that another worker has, reach nobody', async () => {
    await bench.serve('victim');
    await bench.serve('forger');
    const victim = script('victim', [{ started: ['own'] }, { park: 'it' }], { 'X-Request-Timeout': '1' });
    const ids = [...Array.from({ length: 300 }, (_, id) => id), 2 ** 40, Number.MAX_SAFE_INTEGER];
    // Its own id may be among them: then it has answered itself, and only itself.
    const forged = ids.flatMap((job) => [
      { answer: 'forged', job },
      { say: { type: 'error', code: 'PREDICTION_FAILED', message: 'forged', jobs: [job] } },
    ]);
    const forger = await script('forger', [{ started: ['own'] }, ...forged]);
    expect([forger.status, forger.text]).toEqual([200, 'forged']);
    const answer = await victim;
    expect(answer.status).toBe(504);
    expect(answer.text).not.toContain('forged');
    expect((await good('forger')).text).toBe('good');
    expect((await good('victim')).text).toBe('good');
  });

  test('an answer without the handler having begun counts, and "started" of what is over changes nothing', async () => {
    await bench.serve('hasty');
    const answer = await script('hasty', [{ answer: 'at once' }, { started: ['own', 12345] }]);
    expect([answer.status, answer.text]).toEqual([200, 'at once']);
    expect((await good('hasty')).text).toBe('good');
  });
});
