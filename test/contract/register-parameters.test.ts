// Every parameter of POST /models in the documented dialect: what it is when absent, what it does, and where its bounds are.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ContractBench, startBench } from '../support/contract-bench.ts';
import { errorOf } from '../support/http-exchange.ts';

let bench: ContractBench;

beforeAll(async () => {
  bench = await startBench();
  await bench.addPuppet('puppet.mar', 'puppet');
});
afterAll(() => bench?.stop());
beforeEach(() => bench.clear('puppet'));

const register = (query: string) => bench.manage('POST', `/models?${query}`);

describe('url', () => {
  test.each([
    ['', 400, 'BadRequestException', 'Parameter url is required.'],
    ['url=', 404, 'ModelNotFoundException', 'empty url'],
    ['url=missing.mar', 404, 'ModelNotFoundException', 'Model not found at: missing.mar'],
    ['url=sub/puppet.mar', 404, 'ModelNotFoundException', 'sub/puppet.mar is neither the name of a file or folder'],
    ['url=../puppet.mar', 404, 'ModelNotFoundException', 'Relative path is not allowed in url: ../puppet.mar'],
  ])('"%s" is answered with %i %s', async (query, status, type, message) => {
    const answer = await register(query);
    expect(answer.status).toBe(status);
    expect(errorOf(answer)).toMatchObject({ code: status, type });
    expect(errorOf(answer).message).toContain(message);
  });
});

describe('model_name', () => {
  test('absent, the name is that of the manifest', async () => {
    expect((await register('url=puppet.mar')).body).toContain('Model \\"puppet\\" registered');
  });

  test('given, it is the name in every path', async () => {
    expect((await register('url=puppet.mar&model_name=marionette')).body).toContain(
      'Model \\"marionette\\" registered',
    );
    expect((await bench.describe('marionette')).modelName).toBe('marionette');
    expect((await bench.manage('GET', '/models/puppet')).status).toBe(404);
    await bench.clear('marionette');
  });

  test('a name that no path could carry is refused', async () => {
    const answer = await register('url=puppet.mar&model_name=a%2Fb');
    expect(answer.status).toBe(400);
    expect(errorOf(answer).message).toMatch(/^model_name: expected /);
  });
});

describe('handler', () => {
  test('given as module:function it takes the place of the one in the manifest', async () => {
    await bench.register('url=puppet.mar&handler=puppet_handler:other&initial_workers=1&synchronous=true');
    expect((await bench.ask('puppet', {})).body).toBe('the other entry point');
  });

  test('one that the archive does not have fails the registration with the reason, and leaves nothing behind', async () => {
    const answer = await register('url=puppet.mar&handler=nobody:home&initial_workers=1&synchronous=true');
    expect(answer.status).toBe(500);
    expect(errorOf(answer).type).toBe('HandlerNotFoundException');
    expect(errorOf(answer).message).toContain('No handler nobody:home');
    expect((await bench.manage('GET', '/models/puppet')).status).toBe(404);
  });
});

describe('runtime', () => {
  test.each(['', '&runtime=PYTHON', '&runtime=python', '&runtime=Python', '&runtime=python3', '&runtime=PYTHON3'])(
    '"%s" is Python, in lower case in descriptions',
    async (parameter) => {
      await bench.register(`url=puppet.mar${parameter}`);
      expect((await bench.describe('puppet')).runtime).toBe('python');
    },
  );

  test('a runtime that nobody has is refused by name', async () => {
    const answer = await register('url=puppet.mar&runtime=perl');
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toMatchObject({
      type: 'BadRequestException',
      message: expect.stringContaining('value: perl. This server has python'),
    });
  });
});

describe('batching', () => {
  test('is adaptive when absent, and what was asked for in any case', async () => {
    await bench.register('url=puppet.mar');
    expect(await bench.describe('puppet')).toMatchObject({ batching: 'adaptive' });
    await bench.clear('puppet');
    await bench.register('url=puppet.mar&batching=FIXED');
    expect(await bench.describe('puppet')).toMatchObject({ batching: 'fixed' });
  });

  test('anything else is refused by name', async () => {
    const answer = await register('url=puppet.mar&batching=eager');
    expect(answer.status).toBe(400);
    expect(errorOf(answer).message).toBe('Parameter batching: expected adaptive or fixed, found "eager"');
  });
});

describe('batch_size and max_batch_delay', () => {
  test('absent they are 1 and 100 ms', async () => {
    await bench.register('url=puppet.mar');
    expect(await bench.describe('puppet')).toMatchObject({ batchSize: 1, maxBatchDelay: 100 });
  });

  test('what waits behind a busy worker goes as one batch, no larger than batch_size', async () => {
    await bench.register('url=puppet.mar&batch_size=3&max_batch_delay=0&initial_workers=1&synchronous=true');
    expect(await bench.describe('puppet')).toMatchObject({ batchSize: 3, maxBatchDelay: 0 });
    const gate = bench.gate();
    const held = bench.ask('puppet', { do: 'hold', gate: gate.path });
    await gate.entered();
    const waiting = Array.from({ length: 4 }, () => bench.ask('puppet', { do: 'about' }));
    await bench.until('puppet', ({ jobQueueStatus }) => jobQueueStatus.pendingRequests === 4);
    await gate.open();
    await held;
    const batches = (await Promise.all(waiting)).map((answer) => (answer.json() as { batch: number }).batch);
    expect(batches.sort()).toEqual([1, 3, 3, 3]);
  });

  test('with batching=fixed a request waits max_batch_delay for company, even of an idle worker', async () => {
    await bench.register('url=puppet.mar&batch_size=2&max_batch_delay=600000&batching=fixed&initial_workers=1');
    const first = bench.ask('puppet', { do: 'about' });
    await bench.until('puppet', ({ jobQueueStatus }) => jobQueueStatus.pendingRequests === 1);
    const second = bench.ask('puppet', { do: 'about' });
    for (const answer of await Promise.all([first, second])) expect(answer.json()).toMatchObject({ batch: 2 });
  });

  test('once max_batch_delay is over, a request goes alone', async () => {
    await bench.register('url=puppet.mar&batch_size=2&max_batch_delay=20&batching=fixed&initial_workers=1');
    expect((await bench.ask('puppet', { do: 'about' })).json()).toMatchObject({ batch: 1 });
  });
});

describe('initial_workers and synchronous', () => {
  test('absent, no worker is created', async () => {
    await bench.register('url=puppet.mar&synchronous=true');
    expect(await bench.describe('puppet')).toMatchObject({ minWorkers: 0, maxWorkers: 0, workers: [] });
  });

  test('without synchronous the answer does not wait for the workers', async () => {
    const gate = bench.gate();
    await bench.addPuppet('slow.mar', 'puppet', { load: { gate: gate.path } });
    const answer = await register('url=slow.mar&initial_workers=2');
    expect(answer.status).toBe(202);
    await gate.entered();
    const { minWorkers, maxWorkers, workers } = await bench.describe('puppet');
    expect({ minWorkers, maxWorkers }).toEqual({ minWorkers: 2, maxWorkers: 2 });
    expect(workers.map(({ status }) => status)).toEqual(['UNLOADING', 'UNLOADING']);
    await gate.open();
    await bench.until('puppet', ({ workers: all }) => all.every(({ status }) => status === 'READY'));
  });

  test('with synchronous=true the answer comes when every worker is ready', async () => {
    const gate = bench.gate();
    await bench.addPuppet('slow.mar', 'puppet', { load: { gate: gate.path } });
    let hasAnswered = false;
    const answer = register('url=slow.mar&initial_workers=2&synchronous=TRUE').finally(() => {
      hasAnswered = true;
    });
    await gate.entered();
    expect((await bench.describe('puppet')).workers.map(({ status }) => status)).toEqual(['UNLOADING', 'UNLOADING']);
    expect(hasAnswered).toBe(false);
    await gate.open();
    expect((await answer).status).toBe(200);
    expect((await bench.describe('puppet')).workers.map(({ status }) => status)).toEqual(['READY', 'READY']);
  });
});

describe('response_timeout and startup_timeout', () => {
  test('absent they are 120 s', async () => {
    await bench.register('url=puppet.mar');
    expect(await bench.describe('puppet')).toMatchObject({ responseTimeout: 120, startupTimeout: 120 });
  });

  test('a worker that does not answer within response_timeout is replaced', async () => {
    await bench.register('url=puppet.mar&response_timeout=1&initial_workers=1&synchronous=true');
    const former = (await bench.describe('puppet')).workers[0]?.pid;
    const answer = await bench.ask('puppet', { do: 'hold', gate: bench.gate().path });
    expect(answer.status).toBe(504);
    expect(errorOf(answer).message).toBe('Prediction timed out after 1 s');
    const { workers } = await bench.until('puppet', ({ workers: [only] }) => {
      return only?.status === 'READY' && only.pid !== former;
    });
    expect(await bench.livingPuppets()).toEqual([workers[0]?.pid]);
  });

  test('a worker that is not ready within startup_timeout fails a synchronous registration, which is undone', async () => {
    await bench.addPuppet('stuck.mar', 'puppet', { load: { gate: bench.gate().path } });
    const answer = await register('url=stuck.mar&startup_timeout=1&initial_workers=1&synchronous=true');
    expect(answer.status).toBe(500);
    expect(errorOf(answer).type).toBe('StartupTimeoutException');
    expect(errorOf(answer).message).toContain('start-up timeout of 1 s');
    expect((await bench.manage('GET', '/models/puppet')).status).toBe(404);
    expect(await bench.livingPuppets()).toEqual([]);
  });
});

test.each([
  ['batch_size', ['0', '-1', '65537', '1.5', 'four', '']],
  ['max_batch_delay', ['-1', '2147483648', '0x10']],
  ['initial_workers', ['-1', '1001', 'many']],
  ['synchronous', ['maybe', '1', 'yes']],
  ['response_timeout', ['0', '-1', 'soon']],
  ['startup_timeout', ['0', '-1', '12s']],
])('%s outside its bounds is refused, naming parameter and value', async (name, values) => {
  for (const value of values) {
    const answer = await register(`url=puppet.mar&${name}=${value}`);
    expect(answer.status, `${name}=${value}`).toBe(400);
    const { type, message } = errorOf(answer);
    expect(type).toBe('BadRequestException');
    expect(message).toMatch(new RegExp(`^Parameter ${name}: expected .+, found "${value}"$`));
  }
  expect((await bench.manage('GET', '/models/puppet')).status, 'nothing was registered').toBe(404);
});

describe('a JSON body', () => {
  const json = (path: string, document: unknown) =>
    bench.manage('POST', path, { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(document) });

  test('takes the same parameters, as JSON values or as texts', async () => {
    const answer = await json('/models', {
      url: 'puppet.mar',
      batch_size: 4,
      max_batch_delay: '50',
      synchronous: false,
    });
    expect(answer.status, answer.body).toBe(200);
    expect(await bench.describe('puppet')).toMatchObject({ batchSize: 4, maxBatchDelay: 50 });
  });

  test('wins over the query, key by key', async () => {
    const path = '/models?url=puppet.mar&batch_size=2&response_timeout=7';
    expect((await json(path, { batch_size: 4 })).status).toBe(200);
    expect(await bench.describe('puppet')).toMatchObject({ batchSize: 4, responseTimeout: 7 });
  });

  test.each([
    ['[]', /must be an object/],
    ["{'url': 'puppet.mar'}", /cannot be read/],
    ['{"url": {"file": "puppet.mar"}}', /^Parameter url: expected a text, a number or a boolean/],
    ['{"url": "puppet.mar", "batchsize": 4}', /Unknown parameter "batchsize".*did you mean.*batch_size/i],
  ])('%s is refused', async (body, message) => {
    const answer = await bench.manage('POST', '/models', { headers: { 'Content-Type': 'application/json' }, body });
    expect(answer.status).toBe(400);
    expect(errorOf(answer).message).toMatch(message);
  });
});
