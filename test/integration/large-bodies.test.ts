// Bodies that are too large for memory, through a real server and real workers. Its budget is small, so a body above 256 KiB is large here.

import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Answer, send } from '../support/http-exchange.ts';
import { isAlive, residentBytes } from '../support/processes.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { identityNetwork } from '../support/tiny-onnx.ts';

const run = promisify(execFile);

const BUDGET = 1024 * 1024;
const UPLOAD_BYTES = 200_000_000;
const MAX_GROWTH_BYTES = 50_000_000;

/** Answers with the digest of every input. The header `gate` has it wait for that file, `fatal` end the process while that file is not there. */
const PYTHON_HANDLER = `
import hashlib, os, time

def handle(data, context):
    if data is None:
        return None
    answers = []
    for index, row in enumerate(data):
        fatal, gate = context.get_request_header(index, "fatal"), context.get_request_header(index, "gate")
        if fatal and not os.path.exists(fatal):
            open(fatal, "w").close()
            os._exit(3)
        if gate:
            open(gate + ".reached", "w").close()
        while gate and not os.path.exists(gate):
            time.sleep(0.01)
        answers.append({name: [len(value), hashlib.sha256(value).hexdigest()] for name, value in row.items()})
    return answers
`;
const NODE_HANDLER = `
import { createHash } from 'node:crypto';
import { defineHandler } from 'sconce/handler';

export default defineHandler({
  predictOne: ({ inputs }) =>
    Object.fromEntries(
      [...inputs].map(([name, { bytes }]) => [name, [bytes.length, createHash('sha256').update(bytes).digest('hex')]]),
    ),
});
`;

let folder: string;
let server: TestServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-large-bodies-'));
  const store = join(folder, 'store');
  await model(store, 'python', { 'handler.py': PYTHON_HANDLER });
  const retrying = { 'handler.py': PYTHON_HANDLER, 'model-config.yaml': 'retryOnWorkerDeath: true\n' };
  await model(store, 'retried', retrying);
  await model(store, 'node', { 'handler.ts': NODE_HANDLER });
  await writeFile(join(store, 'network.onnx'), identityNetwork([{ name: 'x', type: 'FP32', shape: ['batch'] }]));
  server = await startServer({
    modelStore: store,
    settings: {
      load_models: 'python,retried,node,network.onnx',
      default_workers_per_model: 1,
      decode_input_request: false,
      max_buffered_size: BUDGET,
      max_request_size: UPLOAD_BYTES + 1,
      max_response_size: UPLOAD_BYTES,
    },
  });
  for (const name of ['python', 'retried', 'node', 'network'])
    await vi.waitFor(async () => expect(await isReady(name)).toBe(true), { timeout: 30_000 });
});

afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function model(store: string, name: string, files: Readonly<Record<string, string>>): Promise<void> {
  const [[handler = ''] = []] = Object.entries(files);
  const isNode = handler.endsWith('.ts');
  const document = {
    runtime: isNode ? 'NODE' : 'PYTHON',
    model: {
      modelName: name,
      modelVersion: '1.0',
      handler: isNode ? handler : `${handler}:handle`,
      ...('model-config.yaml' in files ? { configFile: 'model-config.yaml' } : {}),
    },
  };
  await mkdir(join(store, name, 'MAR-INF'), { recursive: true });
  await writeFile(join(store, name, 'MAR-INF', 'MANIFEST.json'), JSON.stringify(document));
  for (const [file, text] of Object.entries(files)) await writeFile(join(store, name, file), text);
}

const isReady = async (name: string) => (await send(`${server.inference}/v2/models/${name}/ready`)).status === 200;
const post = (path: string, body: Buffer, headers: Readonly<Record<string, string>> = {}) =>
  send(server.inference + path, { method: 'POST', body, headers });
const digest = (bytes: Buffer) => [bytes.length, createHash('sha256').update(bytes).digest('hex')];
const gate = (name: string) => join(folder, name);
const reached = (name: string) =>
  readFile(`${gate(name)}.reached`).then(
    () => true,
    () => false,
  );

/** The files of bodies that the server has. */
async function bodyFiles(): Promise<readonly string[]> {
  const [work = ''] = (await readdir(server.tmp)).filter((name) => name.startsWith('sconce-'));
  return readdir(join(server.tmp, work, 'bodies')).catch(() => []);
}

async function gauge(name: string): Promise<number> {
  const { body } = await send(`${server.metrics}/metrics`);
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(body)?.[1] ?? Number.NaN);
}

/** Nothing is left of any request. */
async function untilClear(): Promise<void> {
  await expect.poll(bodyFiles).toEqual([]);
  expect([await gauge('sconce_stored_bytes'), await gauge('sconce_buffered_bytes')]).toEqual([0, 0]);
}

describe('a large body', () => {
  const large = randomBytes(700_000);
  const other = randomBytes(300_000);

  test.each(['python', 'node'])('reaches the handler of %s as it was sent, in every form', async (name) => {
    const form = new FormData();
    form.append('model_name', name);
    form.append('first', new Blob([large]), 'first.bin');
    form.append('note', 'short');
    form.append('second', new Blob([other]), 'second.bin');
    const encoded = new Response(form);
    const type = { 'content-type': encoded.headers.get('content-type') ?? '' };
    const parts = Buffer.from(await encoded.arrayBuffer());
    const path = `/predictions/${name}`;
    const fields = { first: digest(large), note: digest(Buffer.from('short')), second: digest(other) };
    expect((await post(path, large)).json()).toEqual({ body: digest(large) });
    expect((await post(path, gzipSync(large), { 'content-encoding': 'gzip' })).json()).toEqual({ body: digest(large) });
    expect((await unsized(path, large)).json()).toEqual({ body: digest(large) });
    const named = { ...fields, model_name: digest(Buffer.from(name)) };
    expect((await post(path, parts, type)).json()).toEqual(named);
    expect((await post('/invocations?extra=1', parts, type)).json()).toEqual({
      ...named,
      extra: digest(Buffer.from('1')),
    });
    await untilClear();
  });

  test('of tensors reaches a network', async () => {
    const tensor = Buffer.from(Float32Array.from({ length: 150_001 }, (_, index) => index / 3).buffer);
    const document = {
      inputs: [{ name: 'x', shape: [150_001], datatype: 'FP32', parameters: { binary_data_size: tensor.length } }],
    };
    const head = Buffer.from(JSON.stringify(document));
    const answer = await fetch(`${server.inference}/v2/models/network/infer`, {
      method: 'POST',
      headers: { 'inference-header-content-length': String(head.length), 'content-type': 'application/octet-stream' },
      body: Buffer.concat([head, tensor]),
    });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('50000');
    await untilClear();
  });

  test('stays for the worker when its client has left, and goes when the worker is done', async () => {
    const leaving = new AbortController();
    const headers = { gate: gate('left'), 'content-length': String(large.length) };
    const url = `${server.inference}/predictions/python`;
    const gone = send(url, { method: 'POST', body: large, headers, signal: leaving.signal }).catch(() => 'gone');
    await expect.poll(() => reached('left')).toBe(true);
    leaving.abort();
    expect(await gone).toBe('gone');
    await expect.poll(() => gauge('sconce_queue_running{[^}]*"python"[^}]*}')).toBe(0);
    expect(await bodyFiles()).toHaveLength(1);
    await writeFile(gate('left'), '');
    await untilClear();
  });

  test('goes with the worker that died, and is read again by one that tries again', async () => {
    const died = await post('/predictions/python', large, { fatal: gate('once') });
    expect(died.status).toBe(503);
    await untilClear();
    const retried = await post('/predictions/retried', large, { fatal: gate('first-try') });
    expect([retried.status, retried.json()]).toEqual([200, { body: digest(large) }]);
    await untilClear();
    await expect.poll(() => isReady('python'), { timeout: 20_000 }).toBe(true);
  });

  test('for which there is no room any more is refused, and leaves nothing behind', async () => {
    const limit = (bytes: string) => run('prlimit', ['--pid', String(server.pid), `--fsize=${bytes}:unlimited`]);
    await limit('1000000');
    try {
      const refused = await post('/predictions/node', Buffer.alloc(3_000_000));
      expect([refused.status, refused.json()]).toEqual([
        507,
        { code: 507, type: 'InsufficientStorageException', message: expect.stringContaining('TMPDIR') },
      ]);
      await untilClear();
      expect((await post('/predictions/node', large)).status).toBe(200);
    } finally {
      await limit('unlimited');
    }
  });

  test(`of ${UPLOAD_BYTES} bytes is not in the server's memory`, async () => {
    const before = await residentBytes(server.pid);
    let most = 0;
    const hash = createHash('sha256');
    const piece = randomBytes(1_000_000);
    const answer = await streamed('/predictions/node', { 'content-length': String(UPLOAD_BYTES) }, async (write) => {
      for (let sent = 0; sent < UPLOAD_BYTES; sent += piece.length) {
        hash.update(piece);
        await write(piece);
        most = Math.max(most, await residentBytes(server.pid));
      }
    });
    expect(answer.json()).toEqual({ body: [UPLOAD_BYTES, hash.digest('hex')] });
    expect(most - before).toBeLessThan(MAX_GROWTH_BYTES);
    const tooLarge = await streamed(
      '/predictions/node',
      { 'content-length': String(UPLOAD_BYTES + 2) },
      async () => {},
    );
    expect(tooLarge.status).toBe(413);
    await untilClear();
  });
});

describe('bodies in memory', () => {
  test('have a budget, of which one model leaves enough to the others', async () => {
    const small = randomBytes(200_000);
    const waiting: Promise<Answer>[] = [];
    for (let index = 0; index < 2; index += 1) waiting.push(post('/predictions/python', small, { gate: gate('full') }));
    await expect.poll(() => gauge('sconce_buffered_bytes')).toBeGreaterThan(400_000);
    const failures = await gauge('Requests5XX{.*}');
    const refused = await post('/predictions/python', small);
    expect(await gauge('Requests5XX{.*}')).toBe(failures + 1);
    expect([refused.status, refused.header('retry-after')]).toEqual([503, '1']);
    expect(refused.json()).toMatchObject({ message: expect.stringContaining('for model python') });
    expect((await post('/predictions/node', small)).json()).toEqual({ body: digest(small) });
    expect(await gauge('sconce_buffered_bytes')).toBeLessThanOrEqual(BUDGET);
    await writeFile(gate('full'), '');
    for (const answer of await Promise.all(waiting)) expect(answer.json()).toEqual({ body: digest(small) });
    expect((await post('/predictions/python', small)).status).toBe(200);
    await untilClear();
  });
});

test('a server that is stopped leaves no file of a body that was on its way', async () => {
  const outgoing = request(`${server.inference}/predictions/node`, {
    method: 'POST',
    headers: { 'content-length': '1000000' },
  });
  outgoing.on('error', () => {});
  outgoing.write(Buffer.alloc(600_000));
  await expect.poll(() => gauge('sconce_stored_bytes')).toBe(600_000);
  server.process.kill('SIGTERM');
  const exited = once(server.process, 'exit');
  outgoing.destroy();
  expect(await exited).toEqual([0, null]);
  expect((await readdir(server.tmp)).filter((name) => name.startsWith('sconce-'))).toEqual([]);
  expect(await isAlive(server.pid)).toBe(false);
});

/** Sends a body in pieces that `produce` writes, one when there is room for it. */
function streamed(
  path: string,
  headers: Readonly<Record<string, string>>,
  produce: (write: (piece: Buffer) => Promise<void>) => Promise<void>,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(server.inference + path, { method: 'POST', headers }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        const header = (name: string) => incoming.headers[name]?.toString();
        resolve({
          status: incoming.statusCode ?? 0,
          reason: '',
          headers: [],
          body,
          header,
          json: () => JSON.parse(body),
        });
        outgoing.destroy();
      });
    });
    outgoing.on('error', reject);
    outgoing.flushHeaders();
    produce(async (piece) => {
      if (!outgoing.write(piece)) await once(outgoing, 'drain');
    }).then(() => outgoing.end(), reject);
  });
}

/** A body that does not say its length. */
function unsized(path: string, body: Buffer): Promise<Answer> {
  return streamed(path, { 'transfer-encoding': 'chunked' }, async (write) => {
    for (let start = 0; start < body.length; start += 50_000) await write(body.subarray(start, start + 50_000));
  });
}
