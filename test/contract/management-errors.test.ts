// What the two dialects say differently on the management port when a request is wrong or a worker does not start: the rows of the
// dialects' table, each held against a server of either dialect.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { makeMar } from '../support/archive-forge.ts';
import { type ContractBench, startBench } from '../support/contract-bench.ts';
import { errorOf } from '../support/http-exchange.ts';

const CACHE_HEADERS = ['Pragma', 'Cache-Control', 'Expires'];
const JSON_TYPE = { 'Content-Type': 'application/json' };

describe.each(['documented', 'torchserve'] as const)('in the %s dialect', (dialect) => {
  const isDocumented = dialect === 'documented';
  let bench: ContractBench;

  beforeAll(async () => {
    // The model API is on by default in one dialect, and has to be asked for in the other.
    const modelApi = isDocumented ? {} : { enable_model_api: true };
    bench = await startBench({ settings: { api_dialect: dialect, ...modelApi } });
    await bench.addPuppet('puppet.mar', 'puppet');
    await bench.addPuppet('raising.mar', 'puppet', { load: { raise_while: join(bench.store, 'raising.mar') } });
    await bench.addPuppet('crashing.mar', 'puppet', { load: { exit: 7 } });
    await writeFile(join(bench.store, 'broken.mar'), 'PK\x03\x04 and no more');
  });
  afterAll(() => bench?.stop());
  afterEach(() => bench.clear('puppet'));

  const register = (query: string) => bench.manage('POST', `/models?${query}`);

  test('an unknown parameter', async () => {
    const answer = await register('url=puppet.mar&initial_worker=1');
    expect(answer.status).toBe(isDocumented ? 400 : 200);
    if (!isDocumented) return;
    expect(errorOf(answer).type).toBe('BadRequestException');
    expect(errorOf(answer).message).toMatch(/^Unknown parameter "initial_worker".*did you mean.*initial_workers/i);
  });

  test('a number that cannot be read, and a negative count', async () => {
    const answer = await register('url=puppet.mar&batch_size=four');
    expect(answer.status).toBe(isDocumented ? 400 : 200);
    if (isDocumented) {
      expect(errorOf(answer).message).toMatch(/^Parameter batch_size: expected a whole number .*, found "four"$/);
      await bench.register('url=puppet.mar');
    }
    expect((await bench.describe('puppet')).batchSize, 'the default').toBe(1);
    const scaled = await bench.manage('PUT', '/models/puppet?min_worker=-1');
    expect(scaled.status).toBe(isDocumented ? 400 : 202);
    expect((await bench.describe('puppet')).minWorkers).toBe(isDocumented ? 0 : 1);
  });

  test.each(['/models/%zz', '/models/puppet?min_worker=%z', '/models/%E0%A4%A'])(
    'malformed percent-encoding in %s',
    async (path) => {
      await bench.register('url=puppet.mar');
      const answer = await bench.manage('PUT', path);
      expect(answer.status).toBe(isDocumented ? 400 : 403);
      expect(errorOf(answer)).toMatchObject({
        code: answer.status,
        type: isDocumented ? 'BadRequestException' : 'IllegalArgumentException',
      });
    },
  );

  test('the same name and version again', async () => {
    await bench.register('url=puppet.mar');
    const answer = await register('url=puppet.mar');
    expect(answer.status).toBe(409);
    expect(errorOf(answer)).toEqual({
      code: 409,
      type: 'ConflictStatusException',
      message: 'Model version 1.0 is already registered for model puppet',
    });
  });

  test('an archive without a name, and none given', async () => {
    await makeMar(join(bench.store, 'nameless.mar'), { 'h.py': 'def handle(data, context):\n    return data\n' });
    const answer = await register('url=nameless.mar&handler=h.py');
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toEqual({
      code: 400,
      type: 'InvalidModelException',
      message: isDocumented
        ? 'Model name is not defined. The archive has no MANIFEST.json that names the model: register it with model_name=….'
        : 'Model name is not defined.',
    });
  });

  test('a JSON body and a query together', async () => {
    const body = JSON.stringify({ url: 'puppet.mar', batch_size: 4 });
    const path = '/models?batch_size=2&max_batch_delay=7';
    const answer = await bench.manage('POST', path, { headers: JSON_TYPE, body });
    expect(answer.status, answer.body).toBe(200);
    const maxBatchDelay = isDocumented ? 7 : 100;
    expect(await bench.describe('puppet')).toMatchObject({ batchSize: 4, maxBatchDelay });
  });

  test('a JSON body with single quotes and numbers as texts', async () => {
    const body = "{'url': 'puppet.mar', 'batch_size': '4'}";
    const answer = await bench.manage('POST', '/models', { headers: JSON_TYPE, body });
    expect(answer.status).toBe(isDocumented ? 400 : 200);
    if (!isDocumented) expect(await bench.describe('puppet')).toMatchObject({ batchSize: 4 });
  });

  test('a JSON body that is no JSON', async () => {
    const answer = await bench.manage('POST', '/models', { headers: JSON_TYPE, body: '{"url": ' });
    expect(answer.status).toBe(400);
    expect(errorOf(answer).type).toBe('BadRequestException');
  });

  test('the runtime in capitals', async () => {
    const answer = await register('url=puppet.mar&runtime=PYTHON');
    expect(answer.status).toBe(isDocumented ? 200 : 400);
    if (!isDocumented) expect(errorOf(answer).message).toBe('Invalid RuntimeType value: PYTHON');
  });

  test('synchronous, when a registration does not say', async () => {
    const answer = await register('url=puppet.mar&initial_workers=1');
    expect([answer.status, answer.json()]).toEqual(
      isDocumented
        ? [202, { status: 'Worker updated' }]
        : [200, { status: 'Model "puppet" Version: 1.0 registered with 1 initial workers' }],
    );
  });

  test('a synchronous registration whose handler raises while it loads', async () => {
    const answer = await register('url=raising.mar&initial_workers=1&synchronous=true');
    expect(answer.status).toBe(500);
    const { type, message } = errorOf(answer);
    if (isDocumented) {
      expect(type).toBe('HandlerInitializeException');
      expect(message).toContain('RuntimeError: the weights are not to my taste');
    } else {
      expect(type).toBe('InternalServerException');
      expect(message).toBe('Failed to start workers for model puppet version: 1.0');
    }
    expect((await bench.manage('GET', '/models/puppet')).status, 'the registration is undone').toBe(404);
    expect(await bench.livingPuppets()).toEqual([]);
  });

  test('a synchronous registration whose worker exits while it loads', async () => {
    const answer = await register('url=crashing.mar&initial_workers=1&synchronous=true');
    expect(answer.status).toBe(500);
    const { type, message } = errorOf(answer);
    if (isDocumented) {
      expect(type).toBe('WorkerCrashException');
      expect(message).toMatch(/exit code 7.*last words/);
    } else {
      expect(type).toBe('InternalServerException');
      expect(message).toBe('Failed to start workers for model puppet version: 1.0');
    }
  });

  test('a synchronous scale whose workers do not start', async () => {
    await bench.register('url=raising.mar');
    const answer = await bench.manage('PUT', '/models/puppet?min_worker=1&synchronous=true');
    expect(answer.status).toBe(500);
    if (!isDocumented) expect(errorOf(answer).message).toBe('Failed to start workers for model puppet version: null');
    const workers = isDocumented ? 0 : 1;
    expect(await bench.describe('puppet')).toMatchObject({ minWorkers: workers, maxWorkers: workers });
  });

  test('an archive that is corrupt', async () => {
    const answer = await register('url=broken.mar');
    expect(answer.status).toBe(isDocumented ? 400 : 500);
    const { type, message } = errorOf(answer);
    expect(type).toBe(isDocumented ? 'InvalidModelException' : 'InternalServerException');
    if (isDocumented) expect(message).toMatch(/^Cannot load broken\.mar: /);
    else expect(message).toBe('Failed to save model: broken.mar');
  });

  test('an archive that cannot be fetched', async () => {
    const answer = await register('url=http://127.0.0.1:9/x.mar');
    expect(errorOf(answer).message).toMatch(/127\.0\.0\.1/);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
  });

  test('limit beyond 100, and 0', async () => {
    await bench.register('url=puppet.mar');
    expect((await bench.manage('GET', '/models?limit=1000')).status).toBe(200);
    const none = await bench.manage('GET', '/models?limit=0');
    expect(none.status).toBe(isDocumented ? 400 : 200);
    if (!isDocumented) expect(none.json()).toEqual({ nextPageToken: '0', models: [] });
  });

  test('the fields of a description', async () => {
    await bench.register('url=puppet.mar');
    const [version] = (await bench.manage('GET', '/models/puppet')).json() as [Record<string, unknown>];
    expect('engine' in version).toBe(isDocumented);
    expect(Object.keys(version).at(-1)).toBe(isDocumented ? 'loading' : 'jobQueueStatus');
    // The contract's list ends with the workers; 0.12 puts them behind its own further fields.
    expect(Object.keys(version).indexOf('workers')).toBe(isDocumented ? 9 : Object.keys(version).length - 2);
  });

  test('an error and the connection, and what stands in every head', async () => {
    const answer = await bench.manage('GET', '/models/nobody');
    expect(answer.header('connection')).toBe(isDocumented ? 'keep-alive' : 'close');
    const names = answer.headers.map(([name]) => name);
    expect(names).toEqual([
      'content-type',
      'x-request-id',
      ...(isDocumented ? [] : CACHE_HEADERS),
      'content-length',
      'connection',
    ]);
  });

  test("a client's own request id", async () => {
    const valid = await bench.manage('GET', '/models', { headers: { 'X-Request-Id': 'trace:0a.B_1-2' } });
    if (isDocumented) expect(valid.header('x-request-id')).toBe('trace:0a.B_1-2');
    else expect(valid.header('x-request-id')).not.toBe('trace:0a.B_1-2');
    for (const invalid of ['has space', 'x'.repeat(129), 'a"b']) {
      const answer = await bench.manage('GET', '/models', { headers: { 'X-Request-Id': invalid } });
      expect(answer.header('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    }
  });
});

test('the torchserve dialect has no model API unless it is asked for, but scales and describes', async () => {
  const bench = await startBench({ settings: { api_dialect: 'torchserve' } });
  try {
    for (const [method, path] of [
      ['POST', '/models?url=puppet.mar'],
      ['DELETE', '/models/puppet'],
      ['DELETE', '/models/puppet/1.0'],
    ] as const) {
      const answer = await bench.manage(method, path);
      expect(answer.status, `${method} ${path}`).toBe(405);
      expect(errorOf(answer).type).toBe('MethodNotAllowedException');
    }
    expect(errorOf(await bench.manage('PUT', '/models/puppet?min_worker=1')).message).toBe('Model not found: puppet');
    expect((await bench.manage('GET', '/models')).json()).toEqual({ models: [] });
  } finally {
    await bench.stop();
  }
});
