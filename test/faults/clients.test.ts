// Rows 18, 19 and 21 of docs/architecture/faults.md: clients that send too much, in the worst of shapes, or leave in the middle, and the
// networks between. slow-clients.test.ts is for those that take their time.
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/fault-model.ts';
import { FaultProxy, type NetworkFaults } from '../support/fault-proxy.ts';
import { FaultBench } from '../support/invariants.ts';
import { residentBytes } from '../support/processes.ts';
import { RawClient, requestText } from '../support/raw-client.ts';
import { predict, untilModel } from '../support/serving-client.ts';

const LIMIT_BYTES = 1_000_000;
const JSON_BODY = { 'Content-Type': 'application/json' };
const MIB = 1024 * 1024;

let bench: FaultBench;

beforeAll(async () => {
  bench = await FaultBench.start({ settings: { max_request_size: LIMIT_BYTES } });
});
afterEach(() => bench.expectAtRest());
afterAll(() => bench?.stop());

const command = (what: object) => JSON.stringify(what);

/** Sends one request, whatever it is, and gives the statuses of what comes back. */
async function exchange(
  ...pieces: readonly (string | Uint8Array)[]
): Promise<{ readonly statuses: number[]; readonly text: string }> {
  const client = await RawClient.open(bench.server.inference);
  for (const piece of pieces) await client.send(piece);
  const isAnswered = until(() => client.statuses.length > 0);
  await Promise.race([isAnswered, client.ended]);
  client.close();
  return { statuses: client.statuses, text: client.arrived };
}

describe('row 18: a body over the limit', () => {
  const path = '/predictions/bystander';

  test('is refused by its declared length, before any of it has come', async () => {
    const declared = await exchange(requestText('POST', path, { 'Content-Length': String(LIMIT_BYTES + 1) }));
    expect(declared.statuses).toEqual([413]);
    const patient = { 'Content-Length': String(10 * LIMIT_BYTES), Expect: '100-continue' };
    expect((await exchange(requestText('POST', path, patient))).statuses).toEqual([413]);
  });

  test('is refused while it comes in chunks or out of a compressed one, and none of it stays in memory', async () => {
    const bomb = gzipSync(Buffer.alloc(200 * MIB));
    const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x10000), Buffer.from('\r\n')]);
    const chunked = requestText('POST', path, { 'Transfer-Encoding': 'chunked' });
    const packed = { 'Content-Encoding': 'gzip', 'Content-Length': String(bomb.length) };
    await exchange(requestText('POST', path, packed), bomb);
    const before = await residentBytes(bench.server.pid);
    const floods = Array.from({ length: 20 }, (_, index) =>
      index % 2 === 0
        ? exchange(chunked, ...Array.from({ length: 20 }, () => chunk))
        : exchange(requestText('POST', path, packed), bomb),
    );
    for (const { statuses } of await Promise.all(floods)) expect(statuses).toEqual([413]);
    expect((await residentBytes(bench.server.pid)) - before).toBeLessThan(60 * MIB);
  });

  test('of a form with more parts, or longer heads of parts, than make sense is refused with 400', async () => {
    const type = { 'Content-Type': 'multipart/form-data; boundary=x' };
    const part = '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n';
    const long = `--x\r\nContent-Disposition: form-data; name="a"\r\nX: ${'y'.repeat(100_000)}\r\n\r\n\r\n`;
    for (const form of [`${part.repeat(5_000)}--x--`, `${long}--x--`])
      expect((await exchange(requestText('POST', path, type, form))).statuses).toEqual([400]);
  });
});

describe('row 19: a request of the worst shape', () => {
  test('a body in a hundred thousand crumbs is read, in bounded memory', async () => {
    const before = await residentBytes(bench.server.pid);
    const head = requestText('POST', '/predictions/bystander', { ...JSON_BODY, 'Transfer-Encoding': 'chunked' });
    const text = command({ do: 'echo', value: 'crumbs', filler: 'x'.repeat(100_000) });
    const crumbs = [...text].map((letter) => `1\r\n${letter}\r\n`).join('');
    const { statuses, text: answer } = await exchange(head, crumbs, '0\r\n\r\n');
    expect(statuses).toEqual([200]);
    expect(answer).toMatch(/crumbs$/);
    expect((await residentBytes(bench.server.pid)) - before).toBeLessThan(100 * MIB);
  });

  test.each([
    ['nested a hundred thousand deep', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['nested a hundred thousand deep, and broken off', '{"a":'.repeat(100_000)],
    ['of one number of half a million digits', `{"do": "echo", "value": ${'9'.repeat(500_000)}}`],
    ['of sixty thousand keys', `{${Array.from({ length: 60_000 }, (_, index) => `"k${index}":1`).join(',')}}`],
  ])('JSON %s is the handler’s request to answer or to refuse, and costs no worker', async (_what, body) => {
    const { statuses } = await exchange(requestText('POST', '/predictions/bystander', JSON_BODY, body));
    expect(statuses).toHaveLength(1);
    await bench.expectServing();
  });

  test('URLs, headers and request lines without end are refused with 4xx while they come', async () => {
    const long = 'x'.repeat(200_000);
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`x-${index}`, 'y']));
    const requests: readonly (readonly [string, string])[] = [
      ['a long path', requestText('GET', `/${long}`)],
      ['a long query', requestText('GET', `/ping?${long}`)],
      ['a long header', requestText('GET', '/ping', { 'X-Long': long })],
      ['many headers', requestText('GET', '/ping', many)],
      ['a path of a thousand parts', requestText('GET', '/a'.repeat(1_000))],
      ['a part of 2000 letters', requestText('GET', `/predictions/${long.slice(0, 2_000)}`)],
      ['no HTTP', `${long}\r\n\r\n`],
      ['two lengths', requestText('POST', '/predictions/bystander', { 'content-length': '3' }, 'x')],
      ['a length and chunks', requestText('POST', '/predictions/bystander', { 'Transfer-Encoding': 'chunked' }, 'x')],
      ['a length below zero', requestText('POST', '/predictions/bystander', { 'Content-Length': '-1' })],
      [
        'a chunk of a length that is none',
        `${requestText('POST', '/predictions/bystander', { 'Transfer-Encoding': 'chunked' })}zz\r\n`,
      ],
    ];
    for (const [what, text] of requests) {
      const { statuses } = await exchange(text);
      expect([what, statuses]).toEqual([what, [expect.toSatisfy((status: number) => status >= 400 && status < 500)]]);
    }
    await bench.expectServing();
  });
});

describe('row 21: a client that leaves', () => {
  const body = command({ do: 'watch' });
  const whole = requestText('POST', '/predictions/left', JSON_BODY, body);
  const stream = command({ do: 'stream', count: 3, size: 10_000, gate: 'next part' });
  const streaming = requestText('POST', '/predictions/left', JSON_BODY, stream);

  /** What is sent before the client leaves, and how often the handler watches by then. */
  const stages: readonly (readonly [stage: string, sent: string, watches: number])[] = [
    ['before it has said anything', '', 0],
    ['in the middle of the head', whole.slice(0, 30), 0],
    ['behind the head', whole.slice(0, -body.length), 0],
    ['in the middle of the body', whole.slice(0, -5), 0],
    ['while its request is computed', whole, 1],
    ['while its answer streams', streaming, 1],
  ];

  test.each([['with a reset'], ['by closing its side']])('%s, at any stage, costs nobody anything', async (how) => {
    const model = await bench.serve(`left ${how}`.replaceAll(' ', '-'));
    for (const [stage, sent, watches] of stages) {
      const client = await RawClient.open(bench.server.inference);
      await client.send(sent.replace('/predictions/left', `/predictions/${model.name}`));
      if (watches > 0) await model.reached('watching', watches);
      if (sent === streaming) await client.untilArrived(/part 0/);
      if (how === 'with a reset') client.reset();
      else client.finish();
      // The worker is free again, whatever it was doing: a stream is given up at its next part.
      await model.open('next part');
      const free = await predict(bench.server, model.name, { do: 'echo', value: stage });
      expect([stage, free.text]).toEqual([stage, stage]);
      await untilModel(bench.server, model.name, ({ jobQueueStatus }) => jobQueueStatus.pendingRequests === 0);
      client.close();
    }
  });
});

describe('row 21: a network that', () => {
  const ask = command({ do: 'stream', count: 4, size: 20_000 });
  const request = requestText('POST', '/predictions/far', { ...JSON_BODY, Connection: 'close' }, ask);

  async function through(faults: NetworkFaults): Promise<{ readonly client: RawClient; readonly ended: string }> {
    const proxy = await FaultProxy.before(bench.server.inference, faults);
    const client = await RawClient.open(proxy.address);
    await client.send(request);
    const ended = await client.ended;
    client.close();
    await proxy.close();
    return { client, ended };
  }

  test('is slow and delivers crumbs changes nothing in an answer', async () => {
    await bench.serve('far');
    const { client } = await through({ delayMs: 20, crumbBytes: 700 });
    expect(client.statuses).toEqual([200]);
    expect(client.arrived).toMatch(/part 0\.+[\s\S]*part 3\.+[\s\S]*end\r\n0\r\n\r\n$/);
  });

  test.each([
    ['request', 'reset'],
    ['request', 'half-close'],
    ['answer', 'reset'],
    ['answer', 'half-close'],
  ] as const)('cuts the %s by a %s, anywhere, never makes a whole answer of half a one', async (direction, how) => {
    await bench.serve('far');
    for (const afterBytes of [1, 60, request.length - 1, 5_000, 50_000]) {
      const { client } = await through({ cut: { direction, afterBytes, how } });
      const isUncut = direction === 'request' && afterBytes > request.length;
      if (!isUncut) expect(client.arrived).not.toMatch(/0\r\n\r\n$/);
      await bench.expectServing();
    }
  });

  test('turns bits of a request gets one answer or none, and the next client is served', async () => {
    await bench.serve('far');
    const plain = command({ do: 'echo', value: 'straight' });
    const text = requestText('POST', '/predictions/far', { ...JSON_BODY, Connection: 'close' }, plain);
    for (let at = 0; at < text.length; at += 3) {
      const proxy = await FaultProxy.before(bench.server.inference, { flips: { direction: 'request', at: [at] } });
      const client = await RawClient.open(proxy.address);
      await client.send(text);
      client.finish();
      await client.ended;
      expect(client.statuses.length).toBeLessThanOrEqual(1);
      client.close();
      await proxy.close();
    }
    expect((await predict(bench.server, 'far', { do: 'echo', value: 'straight' })).text).toBe('straight');
  });
});
