// Streamed answers from end to end: parts come when they are made, a broken stream is seen to be broken, and a slow reader costs memory
// to nobody.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createFaultStore, type FaultStore } from '../support/fault-model.ts';
import { residentBytes } from '../support/processes.ts';
import { RawClient, requestText } from '../support/raw-client.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { openPrediction, predict, register } from '../support/serving-client.ts';

const MEBIBYTE = 1024 * 1024;

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

test('parts reach the client as they are made, before the handler has ended', async () => {
  const model = await store.add('parts');
  await register(server, 'parts');
  const answer = await openPrediction(server, 'parts', { do: 'stream', count: 2, gate: 'go' });
  expect(answer.status).toBe(200);
  expect(answer.headers['transfer-encoding']).toBe('chunked');
  await answer.untilBytes('part 0'.length);
  expect(answer.text()).toBe('part 0');
  expect(await model.entries('stream over')).toEqual([]);
  await model.open('go');
  expect(await answer.ended).toBe('whole');
  expect(answer.text()).toBe('part 0part 1end');
});

test('a stream of many small parts and one of few large ones arrive complete and in order', async () => {
  await store.add('sizes');
  await register(server, 'sizes');
  const small = await predict(server, 'sizes', { do: 'stream', count: 5_000 });
  expect(small.text).toBe(`${Array.from({ length: 5_000 }, (_, number) => `part ${number}`).join('')}end`);
  const large = await predict(server, 'sizes', { do: 'stream', count: 8, size: 4 * MEBIBYTE });
  expect(large.text.length).toBe(32 * MEBIBYTE + 3);
  expect(large.text.endsWith('.end')).toBe(true);
});

test('a handler that fails in the middle breaks its stream off, behind all that it has sent', async () => {
  await store.add('failing');
  await register(server, 'failing');
  // Several times: an error that comes right behind the first part must not overtake it.
  for (const next of ['fail', 'fail', 'fail', 'fail', 'fail', 'leave']) {
    const answer = await openPrediction(server, 'failing', { do: 'stream', count: 2, next });
    expect(answer.status).toBe(200);
    expect(await answer.ended).toBe('broken');
    expect(answer.text()).toBe('part 0part 1');
    expect((await predict(server, 'failing', { do: 'echo', value: 'next' })).text).toBe('next');
  }
});

test('to a client of HTTP/1.0, which knows no chunks, a stream ends with its connection, and a broken one with a reset', async () => {
  await store.add('old');
  await register(server, 'old');
  const ask = async (command: object) => {
    const client = await RawClient.open(server.inference);
    const headers = { 'Content-Type': 'application/json', Connection: 'keep-alive' };
    const text = requestText(
      'POST',
      '/predictions/old',
      headers,
      JSON.stringify({ do: 'stream', count: 2, ...command }),
    );
    await client.send(text.replace('HTTP/1.1', 'HTTP/1.0'));
    return { end: await client.ended, arrived: client.arrived };
  };
  const whole = await ask({});
  expect([whole.end, whole.arrived.split('\r\n\r\n')[1]]).toEqual(['closed', 'part 0part 1end']);
  expect(whole.arrived).toMatch(/\r\nconnection: close\r\n/);
  expect(whole.arrived).not.toContain('transfer-encoding');
  expect((await ask({ next: 'fail' })).end).toBe('reset');
});

test('a client that leaves in the middle ends the stream of its handler', async () => {
  const model = await store.add('left');
  await register(server, 'left');
  const waiting = await openPrediction(server, 'left', { do: 'stream', count: 1, next: 'watch' });
  await model.reached('watching');
  waiting.leave();
  await model.reached('cancelled');

  const flowing = await openPrediction(server, 'left', { do: 'stream', count: 1_000_000, size: 10_000 });
  await flowing.untilBytes(MEBIBYTE);
  flowing.leave();
  const over = await model.reached('stream over', 2);
  expect(over.cancelled).toBe(true);
  expect(over.sent).toBeLessThan(1_000_000);
  expect((await predict(server, 'left', { do: 'echo', value: 'next' })).text).toBe('next');
});

test.concurrent('a client that stops reading does not grow the server, and loses its stream in the end', {
  timeout: 60_000,
}, async () => {
  const model = await store.add('unread');
  await register(server, 'unread');
  // Warm: what a first stream allocates once is no growth.
  await predict(server, 'unread', { do: 'stream', count: 10, size: MEBIBYTE });
  const before = await residentBytes(server.pid);
  const answer = await openPrediction(server, 'unread', { do: 'stream', count: 400, size: MEBIBYTE });
  answer.pause();
  // The server gives up on the reader; until then the handler is held back by the credit that is not granted.
  const over = await model.reached('stream over', 2, 45_000);
  expect(over.cancelled).toBe(true);
  expect(over.sent).toBeLessThan(40);
  expect((await residentBytes(server.pid)) - before).toBeLessThan(64 * MEBIBYTE);
  answer.resume();
  expect(await answer.ended).toBe('broken');
  expect((await predict(server, 'unread', { do: 'echo', value: 'next' })).text).toBe('next');
});

test.concurrent('a reader that pauses gets its whole stream, and the handler has waited for it', async ({ expect }) => {
  const model = await store.add('pausing');
  await register(server, 'pausing', { response_timeout: 1 });
  const answer = await openPrediction(server, 'pausing', { do: 'stream', count: 64, size: MEBIBYTE });
  await answer.untilBytes(1);
  answer.pause();
  const pausedAt = performance.now();
  // Longer than the response timeout: a stream that waits for its reader is not the worker's fault.
  await expect.poll(() => performance.now() - pausedAt, { timeout: 5_000 }).toBeGreaterThan(2_000);
  expect(await model.entries('stream over')).toEqual([]);
  answer.resume();
  expect(await answer.ended).toBe('whole');
  expect(answer.text().length).toBe(64 * MEBIBYTE + 3);
});

test.concurrent('a deadline ends a stream that nobody reads', async () => {
  const model = await store.add('timed');
  await register(server, 'timed');
  const answer = await openPrediction(
    server,
    'timed',
    { do: 'stream', count: 400, size: MEBIBYTE },
    { 'x-request-timeout': '0.5' },
  );
  answer.pause();
  expect((await model.reached('stream over')).cancelled).toBe(true);
  answer.resume();
  expect(await answer.ended).toBe('broken');
});
