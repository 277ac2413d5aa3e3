// What a handler gets to see of a request, by the path it came on: its row of inputs, and the request's headers with those that the server
// adds. One table for both dialects, as TorchServe's handlers know it.
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeMar, manifestFile } from '../support/archive-forge.ts';
import { type ContractBench, startBench } from '../support/contract-bench.ts';
import type { Sent } from '../support/http-exchange.ts';

const ECHO = `
import json

def shown(value):
    return {"bytes": bytes(value).decode()} if isinstance(value, (bytes, bytearray)) else value

def handle(data, context):
    if data is None:
        return
    rows = [{name: shown(value) for name, value in row.items()} for row in data]
    seen = [{"row": row, "headers": context.get_all_request_header(i)} for i, row in enumerate(rows)]
    return [json.dumps(each) for each in seen]
`;

interface Seen {
  readonly row: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** Names that only the server may set, as a client tries to. */
const SPOOFED = { explain: 'spoofed', Describe: 'spoofed', URL_Path: 'spoofed', open_inference: 'spoofed' };
const SERVER_NAMES = ['explain', 'describe', 'url_path', 'open_inference'];
const JSON_BODY: Sent = { headers: { 'Content-Type': 'application/json; charset=utf-8' }, body: '{"x": 1}' };
const BODY = { row: { body: { x: 1 } }, types: { body: 'application/json' } };

/** Path, the headers that the server adds, and whether the query is an input. */
const ROUTES: readonly (readonly [path: string, added: Readonly<Record<string, string>>, isQueryInput: boolean])[] = [
  ['/predictions/echo', { explain: 'False', url_path: '' }, false],
  ['/predictions/echo/1.0', { explain: 'False', url_path: '' }, false],
  ['/predictions/echo/1.0/any/more', { explain: 'False', url_path: 'any/more' }, false],
  ['/explanations/echo', { explain: 'True', url_path: '' }, false],
  ['/explanations/echo/1.0', { explain: 'True', url_path: '' }, false],
  ['/explanations/echo/1.0/any/more', { explain: 'True', url_path: 'any/more' }, false],
  ['/v1/models/echo:predict', { explain: 'False' }, false],
  ['/v1/models/echo:explain', { explain: 'True' }, false],
  ['/v2/models/echo/infer', { explain: 'False', open_inference: 'v2' }, false],
  ['/v2/models/echo/explain', { explain: 'True', open_inference: 'v2' }, false],
  ['/v2/models/echo/versions/1.0/infer', { explain: 'False', open_inference: 'v2' }, false],
  ['/v2/models/echo/versions/1.0/explain', { explain: 'True', open_inference: 'v2' }, false],
  ['/models/echo/invoke', {}, true],
  ['/invocations', {}, true],
  ['/echo/predict', {}, true],
  ['/echo/1.0/predict', {}, true],
];

describe.each(['documented', 'torchserve'])('in the %s dialect', (dialect) => {
  let bench: ContractBench;

  beforeAll(async () => {
    bench = await startBench({ settings: { api_dialect: dialect, enable_model_api: true } });
    await makeMar(`${bench.store}/echo.mar`, {
      ...manifestFile({ modelName: 'echo', modelVersion: '1.0', handler: 'echo.py' }),
      'echo.py': ECHO,
    });
    await bench.register('url=echo.mar&initial_workers=1&synchronous=true');
  });
  afterAll(() => bench?.stop());

  async function seen(path: string, sent: Sent): Promise<Seen> {
    const answer = await bench.infer(path, sent);
    expect(answer.status, answer.body).toBe(200);
    return answer.json() as Seen;
  }

  test.each(ROUTES)('%s: the row and the headers of a handler', async (path, added, isQueryInput) => {
    const sent = { ...JSON_BODY, headers: { ...JSON_BODY.headers, 'X-Probe': 'One', 'x-other': 'two', ...SPOOFED } };
    const { row, headers } = await seen(`${path}?q=1`, sent);
    expect(row).toEqual({ ...(isQueryInput ? { q: { bytes: '1' } } : {}), ...BODY.row });
    expect(headers).toMatchObject({ 'X-Probe': 'One', 'x-other': 'two', body: { 'content-type': 'application/json' } });
    if (isQueryInput) expect(headers['q']).toEqual({ 'content-type': '' });
    const ofServer = Object.entries(headers).filter(([name]) => SERVER_NAMES.includes(name.toLowerCase()));
    expect(Object.fromEntries(ofServer)).toEqual(added);
  });

  test.each([
    ['JSON', 'application/json', '[1, 2]', [1, 2]],
    ['JSON that is none', 'application/json', '[1,', { bytes: '[1,' }],
    ['text', 'text/plain; charset=utf-8', 'schön', 'schön'],
    ['bytes', 'application/octet-stream', 'raw', { bytes: 'raw' }],
    ['no type', undefined, 'raw', { bytes: 'raw' }],
    ['no body', undefined, undefined, { bytes: '' }],
  ])('%s as the body', async (_what, type, body, expected) => {
    const headers = type === undefined ? {} : { 'Content-Type': type };
    const { row } = await seen('/predictions/echo', body === undefined ? { headers } : { headers, body });
    expect(row).toEqual({ body: expected });
  });

  test('the fields of a form, the later of a name winning; a file keeps its type', async () => {
    const urlencoded = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const plain = await seen('/predictions/echo', { headers: urlencoded, body: 'a=1&b=x%20y&a=2' });
    expect(plain.row).toEqual({ a: { bytes: '2' }, b: { bytes: 'x y' } });
    expect(plain.headers['a']).toEqual({ 'content-type': '' });
    const parts = [
      'Content-Disposition: form-data; name="data"; filename="a.json"\r\nContent-Type: application/json\r\n\r\n[1]',
      'Content-Disposition: form-data; name="note"\r\n\r\nhello',
    ];
    const body = `${parts.map((part) => `--B\r\n${part}\r\n`).join('')}--B--\r\n`;
    const form = await seen('/predictions/echo', {
      headers: { 'Content-Type': 'multipart/form-data; boundary=B' },
      body,
    });
    expect(form.row).toEqual({ data: [1], note: { bytes: 'hello' } });
    expect(form.headers['data']).toEqual({ 'content-type': 'application/json' });
  });

  test('/invocations is told the model by the query, by a form, or needs no telling', async () => {
    expect((await seen('/invocations?model_name=echo', JSON_BODY)).row).toMatchObject({
      model_name: { bytes: 'echo' },
    });
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    expect((await seen('/invocations', { headers, body: 'model_name=echo' })).row).toEqual({
      model_name: { bytes: 'echo' },
    });
    expect((await bench.infer('/invocations?model_name=nobody', JSON_BODY)).status).toBe(404);
    expect((await bench.infer('/invocations', { headers, body: 'model_name=nobody' })).status).toBe(404);
  });

  test('a compressed body as what was in it, without the headers that speak of the compression', async () => {
    const body = gzipSync('{"x": 1}');
    for (const path of ['/predictions/echo', '/explanations/echo', '/v2/models/echo/infer']) {
      const { row, headers } = await seen(path, {
        headers: { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' },
        body,
      });
      expect(row).toEqual(BODY.row);
      const names = Object.keys(headers).map((name) => name.toLowerCase());
      expect(names).not.toContain('content-encoding');
      expect(names).not.toContain('content-length');
    }
  });

  test('a compressed body that is broken or too large is refused, and the server goes on', async () => {
    const headers = { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' };
    const broken = await bench.infer('/predictions/echo', { headers, body: 'no gzip' });
    expect(broken.status).toBe(400);
    const large = await bench.infer('/predictions/echo', { headers, body: gzipSync(Buffer.alloc(105_000_000)) });
    expect(large.status).toBe(413);
    expect((await seen('/predictions/echo', JSON_BODY)).row).toEqual(BODY.row);
  });

  test('/v1/models/{model_name} says on both listeners whether the model is ready', async () => {
    for (const answer of [
      await bench.infer('/v1/models/echo', { method: 'GET' }),
      await bench.manage('GET', '/v1/models/echo'),
    ]) {
      expect(answer.body).toBe('{\n  "name": "echo",\n  "ready": true\n}\n');
    }
    expect((await bench.manage('GET', '/v1/models/nobody')).status).toBe(404);
  });

  test('paths of other operations are not taken for names of models', async () => {
    for (const path of ['/v1/predict', '/models/predict', '/v2/predict', '/predictions/echo/1.0']) {
      const answer = await bench.infer(path, JSON_BODY);
      expect(answer.body).not.toContain('Model not found: v');
      expect(answer.body).not.toContain('Model not found: models');
    }
    // A version called "predict", and not the model "predictions".
    expect((await bench.infer('/predictions/echo/predict', JSON_BODY)).body).toContain('Model version: predict');
  });
});
