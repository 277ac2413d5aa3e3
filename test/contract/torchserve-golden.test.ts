// Holds the torchserve dialect against recorded answers of TorchServe 0.12: the same requests in the same order, and for each the same
// status, reason phrase, headers (names, order, letter case, values) and body. None of the exchanges is left out.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeMarFromFolder } from '../support/archive-forge.ts';
import { PATIENCE } from '../support/contract-bench.ts';
import { type Answer, send } from '../support/http-exchange.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';

const GOLDEN = fileURLToPath(new URL('../fixtures/golden/', import.meta.url));
const ARCHIVES = ['noop-1.0', 'noop-2.0', 'teller'];

interface Exchange {
  readonly name: string;
  readonly request: {
    readonly to: 'inference' | 'management';
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    /** `<n> bytes` in angle brackets stands for n times the letter x. */
    readonly body: string | null;
  };
  readonly response: {
    readonly status: number;
    readonly reason: string;
    readonly headers: readonly (readonly [string, string])[];
    readonly body: string;
  };
}

/** Exchange → the model whose workers must be ready before the next one, as when they were recorded. */
const WAIT_AFTER: ReadonlyMap<string, string> = new Map([
  ['scale: asynchronous', 'noop'],
  ['register: other name, asynchronous', 'teller'],
  ['handler is too slow', 'teller'],
]);

/** What differs from run to run, and what stands for it in the recording. */
const VARIES: readonly (readonly [RegExp, string])[] = [
  [/"startTime": "[^"]*"/g, '"startTime": "<time>"'],
  [/"memoryUsage": \d+/g, '"memoryUsage": <bytes>'],
  [/"pid": -?\d+/g, '"pid": <pid>'],
  [/"id": "\d+"/g, '"id": "<worker id>"'],
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>'],
];

const exchanges = (await readFile(join(GOLDEN, 'torchserve-0.12.jsonl'), 'utf8'))
  .split('\n')
  .filter((line) => line !== '')
  .map((line): Exchange => JSON.parse(line));

describe('the torchserve dialect answers as TorchServe 0.12 did', () => {
  let store: string;
  let server: TestServer;

  beforeAll(async () => {
    store = await mkdtemp(join(tmpdir(), 'sconce-golden-'));
    for (const name of ARCHIVES) await makeMarFromFolder(join(store, `${name}.mar`), join(GOLDEN, 'models', name));
    server = await startServer({
      modelStore: store,
      settings: {
        api_dialect: 'torchserve',
        enable_model_api: true,
        job_queue_size: 1000,
        max_request_size: 6_553_500,
      },
    });
  });

  afterAll(async () => {
    await server?.stop();
    await rm(store, { recursive: true, force: true });
  });

  test('the recording is whole', () => {
    expect(exchanges).toHaveLength(73);
  });

  test.each(exchanges)('$name', async ({ name, request, response }) => {
    const answer = await send(server[request.to] + request.path, {
      method: request.method,
      headers: request.headers,
      ...(request.body === null ? {} : { body: bodyOf(request.body) }),
    });
    expectSame(answer, request, response);
    const model = WAIT_AFTER.get(name);
    if (model !== undefined) await untilLoaded(model);
  });

  async function untilLoaded(model: string): Promise<void> {
    await expect
      .poll(async () => (await send(`${server.management}/models/${model}`)).body, PATIENCE)
      .toSatisfy((body: string) => body.includes('"READY"') && !body.includes('"UNLOADING"'));
  }
});

function bodyOf(recorded: string): string {
  const size = /^<(\d+) bytes>$/.exec(recorded)?.[1];
  return size === undefined ? recorded : 'x'.repeat(Number(size));
}

function expectSame(answer: Answer, request: Exchange['request'], recorded: Exchange['response']): void {
  expect({ status: answer.status, reason: answer.reason }).toEqual({
    status: recorded.status,
    reason: recorded.reason,
  });
  const body = settle(answer.body);
  const isFromHandler = request.to === 'inference' && recorded.status === 200 && parsed(recorded.body) !== undefined;
  if (isFromHandler) expect(parsed(body)).toEqual(parsed(recorded.body));
  else expect(body).toBe(recorded.body);
  // A length is as recorded unless the body holds something that varies; then it is that of the body.
  const hasVaryingLength = body !== answer.body;
  expect(settledHeaders(answer.headers, hasVaryingLength)).toEqual(settledHeaders(recorded.headers, hasVaryingLength));
  const length = answer.header('content-length');
  if (length !== undefined) expect(length).toBe(String(Buffer.byteLength(answer.body)));
}

function settledHeaders(headers: Answer['headers'], hasVaryingLength: boolean): string[] {
  return headers.map(([name, value]) =>
    name === 'content-length' && hasVaryingLength ? `${name}: <length>` : `${name}: ${settle(value)}`,
  );
}

function settle(text: string): string {
  return VARIES.reduce((settled, [pattern, replacement]) => settled.replace(pattern, replacement), text);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
