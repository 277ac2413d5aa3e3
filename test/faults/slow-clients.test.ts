// Row 20 of docs/architecture/faults.md: clients that send as slowly as they can, or ask for much and read nothing. Others do not notice, and
// the server is none the fuller for it. test/integration/client-limits.test.ts has what is said to them, and to hundreds of them.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { FaultBench } from '../support/invariants.ts';
import { residentBytes } from '../support/processes.ts';
import { RawClient, requestText } from '../support/raw-client.ts';
import { predict } from '../support/serving-client.ts';

const MIB = 1024 * 1024;
const CLIENTS = 40;
const DRIP_MS = 100;

let bench: FaultBench;

beforeAll(async () => {
  bench = await FaultBench.start({ settings: { client_header_timeout: 1, client_body_timeout: 1 } });
});
afterEach(() => bench.expectAtRest());
afterAll(() => bench?.stop());

test('row 20: heads and bodies that drip in are closed by the timeouts, and nobody else is held up', async () => {
  const open = () => RawClient.open(bench.server.inference);
  const heads = await Promise.all(Array.from({ length: CLIENTS }, open));
  const bodies = await Promise.all(Array.from({ length: CLIENTS }, open));
  const posting = requestText('POST', '/predictions/bystander', { 'Content-Length': '1000' });
  for (const client of heads) await client.send('POST /predictions/bystander HTTP/1.1\r\nX-Slow: ');
  for (const client of bodies) await client.send(posting);
  const all = [...heads, ...bodies];
  const dripping = setInterval(() => {
    for (const client of all) void client.send('x');
  }, DRIP_MS);
  let isOver = false;
  const closed = Promise.all(all.map(({ ended }) => ended)).then(() => {
    isOver = true;
  });
  let slowestMs = 0;
  while (!isOver) {
    const startedAt = performance.now();
    await bench.expectServing();
    slowestMs = Math.max(slowestMs, performance.now() - startedAt);
  }
  await closed;
  clearInterval(dripping);
  expect(slowestMs).toBeLessThan(1_000);
  for (const { statuses } of all) expect(statuses).toEqual([408]);
});

test('row 20: answers that nobody reads stay small in the server, free the worker, and go with their connections', async () => {
  const { server } = bench;
  await bench.serve('unread', { initial_workers: 2 });
  const json = { 'Content-Type': 'application/json' };
  const stream = JSON.stringify({ do: 'stream', count: 40, size: MIB });
  const before = await residentBytes(server.pid);
  const readers: RawClient[] = [];
  for (let count = 0; count < 6; count += 1) {
    const reader = await RawClient.open(server.inference);
    reader.pause();
    await reader.send(requestText('POST', '/predictions/unread', json, stream));
    readers.push(reader);
  }
  for (let turn = 0; turn < 20; turn += 1) await bench.expectServing();
  expect((await residentBytes(server.pid)) - before).toBeLessThan(60 * MIB);
  for (const reader of readers) reader.reset();
  expect((await predict(server, 'unread', { do: 'echo', value: 'free' })).text).toBe('free');
});
