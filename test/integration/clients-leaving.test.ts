// Clients that hang up at every stage of a request: what they leave behind must cost nobody else anything.

import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createFaultStore, type FaultModel, type FaultStore } from '../support/fault-model.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { describeModel, metricsText, predict, register, untilModel, untilWaiting } from '../support/serving-client.ts';

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

function isIdle({ workers, jobQueueStatus }: Awaited<ReturnType<typeof describeModel>>): boolean {
  return jobQueueStatus.pendingRequests === 0 && workers.every(({ state }) => state === 'ready');
}

async function batchesOf(model: FaultModel): Promise<unknown[]> {
  return (await model.entries('batch')).flatMap(({ commands }) => commands ?? []);
}

test('a request whose client has gone leaves the queue and never reaches the handler', async () => {
  const model = await store.add('queued');
  await register(server, 'queued');
  const running = predict(server, 'queued', { do: 'wait', gate: 'go', value: 'running' });
  await model.reached('waiting');
  const client = new AbortController();
  const leaving = predict(server, 'queued', { do: 'echo', value: 'left' }, { signal: client.signal });
  await untilWaiting(server, 'queued', 1);
  client.abort();
  await expect(leaving).rejects.toThrow();
  await untilWaiting(server, 'queued', 0);
  await model.open('go');
  await running;
  await predict(server, 'queued', { do: 'echo', value: 'after' });
  expect(await batchesOf(model)).toEqual(['running', 'after']);
});

test('a handler that computes for a client who has gone sees it, and the worker is free for the next', async () => {
  const model = await store.add('watching');
  await register(server, 'watching');
  const client = new AbortController();
  const leaving = predict(server, 'watching', { do: 'watch' }, { signal: client.signal });
  await model.reached('watching');
  client.abort();
  await expect(leaving).rejects.toThrow();
  await model.reached('cancelled');
  expect((await predict(server, 'watching', { do: 'echo', value: 'next' })).text).toBe('next');
});

test('one client of a batch that leaves takes nothing from its batch mates', async () => {
  const model = await store.add('mates');
  await register(server, 'mates', { batch_size: 2 });
  const running = predict(server, 'mates', { do: 'wait', gate: 'go', value: 'running' });
  await model.reached('waiting');
  const client = new AbortController();
  const leaving = predict(server, 'mates', { do: 'watch' }, { signal: client.signal });
  await untilWaiting(server, 'mates', 1);
  const staying = predict(server, 'mates', { do: 'echo', value: 'stayed' });
  await untilWaiting(server, 'mates', 2);
  await model.open('go');
  await running;
  await model.reached('watching');
  client.abort();
  await expect(leaving).rejects.toThrow();
  expect((await staying).text).toBe('stayed');
});

test('a handler that hangs for a client who has gone is ended after the response timeout all the same', async () => {
  const model = await store.add('deserted');
  await register(server, 'deserted', { response_timeout: 1 });
  const client = new AbortController();
  const leaving = predict(server, 'deserted', { do: 'deaf' }, { signal: client.signal });
  await model.reached('busy');
  client.abort();
  await expect(leaving).rejects.toThrow();
  expect((await predict(server, 'deserted', { do: 'echo', value: 'served' })).text).toBe('served');
});

test('connections that are reset while a request arrives leave nothing waiting', async () => {
  await store.add('reset');
  await register(server, 'reset');
  const { hostname, port } = new URL(server.inference);
  for (let round = 0; round < 20; round += 1) {
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.write(
      `POST /predictions/reset HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(round * 40)}`,
    );
    if (round % 2 === 0) socket.resetAndDestroy();
    else socket.destroy();
    await once(socket, 'close');
  }
  expect((await predict(server, 'reset', { do: 'echo', value: 'fine' })).text).toBe('fine');
  expect(isIdle(await describeModel(server, 'reset'))).toBe(true);
});

test('a client that leaves while its form is being read apart is not computed for', async () => {
  await store.add('form');
  await register(server, 'form');
  const { hostname, port } = new URL(server.inference);
  const part =
    'Content-Disposition: form-data; name="body"; filename="b"\r\nContent-Type: application/json\r\n\r\n{"do": "watch"}';
  const form = `--x\r\n${part}\r\n--x--\r\n`;
  for (let round = 0; round < 30; round += 1) {
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    const type = 'Content-Type: multipart/form-data; boundary=x';
    socket.write(
      `POST /predictions/form HTTP/1.1\r\nHost: localhost\r\n${type}\r\nContent-Length: ${form.length}\r\n\r\n${form}`,
      () => socket.resetAndDestroy(),
    );
    await once(socket, 'close');
  }
  // A single one whose departure was missed would be watched for until its response timeout.
  expect((await predict(server, 'form', { do: 'echo', value: 'free' })).text).toBe('free');
});

test('a client that closes its side of the connection counts as gone', async () => {
  const model = await store.add('half');
  await register(server, 'half');
  const { hostname, port } = new URL(server.inference);
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
  const body = JSON.stringify({ do: 'watch' });
  const closed = once(socket, 'close');
  socket.resume();
  socket.write(
    `POST /predictions/half HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await model.reached('watching');
  // From the server this looks exactly like a process that has ended: nothing can be told apart until something is written.
  socket.end();
  await model.reached('cancelled');
  await closed;
});

test('hundreds of clients that leave at any moment leave queue, worker and gauges as they were', async () => {
  await store.add('stormy', {}, 'jobQueueSize: 1000\n');
  await register(server, 'stormy', { batch_size: 4 });
  const clients = Array.from({ length: 300 }, async (_, index) => {
    const client = new AbortController();
    const request = predict(server, 'stormy', { do: 'echo', value: index }, { signal: client.signal });
    if (index % 3 === 0) setImmediate(() => client.abort());
    if (index % 3 === 1) client.abort();
    return request.then(
      ({ text }) => expect(text).toBe(String(index)),
      () => expect(index % 3).not.toBe(2),
    );
  });
  await Promise.all(clients);
  await untilModel(server, 'stormy', isIdle);
  const metrics = await metricsText(server);
  expect(metrics).toMatch(/sconce_queue_waiting\{model_name="stormy",model_version="1.0"\} 0\n/);
  expect(metrics).toMatch(/sconce_queue_running\{model_name="stormy",model_version="1.0"\} 0\n/);
});
