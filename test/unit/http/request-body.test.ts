import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { ByteBudget } from '../../../src/core/byte-budget.ts';
import { ServingError } from '../../../src/core/errors.ts';
import type { Body, BodyRules } from '../../../src/http/arriving-body.ts';
import { BodyFiles } from '../../../src/http/body-files.ts';
import { readRequestBody } from '../../../src/http/request-body.ts';

const LIMIT = 100_000;
/** In these tests every body fits in memory. */
const rulesOf = (limitBytes: number): BodyRules => ({
  limitBytes,
  budget: new ByteBudget(2 ** 40),
  files: new BodyFiles('/the/bodies/of/no/server'),
});
const servers: ReturnType<typeof createServer>[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

interface Outcome {
  readonly body?: Body;
  readonly error?: ServingError;
  /** What had been written to the connection, and was read by the server, when the outcome was known. */
  readonly arrivedBytes: number;
}

/** Sends these pieces to a server that reads them with the limit. */
async function read(
  pieces: readonly Buffer[],
  headers: Readonly<Record<string, string>>,
  limitBytes = LIMIT,
): Promise<Outcome> {
  let settle: (outcome: Outcome) => void = () => {};
  const outcome = new Promise<Outcome>((resolve) => {
    settle = resolve;
  });
  const server = createServer((request: IncomingMessage, response) => {
    const arrivedBytes = () => request.socket.bytesRead;
    readRequestBody(request, rulesOf(limitBytes), 'm').then(
      (body) => settle({ body, arrivedBytes: arrivedBytes() }),
      (error: unknown) => {
        if (error instanceof ServingError) settle({ error, arrivedBytes: arrivedBytes() });
        else throw error;
      },
    );
    void outcome.then(() => response.end());
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const outgoing = httpRequest({ port, host: '127.0.0.1', method: 'POST', headers });
  outgoing.on('error', () => {});
  for (const piece of pieces) outgoing.write(piece);
  outgoing.end();
  return outcome;
}

const textOf = (outcome: Outcome) => Buffer.concat(outcome.body?.chunks ?? []).toString();

describe('the body of a request', () => {
  it('is the chunks that came', async () => {
    const outcome = await read([Buffer.from('one'), Buffer.from('two')], {});
    expect(textOf(outcome)).toBe('onetwo');
    expect(outcome.body?.sizeBytes).toBe(6);
  });

  it.each([
    ['gzip', gzipSync('hello')],
    ['GZip ', gzipSync('hello')],
    ['x-gzip', gzipSync('hello')],
    ['deflate', deflateSync('hello')],
    ['identity', Buffer.from('hello')],
    ['gzip', Buffer.concat([gzipSync('hel'), gzipSync('lo')])],
  ])('is what was compressed in it (%s)', async (encoding, bytes) => {
    const outcome = await read([bytes], { 'content-encoding': encoding });
    expect(textOf(outcome)).toBe('hello');
    expect(outcome.body?.sizeBytes).toBe(5);
  });

  it('may be as large as the limit, and no larger, opened', async () => {
    const fits = await read([gzipSync(Buffer.alloc(LIMIT))], { 'content-encoding': 'gzip' });
    expect(fits.body?.sizeBytes).toBe(LIMIT);
    const passes = await read([gzipSync(Buffer.alloc(LIMIT + 1))], { 'content-encoding': 'gzip' });
    expect(passes.error?.code).toBe('BODY_TOO_LARGE');
  });

  it('is refused as soon as the limit is passed: a bomb is not opened to its end', async () => {
    const bomb = gzipSync(Buffer.alloc(256 * 1024 * 1024), { level: 9 });
    expect(bomb.length).toBeGreaterThan(2 * LIMIT);
    const before = process.memoryUsage().arrayBuffers;
    const { error } = await read([bomb], { 'content-encoding': 'gzip' }, bomb.length);
    expect(error?.code).toBe('BODY_TOO_LARGE');
    expect(error?.message).toContain('max_request_size');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
  });

  it('has the limit while it is compressed, too', async () => {
    const noise = Buffer.from(Array.from({ length: 2 * LIMIT }, (_, index) => (index * 7919 * (index % 97)) & 255));
    const bytes = gzipSync(noise, { level: 0 });
    const { error } = await read([bytes], { 'content-encoding': 'gzip', 'transfer-encoding': 'chunked' });
    expect(error?.code).toBe('BODY_TOO_LARGE');
    const declared = await read([], { 'content-encoding': 'gzip', 'content-length': String(LIMIT + 1) });
    expect(declared.error?.code).toBe('BODY_TOO_LARGE');
  });

  it.each([
    ['gzip', Buffer.from('no gzip at all'), 'is not gzip'],
    ['gzip', gzipSync('hello').subarray(0, 12), 'unexpected end of file'],
    ['gzip', Buffer.concat([gzipSync('hello').subarray(0, -5), Buffer.from('xxxxx')]), 'is not gzip'],
    ['deflate', deflateRawSync('hello'), 'zlib format'],
  ])('that is broken says so (%s)', async (encoding, bytes, words) => {
    const { error } = await read([bytes], { 'content-encoding': encoding });
    expect(error?.code).toBe('INVALID_BODY');
    expect(error?.message).toContain(words);
  });

  it.each(['br', 'zstd', 'gzip, gzip', 'constructor'])('in the encoding %s is not read', async (encoding) => {
    const { error } = await read([Buffer.from('x')], { 'content-encoding': encoding });
    expect(error?.code).toBe('BODY_ENCODED');
    expect(error?.message).toContain(`Content-Encoding: ${encoding}`);
  });

  it('that its client does not finish is cancelled, compressed or not', async () => {
    for (const encoding of ['identity', 'gzip']) {
      const server = createServer();
      servers.push(server);
      const failure = new Promise<unknown>((resolve) => {
        server.on('request', (request) => readRequestBody(request, rulesOf(LIMIT), 'm').catch(resolve));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const headers = { 'content-encoding': encoding };
      const outgoing = httpRequest({ port, host: '127.0.0.1', method: 'POST', headers });
      outgoing.on('error', () => {});
      outgoing.write(gzipSync('hello').subarray(0, 11));
      server.once('request', () => outgoing.destroy());
      expect(await failure).toMatchObject({ code: 'CANCELLED' });
    }
  });
});
