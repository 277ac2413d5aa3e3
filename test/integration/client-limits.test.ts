// What a listener allows its clients: how slow they may be, how much they may send before there is a request, how many may come; and the
// line of the log that each request gets.
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createFaultStore, type FaultModel, type FaultStore, until } from '../support/fault-model.ts';
import { RawClient, requestText } from '../support/raw-client.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { ask, predict, register, untilWaiting } from '../support/serving-client.ts';

let store: FaultStore;

beforeAll(async () => {
  store = await createFaultStore();
});

afterAll(async () => {
  await store?.remove();
});

const JSON_BODY = { 'Content-Type': 'application/json' };

function requestLines(server: TestServer) {
  return server.log.filter(({ msg }) => msg === 'request');
}

describe('slow clients', () => {
  const MIN_RATE = 2_000;
  let server: TestServer;
  let model: FaultModel;

  beforeAll(async () => {
    server = await startServer({
      modelStore: store.folder,
      settings: {
        client_header_timeout: 2,
        client_body_timeout: 2,
        client_min_rate: MIN_RATE,
        keep_alive_timeout: 1,
      },
    });
    model = await store.add('echo');
    await register(server, 'echo');
  });

  afterAll(async () => {
    await server?.stop();
  });

  test('200 whose headers drip in and 200 whose bodies do are told 408 and closed; others are served meanwhile', async () => {
    const head = requestText('POST', '/predictions/echo', { 'Content-Length': '100000' });
    // One whose answer does not wait for the body.
    const answered = await RawClient.open(server.inference);
    await answered.send(requestText('POST', '/livez', { 'Content-Length': '100000' }));
    const drips = await Promise.all(
      Array.from({ length: 400 }, async (_, index) => {
        const client = await RawClient.open(server.inference);
        await client.send(index % 2 === 0 ? `${head.slice(0, -2)}X-Slow: ` : `${head}{`);
        return client;
      }),
    );
    const dripping = setInterval(() => {
      for (const client of drips) if (client.isOpen) void client.send('x');
    }, 250);
    let served = 0;
    const ended = Promise.all(drips.map((client) => client.ended));
    for (let areOpen = true; areOpen; areOpen = drips.some(({ isOpen }) => isOpen)) {
      expect((await predict(server, 'echo', { do: 'echo', value: 'served' })).text).toBe('served');
      served += 1;
    }
    await ended;
    clearInterval(dripping);
    await answered.ended;
    expect(answered.statuses).toEqual([405]);
    expect(served).toBeGreaterThan(10);
    const answers = drips.map(({ statuses, arrived }) => [statuses, /x-request-id: \S{36}\r\n/.test(arrived)]);
    expect(answers.filter(([statuses, hasId]) => String(statuses) !== '408' || !hasId)).toEqual([]);
    expect(drips[1]?.arrived).toContain('client_min_rate');
    expect(drips[0]?.arrived).toContain('client_header_timeout');
  });

  test('an upload that keeps to the rate takes as long as it takes', async () => {
    const body = JSON.stringify({ do: 'echo', value: 'x'.repeat(6 * MIN_RATE) });
    const client = await RawClient.open(server.inference);
    await client.send(
      requestText('POST', '/predictions/echo', { ...JSON_BODY, 'Content-Length': String(body.length) }),
    );
    const beganAt = performance.now();
    for (let at = 0; at < body.length; at += MIN_RATE / 5) {
      await client.send(body.slice(at, at + MIN_RATE / 5));
      // The rate at which it comes is what this is about: one and a half times what is asked for.
      await new Promise((resolve) => setTimeout(resolve, 1000 / 5 / 1.5));
    }
    await client.untilArrived(/x{1000}/);
    expect(client.statuses).toEqual([200]);
    expect(performance.now() - beganAt).toBeGreaterThan(2_000);
    client.close();
  });

  test('a connection that is kept for a next request is closed when none comes, one that sends nothing without a word', async () => {
    const [kept, silent] = [await RawClient.open(server.inference), await RawClient.open(server.inference)];
    await kept.send(requestText('GET', '/livez'));
    await kept.untilArrived(/alive/);
    expect(await Promise.all([kept.ended, silent.ended])).toEqual(['closed', 'closed']);
    expect([kept.statuses, silent.arrived]).toEqual([[200], '']);
  });

  test('a client that is told 408 and goes on holding its connection loses it', async () => {
    const { hostname: host, port } = new URL(server.inference);
    const stubborn = connect({ host, port: Number(port), allowHalfOpen: true });
    let hasLost = false;
    stubborn.on('error', () => {
      hasLost = true;
    });
    let arrived = '';
    stubborn.on('data', (chunk: Buffer) => {
      arrived += chunk.toString();
    });
    stubborn.write('GET /livez HTTP/1.1\r\nHost: loc');
    await once(stubborn, 'end');
    expect(arrived).toMatch(/^HTTP\/1.1 408 /);
    await until(() => {
      stubborn.write('.');
      return hasLost;
    });
  });

  test('what never becomes a request is answered with a document and an id, and the log has the line of every request', async () => {
    const long = 'x'.repeat(20_000);
    const hostile = {
      400: 'no http at all\r\n\r\n',
      414: `GET /${long} HTTP/1.1\r\n`,
      431: `GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: ${long}\r\n`,
    };
    for (const [status, bytes] of Object.entries(hostile)) {
      const client = await RawClient.open(server.inference);
      await client.send(bytes);
      await client.ended;
      const id = /x-request-id: (\S+)/.exec(client.arrived)?.[1];
      expect([client.statuses, client.arrived.includes(`"code": ${status}`)]).toEqual([[Number(status)], true]);
      await until(() => requestLines(server).find(({ requestId }) => requestId === id)?.['status'] === Number(status));
    }
    const nameless = await RawClient.open(server.inference);
    await nameless.send('GET /livez HTTP/1.1\r\nX-Request-Id: nameless-1\r\n\r\n');
    await nameless.untilArrived(/x-request-id: nameless-1\r\n(?:.|\s)*no Host header/);
    await nameless.send(requestText('GET', '/livez', { Expect: 'the-unexpected' }));
    await nameless.untilArrived(/"alive"/);
    expect(nameless.statuses).toEqual([400, 200]);
    const broken = await RawClient.open(server.inference);
    const chunked = { 'Transfer-Encoding': 'chunked', 'X-Request-Id': 'broken-1' };
    await broken.send(`${requestText('POST', '/predictions/echo', chunked)}zz\r\n`);
    await broken.ended;
    expect(broken.statuses).toEqual([400]);
    expect(broken.arrived).toMatch(/x-request-id: broken-1\r\n(?:.|\s)*connection: close\r\n(?:.|\s)*not valid HTTP/);

    const many = Object.fromEntries(Array.from({ length: 250 }, (_, index) => [`x-${index}`, '1']));
    expect((await ask(`${server.inference}/livez`, { headers: many })).status).toBe(431);
    expect((await ask(`${server.inference}/livez?${'x'.repeat(9_000)}`)).status).toBe(414);
    const refused = await ask(`${server.management}/models/echo`, { method: 'PATCH' });
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, PUT, DELETE, OPTIONS']);

    const answered = await ask(`${server.inference}/predictions/echo?secret=1`, {
      method: 'POST',
      headers: { ...JSON_BODY, 'x-request-id': 'mine-1' },
      body: JSON.stringify({ do: 'echo', value: 'logged' }),
    });
    expect(answered.text).toBe('logged');
    const gone = new AbortController();
    const headers = { 'x-request-id': 'gone-1' };
    const leaving = predict(server, 'echo', { do: 'watch' }, { signal: gone.signal, headers });
    await model.reached('watching');
    gone.abort();
    await expect(leaving).rejects.toThrow();
    const lineOf = (id: string) => requestLines(server).find(({ requestId }) => requestId === id);
    const line = await until(() => lineOf('mine-1'));
    const { time, ms, ...rest } = line;
    expect([typeof time, typeof ms]).toEqual(['string', 'number']);
    const path = '/predictions/echo';
    const common = { level: 'info', logger: 'ACCESS_LOG', msg: 'request', method: 'POST', path, remote: '127.0.0.1' };
    expect(rest).toEqual({ ...common, requestId: 'mine-1', status: 200 });
    expect(await until(() => lineOf('gone-1'))).toMatchObject({ ...common, status: 499, isCut: true });
  });
});

test('a client that leaves with several requests on one connection takes all of them along', async () => {
  const server = await startServer({ modelStore: store.folder });
  try {
    const model = await store.add('pipelined');
    await register(server, 'pipelined');
    const bodies = [{ do: 'watch' }, { do: 'echo', value: 'one' }, { do: 'echo', value: 'other' }];
    const client = await RawClient.open(server.inference);
    for (const body of bodies)
      await client.send(requestText('POST', '/predictions/pipelined', JSON_BODY, JSON.stringify(body)));
    await model.reached('watching');
    await untilWaiting(server, 'pipelined', 2);
    client.close();
    await untilWaiting(server, 'pipelined', 0);
    const statusesOf = () => requestLines(server).filter(({ path }) => path === '/predictions/pipelined');
    await until(() => statusesOf().length === 3);
    expect(statusesOf().map(({ status, isCut }) => [status, isCut])).toEqual(bodies.map(() => [499, true]));
    await predict(server, 'pipelined', { do: 'echo', value: 'after' });
    expect((await model.entries('batch')).flatMap(({ commands }) => commands ?? [])).toEqual(['watch', 'after']);
  } finally {
    await server.stop();
  }
});

describe('more clients than there are descriptors', () => {
  let server: TestServer;
  let model: FaultModel;

  beforeAll(async () => {
    server = await startServer({ modelStore: store.folder, openFiles: 96, settings: { access_log: false } });
    model = await store.add('crowded');
    await register(server, 'crowded');
  });

  afterAll(async () => {
    await server?.stop();
  });

  test('idle ones make room for new ones', async () => {
    const clients: RawClient[] = [];
    for (let count = 0; count < 120; count += 1) {
      const client = await RawClient.open(server.inference);
      clients.push(client);
      await client.send(requestText('GET', '/livez'));
      await client.untilArrived(/alive/);
    }
    expect(clients.filter(({ statuses }) => String(statuses) !== '200')).toEqual([]);
    expect(clients[0]?.isOpen).toBe(false);
    for (const client of clients) client.close();
  });

  test('while all are busy, new ones are told 503 and where the limit is; those who are there are answered, and then there is room', async () => {
    const body = JSON.stringify({ do: 'wait', gate: 'go', value: 'answered' });
    const text = requestText('POST', '/predictions/crowded', { ...JSON_BODY, Connection: 'close' }, body);
    const clients: RawClient[] = [];
    await until(async () => {
      const client = await RawClient.open(server.inference);
      clients.push(client);
      await client.send(text);
      return clients.some(({ statuses }) => statuses.length > 0);
    }, 60_000);
    const refused = clients.find(({ statuses }) => statuses.length > 0);
    expect(refused?.arrived).toMatch(/Retry-After: 1\r\n(?:.|\s)*max_connections/);
    // Whoever manages the server has a place all the same.
    const operator = await RawClient.open(server.management);
    await operator.send(requestText('GET', '/models/crowded', { Connection: 'close' }));
    await operator.ended;
    expect(operator.statuses).toEqual([200]);

    await model.open('go');
    await Promise.all(clients.map((client) => client.ended));
    const statuses = clients.map((client) => String(client.statuses));
    expect(new Set(statuses)).toEqual(new Set(['200', '503']));
    expect(statuses.filter((status) => status === '200').length).toBeGreaterThan(25);
    expect((await predict(server, 'crowded', { do: 'echo', value: 'room again' })).text).toBe('room again');
    expect(server.log.filter(({ msg }) => msg?.includes('connections are refused'))).toHaveLength(1);
    expect(requestLines(server)).toEqual([]);
  });
});
