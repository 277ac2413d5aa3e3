// The Management API document, example by example: each request that it prints, and of each answer that it prints the status line, the
// headers in their order, and the body to the byte. What parameters do is in the files beside this one.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ContractBench, startBench } from '../support/contract-bench.ts';
import type { Answer } from '../support/http-exchange.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const CURL = { headers: { 'User-Agent': 'curl/8.5.0', Accept: '*/*' } };
const VERSION_FIELDS = [
  'modelName',
  'modelVersion',
  'modelUrl',
  'engine',
  'runtime',
  'minWorkers',
  'maxWorkers',
  'batchSize',
  'maxBatchDelay',
  'workers',
];
const WORKER_FIELDS = ['id', 'startTime', 'status', 'gpu', 'memoryUsage'];

let bench: ContractBench;

beforeAll(async () => {
  bench = await startBench();
  await bench.addNoop('squeezenet_v1.1.mar', 'squeezenet_v1.1');
  await bench.addNoop('noop.mar', 'noop');
  await bench.addNoop('noop_2.mar', 'noop', '2.0');
});
afterAll(() => bench?.stop());

function expectStatus(answer: Answer, statusLine: string, contentLength: number, status: string): void {
  expect(`HTTP/1.1 ${answer.status} ${answer.reason}`).toBe(statusLine);
  const id = answer.header('x-request-id');
  expect(id).toMatch(UUID);
  expect(answer.headers.map(([name, value]) => `${name}: ${value}`)).toEqual([
    'content-type: application/json',
    `x-request-id: ${id}`,
    `content-length: ${contentLength}`,
    'connection: keep-alive',
  ]);
  expect(answer.body).toBe(`{\n  "status": "${status}"\n}\n`);
}

const OK = 'HTTP/1.1 200 OK';
const ACCEPTED = 'HTTP/1.1 202 Accepted';

describe('register a model', () => {
  beforeEach(() => bench.clear('squeezenet_v1.1'));

  test('a registration without workers says that the model is registered', async () => {
    const answer = await bench.manage('POST', '/models?url=squeezenet_v1.1.mar', CURL);
    expectStatus(answer, OK, 55, 'Model \\"squeezenet_v1.1\\" registered');
  });

  test('an asynchronous registration with a worker is accepted', async () => {
    const path = '/models?initial_workers=1&synchronous=false&url=squeezenet_v1.1.mar';
    expectStatus(await bench.manage('POST', path, CURL), ACCEPTED, 33, 'Worker updated');
  });

  test('a synchronous registration with a worker answers when the worker is ready', async () => {
    const path = '/models?initial_workers=1&synchronous=true&url=squeezenet_v1.1.mar';
    expectStatus(await bench.manage('POST', path, CURL), OK, 32, 'Worker scaled');
    const { workers } = await bench.describe('squeezenet_v1.1');
    expect(workers.map(({ status }) => status)).toEqual(['READY']);
  });
});

describe('descriptions of a model with two versions', () => {
  beforeAll(async () => {
    await bench.register('url=noop.mar&initial_workers=1&synchronous=true');
    await bench.register('url=noop_2.mar&initial_workers=1&synchronous=true');
  });

  const first = { modelVersion: '1.0', modelUrl: 'noop.mar' };
  const second = { modelVersion: '2.0', modelUrl: 'noop_2.mar' };
  test.each([
    ['/models/noop', 'the default version', [first]],
    ['/models/noop/2.0', 'that version', [second]],
    ['/models/noop/all', 'every version, the default first', [first, second]],
  ])('GET %s describes %s', async (path, _what, expected) => {
    const answer = await bench.manage('GET', path, CURL);
    expect(answer.status).toBe(200);
    expect(answer.header('content-type')).toBe('application/json');
    const versions = answer.json() as Record<string, unknown>[];
    expect(answer.body, 'two spaces, and one newline at the end').toBe(`${JSON.stringify(versions, null, 2)}\n`);
    expect(versions.map(printedFields)).toEqual(
      expected.map((own) => ({
        modelName: 'noop',
        ...own,
        engine: 'Torch',
        runtime: 'python',
        minWorkers: 1,
        maxWorkers: 1,
        batchSize: 1,
        maxBatchDelay: 100,
        workers: [{ id: 'digits', startTime: 'UTC', status: 'READY', gpu: false, memoryUsage: 'bytes' }],
      })),
    );
    for (const version of versions) {
      expect(Object.keys(version).slice(0, VERSION_FIELDS.length)).toEqual(VERSION_FIELDS);
      for (const worker of version['workers'] as object[]) {
        expect(Object.keys(worker).slice(0, WORKER_FIELDS.length)).toEqual(WORKER_FIELDS);
      }
    }
  });
});

describe('changes to a model with two versions', () => {
  beforeEach(async () => {
    await bench.clear('noop');
    await bench.register('url=noop.mar');
    await bench.register('url=noop_2.mar');
  });

  test('an asynchronous scale is accepted', async () => {
    expectStatus(await bench.manage('PUT', '/models/noop?min_worker=3', CURL), ACCEPTED, 33, 'Worker updated');
    await bench.until('noop', ({ workers }) => workers.filter(({ status }) => status === 'READY').length === 3);
  });

  test('a synchronous scale answers after all workers have been adjusted', async () => {
    const answer = await bench.manage('PUT', '/models/noop?min_worker=3&synchronous=true', CURL);
    expectStatus(answer, OK, 32, 'Worker scaled');
    const { workers } = await bench.describe('noop');
    expect(workers.map(({ status }) => status)).toEqual(['READY', 'READY', 'READY']);
  });

  test('a scale that names a version leaves the other versions alone', async () => {
    const answer = await bench.manage('PUT', '/models/noop/2.0?min_worker=3&synchronous=true', CURL);
    expectStatus(answer, OK, 32, 'Worker scaled');
    expect((await bench.describe('noop/2.0')).workers).toHaveLength(3);
    expect((await bench.describe('noop/1.0')).workers).toEqual([]);
  });

  test('set-default makes any version the one that answers without a version in the path', async () => {
    const answer = await bench.manage('PUT', '/models/noop/2.0/set-default', CURL);
    expectStatus(answer, OK, 85, 'Default version successfully updated for model \\"noop\\" to \\"2.0\\"');
    expect((await bench.describe('noop')).modelVersion).toBe('2.0');
  });

  test('a version that is not the default is unregistered', async () => {
    await bench.manage('PUT', '/models/noop/2.0/set-default', CURL);
    const answer = await bench.manage('DELETE', '/models/noop/1.0', CURL);
    expectStatus(answer, OK, 46, 'Model \\"noop\\" unregistered');
    expect((await bench.manage('GET', '/models/noop/1.0')).status).toBe(404);
    expect((await bench.describe('noop')).modelVersion).toBe('2.0');
  });
});

test('the printed page of the list: two models from the third on, and where the next page begins', async () => {
  const names = ['alpha', 'beta', 'noop', 'noop_v0.1', 'zeta'];
  await bench.clear('noop');
  await bench.clear('squeezenet_v1.1');
  for (const name of names) {
    await bench.addNoop(`${name}.mar`, name);
    await bench.register(`url=${name}.mar`);
  }
  const answer = await bench.manage('GET', '/models?limit=2&next_page_token=2', CURL);
  expect(answer.body).toBe(`{
  "nextPageToken": "4",
  "models": [
    {
      "modelName": "noop",
      "modelUrl": "noop.mar"
    },
    {
      "modelName": "noop_v0.1",
      "modelUrl": "noop_v0.1.mar"
    }
  ]
}
`);
  const whole = (await bench.manage('GET', '/models', CURL)).json() as { models: { modelName: string }[] };
  expect(Object.keys(whole)).toEqual(['models']);
  expect(whole.models.map(({ modelName }) => modelName)).toEqual(names);
});

/** The contract's fields of a version, with what differs from run to run replaced by its kind. */
function printedFields(version: Record<string, unknown>): Record<string, unknown> {
  const workers = (version['workers'] as Record<string, unknown>[]).map((worker) => ({
    id: /^\d+$/.test(String(worker['id'])) ? 'digits' : worker['id'],
    startTime: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(String(worker['startTime']))
      ? 'UTC'
      : worker['startTime'],
    status: worker['status'],
    gpu: worker['gpu'],
    memoryUsage: Number(worker['memoryUsage']) > 1_000_000 ? 'bytes' : worker['memoryUsage'],
  }));
  const printed = VERSION_FIELDS.map((field) => [field, field === 'workers' ? workers : version[field]]);
  return Object.fromEntries(printed);
}
