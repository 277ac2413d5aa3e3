// Rows 7, 9, 10 and 38 of docs/architecture/faults.md: handlers whose answers cannot be sent as they are, and names and headers that try
// to write into logs, metrics and other people's answers. No worker dies of it.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { FaultBench } from '../support/invariants.ts';
import { RawClient, requestText } from '../support/raw-client.ts';
import { ask, describeModel, metricsText, predict, register, untilWaiting } from '../support/serving-client.ts';

let bench: FaultBench;

beforeAll(async () => {
  bench = await FaultBench.start();
});
afterEach(() => bench.expectAtRest());
afterAll(() => bench?.stop());

const pidOf = async (model: string) => (await describeModel(bench.server, model)).workers[0]?.pid;

test('row 7: a handler that returns no list, or one of another length, fails the batch with words that say so, and its worker lives', async () => {
  await bench.serve('miscounting');
  const pid = await pidOf('miscounting');
  for (const returns of [[], ['one', 'two'], 'OK', { a: 1 }, null, 7]) {
    const { status, text } = await predict(bench.server, 'miscounting', { do: 'return', returns });
    expect([returns, status]).toEqual([returns, 500]);
    expect(JSON.parse(text)).toMatchObject({ code: 500, message: expect.stringMatching(/list|number of/) });
    expect((await predict(bench.server, 'miscounting', { do: 'echo', value: 'well' })).text).toBe('well');
  }
  expect(await pidOf('miscounting')).toBe(pid);
});

test('row 7: the batch mates of a request with a wrong answer fail together, and the next batch does not', async () => {
  const model = await bench.serve('mates', { batch_size: 3, max_batch_delay: 50 });
  const first = predict(bench.server, 'mates', { do: 'wait', gate: 'go', value: 'first' });
  await model.reached('waiting');
  const mates = [
    { do: 'echo', value: 'a' },
    { do: 'return', returns: ['only one'] },
    { do: 'echo', value: 'b' },
  ];
  const answers = mates.map((command) => predict(bench.server, 'mates', command));
  await untilWaiting(bench.server, 'mates', 3);
  await model.open('go');
  expect((await first).text).toBe('first');
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  expect(Math.min(...statuses)).toBeGreaterThanOrEqual(500);
  expect((await predict(bench.server, 'mates', { do: 'echo', value: 'next' })).text).toBe('next');
});

test('row 9: a number that JSON has not is sent as TorchServe sends it, and costs nobody anything', async () => {
  await bench.serve('numbers');
  const pid = await pidOf('numbers');
  for (const [name, written] of Object.entries({ nan: 'NaN', inf: 'Infinity', '-inf': '-Infinity', '1.5': '1.5' })) {
    const { status, text } = await predict(bench.server, 'numbers', { do: 'number', name });
    expect([status, text.replaceAll(/\s/g, '')]).toEqual([200, `{"value":${written}}`]);
  }
  expect(await pidOf('numbers')).toBe(pid);
});

test('row 10: headers, statuses and phrases that HTTP cannot carry are refused before anything is sent, and the worker lives', async () => {
  const { server } = bench;
  await bench.serve('injecting');
  const pid = await pidOf('injecting');
  const heads: readonly Record<string, unknown>[] = [
    { headers: { 'x-a': 'b\r\nx-injected: c' } },
    { headers: { 'x-a': 'b\nx-injected: c' } },
    { headers: { 'x-a': 'b\rx-injected: c' } },
    { headers: { 'x-a': 'b\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n' } },
    { headers: { 'x-a': 'a\u0000b' } },
    { headers: { 'x-a\r\nx-injected': 'b' } },
    { headers: { 'x a': 'b' } },
    { headers: { '': 'b' } },
    { headers: { 'x-a': 'snow ☃' } },
    { headers: { 'content-length': '5' } },
    { headers: { 'transfer-encoding': 'chunked' } },
    { headers: { connection: 'upgrade' } },
    { status: 200, phrase: 'Fine\r\nx-injected: c' },
    { status: 99 },
    { status: 1000 },
    { status: 101 },
  ];
  for (const one of heads) {
    const client = await RawClient.open(server.inference);
    const body = JSON.stringify({ do: 'head', value: 'body of it', ...one });
    await client.send(requestText('POST', '/predictions/injecting', { 'Content-Type': 'application/json' }, body));
    await client.untilArrived(/\r\n\r\n/);
    await client.send(requestText('GET', '/ping', { Connection: 'close' }));
    await client.ended;
    // One answer for each request: whatever was injected has neither become a header nor an answer of its own.
    expect([one, client.statuses.length]).toEqual([one, client.statuses[0] === 101 ? 1 : 2]);
    expect(client.arrived).not.toMatch(/^x-injected:/im);
    expect([one, [200, 500]]).toEqual([one, expect.arrayContaining([client.statuses[0]])]);
  }
  expect((await predict(server, 'injecting', { do: 'echo', value: 'well' })).text).toBe('well');
  expect(await pidOf('injecting')).toBe(pid);
});

const EVIL = [
  'a\nb',
  'a\r\nX-Injected: b',
  'a"} 1\nfake{b="',
  'a\u0000b',
  '\u001b[31mred',
  'a\\',
  '{"level":60}',
  'a'.repeat(5_000),
];

test('row 38: names and request ids with line ends, quotes and control characters forge neither log lines nor metrics', async () => {
  const { server } = bench;
  await bench.serve('labelled');
  for (const evil of EVIL) {
    const name = encodeURIComponent(evil);
    expect(
      (await ask(`${server.inference}/predictions/${name}`, { method: 'POST', body: 'x' })).status,
    ).toBeGreaterThan(399);
    expect((await register(server, 'labelled', { model_name: evil })).status).toBe(400);
    expect((await ask(`${server.management}/models/${name}`)).status).toBeGreaterThan(399);
    const id = { 'x-request-id': evil.replaceAll(/\p{Cc}/gu, '?') };
    const answer = await predict(server, 'labelled', { do: 'fail', text: evil }, { headers: id });
    expect(answer.headers.get('x-request-id')).toMatch(/^[\w.:@/+=-]{1,128}$/);
    await predict(server, 'labelled', { do: 'count', name: evil.slice(0, 300) });
    await predict(server, 'labelled', { do: 'speak', text: evil });
  }
  // Lines that are no JSON of the server's come as a bare `msg`: one would have been forged.
  expect(server.log.filter((line) => line['level'] === undefined || line['time'] === undefined)).toEqual([]);
  const metrics = await metricsText(server);
  expect(metrics).not.toMatch(/^(?:fake|b|X-Injected)/m);
  for (const line of metrics.split('\n').filter((one) => one !== ''))
    expect(line).toMatch(/^(?:# (?:HELP|TYPE) |[a-zA-Z_:][\w:]*(?:\{.*\})? \S+$)/);
});

test('row 38: requests for models that do not exist, and metrics without end of a handler, add few series', async () => {
  const { server } = bench;
  await bench.serve('prolific');
  const before = (await metricsText(server)).split('\n').length;
  const names = Array.from({ length: 2_000 }, (_, index) => `Prolific_${index}`);
  expect((await predict(server, 'prolific', { do: 'count', names })).text).toBe('counted');
  const unknown = names.slice(0, 200).map((name) => `${server.inference}/predictions/unknown-${name}`);
  for (const { status } of await Promise.all(unknown.map((url) => ask(url, { method: 'POST', body: 'x' }))))
    expect(status).toBe(404);
  const text = await metricsText(server);
  expect(text).not.toContain('unknown-');
  // At most a thousand metrics of handlers, of four lines each.
  expect(text.split('\n').length - before).toBeLessThan(4_100);
  expect(text).toMatch(/^sconce_metric_reports_dropped_total\{reason="too_many_metrics"\} 1\d\d\d$/m);
});
