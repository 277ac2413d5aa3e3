// Bodies that share a budget, and large ones that go to files: real requests, and a real folder.

import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { type ClientRequest, createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ByteBudget } from '../../../src/core/byte-budget.ts';
import { type Body, type BodyRules, largestInMemory } from '../../../src/http/arriving-body.ts';
import { BodyFiles } from '../../../src/http/body-files.ts';
import { readRequestBody } from '../../../src/http/request-body.ts';
import { rejectionOf } from '../../support/thrown.ts';

const BUDGET = 4_000_000;
/** With this budget, a body above this is large. */
const LARGE = 1_000_000;

let folder = '';
let rules: BodyRules;
let server: ReturnType<typeof createServer>;
let arrived: { readonly request: IncomingMessage; readonly body: Promise<Body> }[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-bodies-test-'));
  rules = { limitBytes: 50_000_000, budget: new ByteBudget(BUDGET), files: new BodyFiles(join(folder, 'bodies')) };
  arrived = [];
  server = createServer((request) => {
    const body = readRequestBody(request, rules, String(request.headers['x-model'] ?? 'm'));
    body.catch(() => {});
    arrived.push({ request, body });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rules.files.close();
  await rm(folder, { recursive: true, force: true });
});

/** Begins a request; what becomes of it is the next of `arrived`. */
function begin(headers: Readonly<Record<string, string>> = {}): ClientRequest {
  const { port } = server.address() as AddressInfo;
  const outgoing = httpRequest({ port, host: '127.0.0.1', method: 'POST', headers });
  outgoing.on('error', () => {});
  return outgoing;
}

/** Sends this body, and gives what the server has read of it. */
async function send(bytes: Buffer, headers: Readonly<Record<string, string>> = {}): Promise<Body> {
  const index = arrived.length;
  begin({ 'content-length': String(bytes.length), ...headers }).end(bytes);
  return (await arrival(index)).body;
}

async function arrival(index: number) {
  await expect.poll(() => arrived.length).toBeGreaterThan(index);
  const found = arrived[index];
  if (found === undefined) throw new Error('no request has arrived');
  return found;
}

const files = () => readdir(join(folder, 'bodies')).catch(() => []);
const noise = (length: number) =>
  Buffer.from(Array.from({ length }, (_, index) => (index * 7919 * (index % 97)) & 255));

describe('a large body', () => {
  it.each([
    ['of a declared length', (bytes: Buffer) => [bytes, { 'content-length': String(bytes.length) }]],
    ['of an unknown length', (bytes: Buffer) => [bytes, { 'transfer-encoding': 'chunked', 'content-length': '' }]],
    ['that was compressed', (bytes: Buffer) => [gzipSync(bytes), { 'content-encoding': 'gzip' }]],
  ] as const)('%s is in a file of its owner, until it is discarded', async (_what, sent) => {
    const bytes = noise(3 * LARGE);
    const [payload, { 'content-length': length, ...headers }] = sent(bytes) as [Buffer, Record<string, string>];
    const outgoing = begin(length ? { ...headers, 'content-length': length } : headers);
    // In two steps: the length that is not declared is seen to grow.
    outgoing.write(payload.subarray(0, 500_000));
    outgoing.end(payload.subarray(500_000));
    const body = await (await arrival(0)).body;
    expect([body.chunks, body.sizeBytes]).toEqual([[], bytes.length]);
    expect((await readFile(body.file ?? '')).equals(bytes)).toBe(true);
    expect((await stat(body.file ?? '')).mode & 0o777).toBe(0o600);
    expect([rules.budget.usedBytes, rules.files.bytes]).toEqual([0, bytes.length]);
    body.discard();
    body.discard();
    await expect.poll(files).toEqual([]);
    expect(rules.files.bytes).toBe(0);
  });

  it('goes to a file from a quarter of the budget on, and from 16 MiB on if that is less', async () => {
    expect(largestInMemory(rules.budget)).toBe(LARGE);
    expect(largestInMemory(new ByteBudget(2 ** 40))).toBe(16 * 1024 * 1024);
    expect((await send(Buffer.alloc(LARGE - 10_000))).file).toBeUndefined();
    expect((await send(Buffer.alloc(LARGE + 1))).file).toBeDefined();
  });

  it('is one that comes in crumbs, because each of them costs memory', async () => {
    const outgoing = begin({ 'transfer-encoding': 'chunked' });
    outgoing.setNoDelay(true);
    const crumb = Buffer.from('x');
    for (let count = 0; count < 5_000; count += 1) outgoing.write(crumb);
    outgoing.end();
    const body = await (await arrival(0)).body;
    expect([body.sizeBytes, body.file !== undefined]).toEqual([5_000, true]);
    expect(await readFile(body.file ?? '', 'utf8')).toBe('x'.repeat(5_000));
  });

  it('that passes max_request_size leaves no file', async () => {
    rules = { ...rules, limitBytes: 2 * LARGE };
    const outgoing = begin({ 'transfer-encoding': 'chunked' });
    outgoing.end(Buffer.alloc(3 * LARGE));
    const { body } = await arrival(0);
    expect(await rejectionOf(body)).toMatchObject({ code: 'BODY_TOO_LARGE' });
    await expect.poll(files).toEqual([]);
    expect([rules.budget.usedBytes, rules.files.bytes]).toEqual([0, 0]);
  });

  it('whose client leaves leaves no file', async () => {
    const outgoing = begin({ 'content-length': String(3 * LARGE) });
    outgoing.write(Buffer.alloc(LARGE + 100_000));
    const { body } = await arrival(0);
    await expect.poll(() => rules.files.bytes).toBeGreaterThan(0);
    outgoing.destroy();
    expect(await rejectionOf(body)).toMatchObject({ code: 'CANCELLED' });
    await expect.poll(files).toEqual([]);
    expect([rules.budget.usedBytes, rules.files.bytes]).toEqual([0, 0]);
  });

  it('whose client leaves when it is here as a whole is still there for who works with it', async () => {
    const outgoing = begin({ 'content-length': String(2 * LARGE) });
    outgoing.end(Buffer.alloc(2 * LARGE));
    const { request, body } = await arrival(0);
    const { file = '' } = await body;
    outgoing.destroy();
    await expect.poll(() => request.destroyed).toBe(true);
    expect((await readFile(file)).length).toBe(2 * LARGE);
  });

  it('that cannot be written is refused, and so is one for which the disk has no room', async () => {
    await writeFile(join(folder, 'bodies'), 'a file where the folder should be');
    const { code, message } = await rejectionOf(send(Buffer.alloc(2 * LARGE)));
    expect([code, message]).toEqual(['BODY_NOT_STORED', expect.stringContaining('EEXIST')]);
    await rm(join(folder, 'bodies'));
    rules = { ...rules, limitBytes: Number.MAX_SAFE_INTEGER };
    begin({ 'content-length': String(2 ** 52) }).flushHeaders();
    const refused = await rejectionOf((await arrival(1)).body);
    expect([refused.code, refused.message]).toEqual(['BODY_NOT_STORED', expect.stringContaining('no room')]);
    expect(rules.budget.usedBytes).toBe(0);
    expect(await files()).toEqual([]);
  });

  it('that is still being written goes when the folder is closed', async () => {
    begin({ 'content-length': String(3 * LARGE) }).write(Buffer.alloc(LARGE + 100_000));
    await expect.poll(() => rules.files.bytes).toBeGreaterThan(0);
    await rules.files.close();
    expect(await files()).toEqual([]);
  });
});

describe('whatever clients do', () => {
  const client = fc.record({
    model: fc.constantFrom('a', 'b'),
    sizeBytes: fc.integer({ min: 1, max: 2 * LARGE }),
    isDeclared: fc.boolean(),
    isCompressed: fc.boolean(),
    /** How much it sends before it leaves, for those that do. */
    leavesAfter: fc.option(fc.double({ min: 0, max: 0.99, noNaN: true })),
  });

  it('nothing is kept of them in the end, and never more than the budget before', async () => {
    const most = { used: 0 };
    const property = fc.asyncProperty(fc.array(client, { minLength: 1, maxLength: 12 }), async (clients) => {
      arrived = [];
      const requests = clients.map(({ model, sizeBytes, isDeclared, isCompressed, leavesAfter }) => {
        const bytes = isCompressed ? gzipSync(Buffer.alloc(sizeBytes)) : Buffer.alloc(sizeBytes);
        const outgoing = begin({
          'x-model': model,
          ...(isDeclared ? { 'content-length': String(bytes.length) } : { 'transfer-encoding': 'chunked' }),
          ...(isCompressed ? { 'content-encoding': 'gzip' } : {}),
        });
        outgoing.flushHeaders();
        if (leavesAfter === null) outgoing.end(bytes);
        else outgoing.write(bytes.subarray(0, leavesAfter * bytes.length));
        return { outgoing, isLeaving: leavesAfter !== null };
      });
      await expect.poll(() => arrived.length).toBe(clients.length);
      for (const { outgoing, isLeaving } of requests) if (isLeaving) outgoing.destroy();
      const outcomes = await Promise.allSettled(arrived.map(({ body }) => body));
      most.used = Math.max(most.used, rules.budget.usedBytes);
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') outcome.value.discard();
        else expect(['CANCELLED', 'BUFFER_FULL']).toContain(outcome.reason.code);
      }
      for (const { outgoing } of requests) outgoing.destroy();
      await expect.poll(files).toEqual([]);
      expect([rules.budget.usedBytes, rules.files.bytes]).toEqual([0, 0]);
    });
    await fc.assert(property, { numRuns: 25 });
    expect(most.used).toBeGreaterThan(0);
    expect(most.used).toBeLessThanOrEqual(BUDGET);
  });
});

describe('the budget', () => {
  it('counts what is in memory until it is discarded', async () => {
    const body = await send(Buffer.alloc(500_000));
    expect(rules.budget.usedBytes).toBeGreaterThanOrEqual(500_000);
    expect(rules.budget.usedBytes).toBeLessThan(510_000);
    body.discard();
    body.discard();
    expect(rules.budget.usedBytes).toBe(0);
  });

  it('refuses one model what it leaves to others', async () => {
    const bodies = [await send(Buffer.alloc(900_000)), await send(Buffer.alloc(900_000))];
    const { code, message, details } = await rejectionOf(send(Buffer.alloc(900_000)));
    expect([code, details]).toEqual(['BUFFER_FULL', { model: 'm', retryAfterSec: 1 }]);
    expect(message).toMatch(/18\d{5} of them for model m, and max_buffered_size allows 4000000/);
    const other = await send(Buffer.alloc(900_000), { 'x-model': 'other' });
    for (const body of [...bodies, other]) body.discard();
    (await send(Buffer.alloc(900_000))).discard();
    expect(rules.budget.usedBytes).toBe(0);
  });

  it('refuses what does not say its length when it has grown too much, and gives the room back', async () => {
    const body = await send(Buffer.alloc(900_000));
    const used = rules.budget.usedBytes;
    rules.budget.reserve('m', BUDGET / 2 - used - 400_000);
    begin({ 'transfer-encoding': 'chunked' }).end(Buffer.alloc(900_000));
    expect(await rejectionOf((await arrival(1)).body)).toMatchObject({ code: 'BUFFER_FULL' });
    expect(rules.budget.usedBytes).toBe(BUDGET / 2 - 400_000);
    body.discard();
  });

  it('lets requests without a body pass, however full it is', async () => {
    rules.budget.reserve('m', BUDGET / 2);
    expect((await send(Buffer.alloc(0))).sizeBytes).toBe(0);
  });
});
