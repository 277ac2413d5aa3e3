// The Open Inference Protocol as its clients see it over HTTP: documents, tensors in JSON and in binary, and `{"error": …}` for every mistake,
// on paths that do not exist as well.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { PATIENCE } from '../support/contract-bench.ts';
import { errorOf, type Sent, send } from '../support/http-exchange.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { divisionNetwork, identityNetwork } from '../support/tiny-onnx.ts';

let folder: string;
let server: TestServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-open-inference-'));
  const store = join(folder, 'store');
  await mkdir(store);
  await writeFile(join(store, 'text.onnx'), identityNetwork([{ name: 's', type: 'BYTES', shape: ['batch'] }]));
  await writeFile(join(store, 'division.onnx'), divisionNetwork());
  const settings = { load_models: 'text.onnx,division.onnx', default_workers_per_model: 1 };
  server = await startServer({ modelStore: store, settings });
  await vi.waitFor(async () => expect((await ask('/v2/health/ready')).status).toBe(200), PATIENCE);
});

afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const ask = (path: string, sent: Sent = {}) => send(server.inference + path, sent);
const infer = (model: string, document: object, headers: Sent['headers'] = {}) =>
  ask(`/v2/models/${model}/infer`, { method: 'POST', headers, body: JSON.stringify(document) });

test('the server, its health and its models describe themselves', async () => {
  expect((await ask('/v2')).json()).toEqual({
    name: 'sconce',
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    extensions: ['binary_tensor_data'],
  });
  expect((await ask('/v2/health/live')).json()).toEqual({ live: true });
  expect((await ask('/v2/health/ready')).json()).toEqual({ ready: true });
  expect((await ask('/v2/models/text/ready')).json()).toEqual({ name: 'text', ready: true });
  const metadata = {
    name: 'division',
    versions: ['1.0'],
    platform: 'onnxruntime_onnx',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
  };
  expect((await ask('/v2/models/division')).json()).toEqual(metadata);
  expect((await ask('/v2/models/division/versions/1.0')).json()).toEqual(metadata);
});

test('a network describes itself to the management API as well, and explains nothing', async () => {
  const [version] = (await send(`${server.management}/models/division?customized=true`)).json() as object[];
  expect(version).toMatchObject({
    customizedMetadata: { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }], outputs: [{ name: 'y' }] },
  });
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [0, 1] }];
  for (const path of ['/v2/models/division/explain', '/v2/models/division/versions/1.0/explain']) {
    const answer = await ask(path, { method: 'POST', body: JSON.stringify({ inputs }) });
    expect(answer.status).toBe(501);
    expect(answer.json()).toEqual({ error: 'An ONNX model gives predictions, no explanations.' });
  }
});

test('tensors go in and out as JSON, with the id of the request', async () => {
  const inputs = [{ name: 's', datatype: 'BYTES', shape: [2], data: ['a', 'grüß'] }];
  const answer = await infer('text', { id: 'one', inputs });
  expect(answer.header('content-type')).toBe('application/json');
  expect(answer.json()).toEqual({
    id: 'one',
    model_name: 'text',
    model_version: '1.0',
    outputs: [{ name: 's_out', datatype: 'BYTES', shape: [2], data: ['a', 'grüß'] }],
  });
});

test('an answer in binary has the length of its JSON in a header, and NaN behind it', async () => {
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [0, 1] }];
  const answer = await fetch(`${server.inference}/v2/models/division/infer`, {
    method: 'POST',
    body: JSON.stringify({ inputs, parameters: { binary_data_output: true } }),
  });
  expect(answer.headers.get('content-type')).toBe('application/octet-stream');
  const bytes = Buffer.from(await answer.arrayBuffer());
  const length = Number(answer.headers.get('inference-header-content-length'));
  expect(JSON.parse(bytes.subarray(0, length).toString())).toEqual({
    model_name: 'division',
    model_version: '1.0',
    outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } }],
  });
  expect([bytes.readFloatLE(length), bytes.readFloatLE(length + 4)]).toEqual([Number.NaN, 1]);
  expect(bytes).toHaveLength(length + 8);
  const asJson = await infer('division', { inputs });
  expect(asJson.status).toBe(500);
  expect(asJson.json()).toEqual({ error: expect.stringMatching(/^Output "y" holds NaN at \[0\]\[0\]/) });
});

describe('a mistake is answered with an error in the form of the protocol:', () => {
  test.each<[string, string, number, RegExp]>([
    ['an unknown path', '/v2/foo', 404, /resource is not found/],
    ['an unknown path with doubled slashes and a query', '//v2//foo?x=1', 404, /resource is not found/],
    ['an unknown path of a model', '/v2/models/text/foo', 404, /resource is not found/],
    ['a wrong method', '/v2/models/text/infer', 405, /method is not allowed/],
    ['a broken percent-encoding', '/v2/models/%zz', 400, /cannot be decoded/],
    ['an unknown model', '/v2/models/nope/ready', 404, /Model not found: nope/],
    ['an unknown version', '/v2/models/text/versions/9', 404, /version: 9/],
  ])('%s', async (_, path, status, message) => {
    const answer = await ask(path);
    expect(answer.status).toBe(status);
    expect(answer.json()).toEqual({ error: expect.stringMatching(message) });
  });

  test('a tensor that does not fit', async () => {
    const answer = await infer('text', { inputs: [] });
    expect(answer.status).toBe(400);
    expect(answer.json()).toEqual({ error: 'Input "s" is missing; the request has no inputs.' });
  });

  test('paths that only begin alike keep the form of their own', async () => {
    expect(errorOf(await ask('/v2x'))).toMatchObject({ code: 404, type: 'ResourceNotFoundException' });
    expect(errorOf(await ask('/foo/v2'))).toMatchObject({ code: 404, type: 'ResourceNotFoundException' });
  });
});

describe('a compressed body', () => {
  const body = gzipSync('["a"]');
  const headers = { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' };

  test('is opened on every route', async () => {
    const plain = await ask('/predictions/text', { method: 'POST', headers, body });
    expect(plain).toMatchObject({ status: 200, body: '["a"]' });
    const asked = { inputs: [{ name: 's', datatype: 'BYTES', shape: [1], data: ['a'] }] };
    const v2 = await ask('/v2/models/text/infer', { method: 'POST', headers, body: gzipSync(JSON.stringify(asked)) });
    expect(v2.status, v2.body).toBe(200);
  });

  test('in another encoding is refused with 415 in the form of the route', async () => {
    const message = /^The request body is encoded \(Content-Encoding: br\).*send it as gzip or deflate/;
    const brotli = { ...headers, 'Content-Encoding': 'br' };
    const v2 = await ask('/v2/models/text/infer', { method: 'POST', headers: brotli, body });
    expect(v2.status).toBe(415);
    expect(v2.json()).toEqual({ error: expect.stringMatching(message) });
    const plain = await ask('/predictions/text', { method: 'POST', headers: brotli, body });
    expect(errorOf(plain)).toMatchObject({ code: 415, type: 'UnsupportedMediaTypeException' });
    const management = await send(`${server.management}/models`, { method: 'POST', headers: brotli, body });
    expect(errorOf(management).code).toBe(415);
  });

  test('that is called identity is read', async () => {
    const asItIs = { ...headers, 'Content-Encoding': 'Identity' };
    const answer = await ask('/predictions/text', { method: 'POST', headers: asItIs, body: '["a"]' });
    expect(answer).toMatchObject({ status: 200, body: '["a"]' });
  });
});
