// What supervision promises beyond a new process: requests that are tried again, and those that end one worker after the other; ends that are told
// apart; and workers that are warmed up before they take part.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ArchiveFiles, makeFolder, manifestFile } from '../support/archive-forge.ts';
import { createFaultStore, type FaultStore } from '../support/fault-model.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import {
  ask,
  describeModel,
  metricsText,
  openPrediction,
  predict,
  register,
  unregister,
  untilModel,
  untilWaiting,
} from '../support/serving-client.ts';
import { identityNetwork } from '../support/tiny-onnx.ts';

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

describe('with retryOnWorkerDeath', () => {
  const RETRYING = 'retryOnWorkerDeath: true\n';

  test.concurrent('a request whose worker is killed is answered by the next one', async () => {
    const model = await store.add('retried', {}, RETRYING);
    await register(server, 'retried');
    const answer = predict(server, 'retried', { do: 'wait', gate: 'go', value: 'after all' });
    process.kill((await model.reached('waiting')).pid, 'SIGKILL');
    await model.open('go');
    expect(await answer).toMatchObject({ status: 200, text: 'after all' });
    expect(await model.entries('batch')).toHaveLength(2);
  });

  test.concurrent('a request that ends every worker fails after the second, by its id; those beside it are answered', async () => {
    const model = await store.add('poisonous', {}, RETRYING);
    await register(server, 'poisonous', { batch_size: 3, max_batch_delay: 50 });
    const gate = predict(server, 'poisonous', { do: 'wait', gate: 'go' });
    await model.reached('waiting');
    const headers = { 'x-request-id': 'the-poison' };
    const poison = predict(server, 'poisonous', { do: 'leave', code: 9 }, { headers });
    const others = ['one', 'two'].map((value) => predict(server, 'poisonous', { do: 'echo', value }));
    await untilWaiting(server, 'poisonous', 3);
    await model.open('go');

    expect((await gate).status).toBe(200);
    const failed = await poison;
    expect(failed).toMatchObject({ status: 503, text: expect.stringContaining('is not tried a third time') });
    expect(failed.text).toContain('exit code 9');
    expect(failed.headers.get('retry-after')).toBeNull();
    expect((await Promise.all(others)).map(({ text }) => text)).toEqual(['one', 'two']);
    await server.waitForLog(({ requestIds }) => Array.isArray(requestIds) && requestIds.includes('the-poison'));
    const sizes = (await model.entries('batch')).map(({ commands }) => commands?.length);
    expect(sizes.slice(0, 3)).toEqual([1, 3, 1]);
  });

  test.concurrent('a stream of which a part has been sent breaks off', async () => {
    const model = await store.add('half', {}, RETRYING);
    await register(server, 'half');
    const answer = await openPrediction(server, 'half', { do: 'stream', count: 2, gate: 'never' });
    await answer.untilBytes('part 0'.length);
    process.kill((await model.reached('waiting')).pid, 'SIGKILL');
    expect(await answer.ended).toBe('broken');
    expect(await model.entries('batch')).toHaveLength(1);
  });
});

describe('the last exit', () => {
  const NOTHING_KNOWN = { exitCode: undefined, signal: undefined, reason: undefined, killedFor: undefined };

  beforeAll(async () => {
    await store.add('ending');
    await register(server, 'ending', { response_timeout: 1 });
  });

  test.each([
    [{ do: 'leave', code: 1, words: 'MemoryError' }, { exitCode: 1, reason: 'oom' }, 'ran out of memory'],
    [{ do: 'kill' }, { signal: 'SIGKILL', reason: 'probably-oom' }, 'a sign that memory ran out'],
    [{ do: 'leave', code: 3 }, { exitCode: 3 }, 'exit code 3'],
    [
      { do: 'deaf' },
      { signal: 'SIGKILL', reason: 'killed', killedFor: 'no answer within the response timeout of 1 s' },
      'timed out',
    ],
  ])('says why the worker ended: %j', async (command, lastExit, words) => {
    // A death before the first answer would count for the back-off.
    expect((await predict(server, 'ending', { do: 'echo', value: 'well' })).text).toBe('well');
    const { text } = await predict(server, 'ending', command);
    expect(text).toContain(words);
    const { workers } = await untilModel(server, 'ending', (view) => view.workers[0]?.state === 'ready');
    const { exitCode, signal, reason, killedFor } = workers[0]?.lastExit ?? {};
    expect({ exitCode, signal, reason, killedFor }).toEqual({ ...NOTHING_KNOWN, ...lastExit });
    if (reason === 'oom') await server.waitForLog(({ msg }) => msg?.includes('out of memory') === true);
  });
});

describe('a warm-up', () => {
  test.concurrent('is over before a worker takes part, has a phase of its own, and is not measured', async () => {
    const model = await store.add('warm', {}, 'warmup:\n- body: {do: count, name: Warmed, value: up}\n  count: 2\n');
    expect((await register(server, 'warm', { batch_size: 4, max_batch_delay: 0 })).status).toBe(200);
    const batches = await model.entries('batch');
    expect(batches.map(({ commands }) => commands)).toEqual([['up'], ['up'], ['up', 'up', 'up', 'up']]);
    const view = await describeModel(server, 'warm');
    expect(view.loading?.map(({ phase, state }) => [phase, state])).toContainEqual(['warm-up', 'done']);
    await server.waitForLog(({ msg, model: name }) => msg === 'warm-up done' && name === 'warm');

    expect((await predict(server, 'warm', { do: 'echo', value: 'first' })).text).toBe('first');
    const metrics = (await metricsText(server)).split('\n').filter((line) => line.includes('model_name="warm"'));
    expect(metrics.join('\n')).not.toContain('Warmed');
    expect(metrics.find((line) => line.startsWith('ts_inference_requests_total'))).toMatch(/ 1(?:\.0)?$/);
  });

  test.concurrent('comes again with every process of the worker', async () => {
    const model = await store.add('again', {}, 'warmup: [{body: {do: echo, value: up}}]\n');
    await register(server, 'again');
    await predict(server, 'again', { do: 'echo', value: 'between' });
    await predict(server, 'again', { do: 'leave', value: 'gone' });
    expect((await predict(server, 'again', { do: 'echo', value: 'after' })).text).toBe('after');
    const commands = (await model.entries('batch')).map((entry) => entry.commands?.[0]);
    expect(commands).toEqual(['up', 'between', 'gone', 'up', 'after']);
  });

  type FailedWarmUp = [string, string, Record<string, unknown>, number, string, readonly string[]];

  test.concurrent.each<FailedWarmUp>([
    [
      'its handler raises',
      '[{body: {do: echo}}, {body: {do: fail, text: "no kernels"}}]',
      {},
      500,
      'WarmupException',
      ['Warm-up request 2 of 2 failed: RuntimeError: no kernels.', 'in fail'],
    ],
    [
      'memory runs out',
      '[{body: {do: exhaust}}]',
      {},
      507,
      'OutOfMemoryException',
      ['request 1 of 1 failed: MemoryError'],
    ],
    [
      'the process ends',
      '[{body: {do: leave, code: 6}}]',
      {},
      500,
      'WorkerCrashException',
      ['ended during warm-up request 1 of 1', 'exit code 6'],
    ],
    [
      'it takes longer than the start may',
      '[{body: {do: deaf}}]',
      { startup_timeout: 6, response_timeout: 1 },
      500,
      'StartupTimeoutException',
      ['start-up timeout of 6 s during warm-up request 1 of 1; it was at handler.py'],
    ],
    [
      'its file is missing',
      '[{file: none.json}]',
      {},
      500,
      'ModelFileNotFoundException',
      ['warm-up request 1 of 1 (none.json) cannot be read'],
    ],
  ])('fails the start when %s', async (what, requests, parameters, status, type, words) => {
    const name = `cold-${what.replaceAll(/\W/g, '-')}`;
    await store.add(name, {}, `warmup: ${requests}\n`);
    const answer = await register(server, name, parameters);
    expect(answer.status, answer.text).toBe(status);
    const document = JSON.parse(answer.text);
    expect(document.type).toBe(type);
    for (const word of words) expect(document.message).toContain(word);
    expect((await ask(`${server.management}/models/${name}`)).status).toBe(404);
  });

  test.concurrent('works for TypeScript handlers and ONNX networks, and says what they say', async () => {
    const handler = `import { defineHandler } from 'sconce/handler';
let seen = 0;
export default defineHandler({
  predict: (requests) => requests.map((request) => {
    seen += 1;
    if (request.text() === 'bad') throw new TypeError('no such word');
    return { seen };
  }),
});
`;
    const add = (name: string, files: ArchiveFiles, model: Record<string, unknown>, runtime: string) =>
      makeFolder(join(store.folder, name), {
        ...manifestFile({ modelName: name, configFile: 'model-config.yaml', ...model }, { runtime }),
        ...files,
      });
    const words = { handler: 'handler.ts' };
    await add(
      'words',
      { 'handler.ts': handler, 'model-config.yaml': 'warmup: [{body: good, count: 3}]\n' },
      words,
      'node',
    );
    await register(server, 'words');
    const answer = await ask(`${server.inference}/predictions/words`, { method: 'POST', body: 'good' });
    expect(JSON.parse(answer.text)).toEqual({ seen: 4 });
    await unregister(server, 'words');

    await add('bad', { 'handler.ts': handler, 'model-config.yaml': 'warmup: [{body: bad}]\n' }, words, 'node');
    const bad = JSON.parse((await register(server, 'bad')).text);
    expect(bad.type).toBe('WarmupException');
    expect(bad.message).toContain('Warm-up request 1 of 1 failed: TypeError: no such word.');
    expect(bad.message).toContain('handler.ts');

    const network = identityNetwork([{ name: 'x', type: 'FP32', shape: ['batch', 2] }]);
    const weights = { serializedFile: 'n.onnx' };
    await add('net', { 'n.onnx': network, 'model-config.yaml': 'warmup: [{body: [[1, 2]]}]\n' }, weights, 'python');
    const registered = await register(server, 'net');
    expect(registered.status, registered.text).toBe(200);
    await add(
      'wrong',
      { 'n.onnx': network, 'model-config.yaml': 'warmup: [{body: [[1, 2, 3]]}]\n' },
      weights,
      'python',
    );
    expect(JSON.parse((await register(server, 'wrong')).text).message).toContain(
      'Warm-up request 1 of 1 failed: Input "x"',
    );
  });
});
