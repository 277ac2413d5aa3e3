// What the two dialects say differently on the inference port: failing handlers and workers, full queues, deadlines, bodies that are too
// large or malformed, and the head of a good answer. Each row of the dialects' table is held against a server of either dialect.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ContractBench, startBench } from '../support/contract-bench.ts';
import { type Answer, errorOf } from '../support/http-exchange.ts';

const LIMIT_BYTES = 100_000;
const NO_WORKER_0_12 =
  'Model "puppet" has no worker to serve inference request. Please use scale workers API to add workers. ' +
  'If this is a sequence inference, please check if it is closed, or expired; or exceeds maxSequenceJobQueueSize';

describe.each(['documented', 'torchserve'] as const)('in the %s dialect', (dialect) => {
  const isDocumented = dialect === 'documented';
  let bench: ContractBench;

  beforeAll(async () => {
    bench = await startBench({
      settings: { api_dialect: dialect, enable_model_api: true, job_queue_size: 2, max_request_size: LIMIT_BYTES },
    });
    await bench.addPuppet('puppet.mar', 'puppet');
  });
  afterAll(() => bench?.stop());

  const expectError = (answer: Answer, status: number, type: string, message: string | RegExp) => {
    expect(answer.status, answer.body).toBe(status);
    expect(errorOf(answer)).toMatchObject({ code: status, type });
    if (typeof message === 'string') expect(errorOf(answer).message).toBe(message);
    else expect(errorOf(answer).message).toMatch(message);
  };

  describe('with a worker', () => {
    beforeEach(async () => {
      const found = await bench.manage('GET', '/models/puppet');
      if (found.status === 404) await bench.register('url=puppet.mar&initial_workers=1&response_timeout=1');
      await bench.until('puppet', ({ workers }) => workers.every(({ status }) => status === 'READY'));
    });

    test('a handler that answers without content', async () => {
      const answer = await bench.ask('puppet', { do: 'status', code: 204 });
      expect(answer).toMatchObject({ status: 204, body: '' });
      expect(answer.headers.map(([name]) => name.toLowerCase())).not.toContain('content-length');
      expect((await bench.ask('puppet', {})).status, 'the connection and the worker go on').toBe(200);
    });

    test('a handler that raises', async () => {
      const status = isDocumented ? 500 : 503;
      expectError(await bench.ask('puppet', { do: 'fail' }), status, 'InternalServerException', 'Prediction failed');
    });

    test.each([
      ['no list', { returns: 'OK' }, /list.*str|str.*list/, 'Invalid model predict output'],
      [
        'a list of another length',
        { returns: ['one', 'two'] },
        /1\b.*2\b|2\b.*1\b/,
        'number of batch response mismatched',
      ],
    ])('a handler that returns %s', async (_what, asked, expected, of012) => {
      const answer = await bench.ask('puppet', asked);
      if (isDocumented) expectError(answer, 500, 'InternalServerException', expected);
      else expectError(answer, 503, 'InternalServerException', of012);
      expect((await bench.ask('puppet', {})).status, 'the worker goes on').toBe(200);
    });

    test('a handler that does not answer in time', async () => {
      const answer = await bench.ask('puppet', { do: 'hold', gate: bench.gate().path });
      if (isDocumented) expectError(answer, 504, 'RequestTimeoutException', 'Prediction timed out after 1 s');
      else expectError(answer, 500, 'InternalServerException', 'Worker died.');
    });

    test('a worker that exits with the request', async () => {
      const answer = await bench.ask('puppet', { do: 'exit', code: 3 });
      if (isDocumented) expectError(answer, 503, 'ServiceUnavailableException', /died.*exit code 3/);
      else expectError(answer, 500, 'InternalServerException', 'Worker died.');
      expect(answer.header('retry-after')).toBe(isDocumented ? '1' : undefined);
    });

    test('a worker that is killed with the request', async () => {
      const answer = await bench.ask('puppet', { do: 'signal', number: 9 });
      if (isDocumented) expectError(answer, 503, 'ServiceUnavailableException', /died.*SIGKILL/);
      else expectError(answer, 507, 'InternalServerException', 'Worker died.');
    });

    test('a malformed multipart body', async () => {
      for (const [type, body] of [
        ['multipart/form-data', '--x\r\n'],
        ['multipart/form-data; boundary=x', '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\ncut off'],
        ['multipart/form-data; boundary=x', '--x\r\nContent-Type: text/plain\r\n\r\nno name\r\n--x--\r\n'],
      ] as const) {
        const answer = await bench.infer('/predictions/puppet', { headers: { 'Content-Type': type }, body });
        expectError(answer, 400, 'BadRequestException', /multipart\/form-data/);
      }
    });

    test('a body that is too large', async () => {
      const answer = await bench.infer('/predictions/puppet', { body: Buffer.alloc(LIMIT_BYTES + 1) });
      expect(answer.status).toBe(413);
      if (!isDocumented) expect(answer.body).toBe('');
      else {
        expectError(answer, 413, 'PayloadTooLargeException', /100000 bytes.*max_request_size/);
        expect(answer.header('x-request-id')).toMatch(/./);
      }
      expect((await bench.infer('/predictions/puppet', { body: Buffer.alloc(LIMIT_BYTES) })).status).toBe(200);
    });

    test('malformed percent-encoding', async () => {
      const answer = await bench.infer('/predictions/%zz', { body: 'x' });
      if (isDocumented) expectError(answer, 400, 'BadRequestException', /cannot be decoded/);
      else expectError(answer, 403, 'IllegalArgumentException', /./);
    });

    test('X-Request-Timeout that is no number of seconds', async () => {
      for (const value of ['soon', '0', '-1', '']) {
        const answer = await bench.ask('puppet', {}, { 'X-Request-Timeout': value });
        expectError(answer, 400, 'BadRequestException', /^X-Request-Timeout: expected a number of seconds/);
      }
    });

    test('X-Request-Timeout, over while the handler computes', async () => {
      const gate = bench.gate();
      const answer = await bench.ask('puppet', { do: 'hold', gate: gate.path }, { 'X-Request-Timeout': '0.5' });
      expectError(answer, 504, 'RequestTimeoutException', /500 ms.*while the model computed it/);
      await gate.open();
      expect((await bench.ask('puppet', {}, { 'X-Request-Timeout': '60' })).status).toBe(200);
    });

    test("a client's own request id reaches the handler and comes back, where the dialect keeps it", async () => {
      const answer = await bench.ask('puppet', { do: 'about' }, { 'X-Request-Id': 'my-id-1' });
      const { requestId } = answer.json() as { requestId: string };
      expect(answer.header('x-request-id')).toBe(requestId);
      if (isDocumented) expect(requestId).toBe('my-id-1');
      else expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
    });

    test.each([
      [{ a: 1 }, 'application/json'],
      ['words', 'text/plain; charset=utf-8'],
      [1.5, 'application/json'],
    ])('the content type of %j when the handler sets none', async (what, type) => {
      const answer = await bench.ask('puppet', { do: 'say', what });
      expect(answer.status).toBe(200);
      expect(answer.reason).toBe(isDocumented ? 'OK' : '');
      expect(answer.header('content-type')).toBe(isDocumented ? type : undefined);
      expect(answer.header('pragma')).toBe(isDocumented ? undefined : 'no-cache');
    });

    test('the content type of bytes when the handler sets none', async () => {
      const answer = await bench.infer('/predictions/puppet', { body: 'bytes' });
      expect(answer.body).toBe('bytes');
      expect(answer.header('content-type')).toBe(isDocumented ? 'application/octet-stream' : undefined);
    });
  });

  describe('with a queue', () => {
    beforeEach(async () => {
      await bench.clear('puppet');
      await bench.register('url=puppet.mar&initial_workers=1&synchronous=true');
    });

    test('one that is full', async () => {
      const gate = bench.gate();
      const held = bench.ask('puppet', { do: 'hold', gate: gate.path });
      await gate.entered();
      const waiting = [bench.ask('puppet', {}), bench.ask('puppet', {})];
      await bench.until('puppet', ({ jobQueueStatus }) => jobQueueStatus.remainingCapacity === 0);
      const answer = await bench.ask('puppet', {});
      const message = isDocumented ? /queue of model puppet is full: 2 requests/ : NO_WORKER_0_12;
      expectError(answer, 503, 'ServiceUnavailableException', message);
      expect(answer.header('retry-after')).toMatch(/^\d+$/);
      await gate.open();
      for (const one of [await held, ...(await Promise.all(waiting))]) expect(one.status).toBe(200);
    });

    test.each([
      ['an exception with a status', { why: 'not this one', code: 422 }, 422, 'not this one'],
      ['any other exception', { why: 'secret' }, isDocumented ? 500 : 503, 'Prediction failed'],
    ])('one request of a batch fails with %s, and the other is answered', async (_what, refusal, status, message) => {
      await bench.clear('puppet');
      await bench.register('url=puppet.mar&initial_workers=1&synchronous=true&batch_size=2');
      const gate = bench.gate();
      const held = bench.ask('puppet', { do: 'hold', gate: gate.path });
      await gate.entered();
      const together = [bench.ask('puppet', { do: 'refuse', ...refusal }), bench.ask('puppet', { do: 'about' })];
      await bench.until('puppet', ({ jobQueueStatus }) => jobQueueStatus.pendingRequests === 2);
      await gate.open();
      const [, refused, answered] = await Promise.all([held, ...together]);
      expect(refused?.status).toBe(status);
      expect(errorOf(refused as Answer)).toMatchObject({ code: status, message });
      expect(answered?.status).toBe(200);
      expect(answered?.json()).toMatchObject({ batch: 2 });
    });

    test('X-Request-Timeout, over while the request waits', async () => {
      const gate = bench.gate();
      const held = bench.ask('puppet', { do: 'hold', gate: gate.path });
      await gate.entered();
      const answer = await bench.ask('puppet', {}, { 'X-Request-Timeout': '0.1' });
      expectError(answer, 504, 'RequestTimeoutException', /100 ms.*while it waited for a worker/);
      expect((await bench.describe('puppet')).jobQueueStatus.pendingRequests).toBe(0);
      await gate.open();
      expect((await held).status).toBe(200);
    });
  });

  describe('without a worker', () => {
    beforeEach(() => bench.clear('puppet'));

    test('and none wanted', async () => {
      await bench.register('url=puppet.mar');
      const answer = await bench.ask('puppet', {});
      const message = isDocumented ? /PUT \/models\/puppet\?min_worker=1/ : NO_WORKER_0_12;
      expectError(answer, 503, 'ServiceUnavailableException', message);
      expect(answer.header('connection')).toBe(isDocumented ? 'keep-alive' : 'close');
    });

    test('while the first one is starting, the request waits for it', async () => {
      const gate = bench.gate();
      await bench.addPuppet('slow.mar', 'puppet', { load: { gate: gate.path } });
      await bench.register('url=slow.mar&initial_workers=1&synchronous=false');
      const answer = bench.ask('puppet', {});
      await bench.until('puppet', ({ jobQueueStatus }) => jobQueueStatus.pendingRequests === 1);
      expect(await ping()).toEqual([200, { status: 'Healthy' }]);
      await gate.open();
      expect((await answer).status).toBe(200);
    });

    test('once the first start has failed, what waits and what comes is told why', async () => {
      const gate = bench.gate();
      await bench.addPuppet('bad.mar', 'puppet', { load: { gate: gate.path, raise_while: bench.store } });
      await bench.register('url=bad.mar&initial_workers=1&synchronous=false');
      const waiting = bench.ask('puppet', {});
      await bench.until('puppet', ({ jobQueueStatus }) => jobQueueStatus.pendingRequests === 1);
      await gate.open();
      const why = /not available.*RuntimeError: the weights are not to my taste/;
      expectError(await waiting, 503, 'ServiceUnavailableException', why);
      const later = await bench.ask('puppet', {});
      expectError(later, 503, 'ServiceUnavailableException', why);
      expect(later.header('retry-after')).toMatch(/^\d+$/);
      // One dialect tells what is; the other gives a failing worker its time to recover first.
      expect(await ping()).toEqual(isDocumented ? [500, { status: 'Unhealthy' }] : [200, { status: 'Healthy' }]);
    });

    async function ping(): Promise<[number, unknown]> {
      const answer = await bench.infer('/ping', { method: 'GET' });
      return [answer.status, answer.json()];
    }
  });
});
