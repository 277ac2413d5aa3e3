// Handlers in TypeScript through a real server: the example, the guide to the letter, and what a client and an operator see when they fail.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blocksOf } from '../support/markdown-blocks.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/typescript-handler/', import.meta.url));
const GUIDE = fileURLToPath(new URL('../../docs/guides/write-a-typescript-handler.md', import.meta.url));

const run = promisify(execFile);

let folder: string;
let store: string;
let server: TestServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-typescript-'));
  store = join(folder, 'model-store');
  await mkdir(store);
  server = await startServer({ modelStore: store });
});

afterAll(async () => {
  await server?.stop();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

describe('the example', () => {
  beforeAll(async () => {
    await cp(`${EXAMPLE}model`, join(store, 'words'), { recursive: true });
    const registered = await register('words');
    expect(registered.status, registered.text).toBe(200);
  });

  test('answers with the document that its README shows', async () => {
    const readme = await readFile(`${EXAMPLE}README.md`, 'utf8');
    const shown = blocksOf(readme).find((block) => block.language === 'json');
    const response = await ask('words', 'the cat and the dog');
    expect(response.headers.get('content-type')).toContain('application/json');
    expect(`${await response.text()}\n`).toBe(shown?.text);
  });

  test('streams a line of JSON for each line of the text', async () => {
    const response = await ask('words', 'one two\n\nthree\n', { accept: 'application/x-ndjson' });
    expect(response.headers.get('content-type')).toBe('application/x-ndjson');
    const lines = (await response.text()).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).words)).toEqual([2, 1]);
  });

  test('refuses an empty text with 400, and answers its batch mates', async () => {
    const responses = await Promise.all(['a', ' ', 'b c'].map((text) => ask('words', text)));
    expect(responses.map((response) => response.status)).toEqual([200, 400, 200]);
    expect(await responses[1]?.text()).toContain('Send a text to count the words of.');
  });

  test('logs with its worker’s name and counts in the server’s metrics', async () => {
    const line = await server.waitForLog((each) => each.msg === 'counting words {"mostFrequent":3}');
    expect(line).toMatchObject({ model: 'words', version: '1.0', stream: 'stdout' });
    await ask('words', 'x y z');
    const metrics = await (await fetch(`${server.metrics}/metrics`)).text();
    expect(metrics).toMatch(/words_counted\{[^}]*ModelName="words"[^}]*\} \d+/);
  });
});

test('the commands of the guide print what the guide says', async () => {
  const blocks = blocksOf(await readFile(GUIDE, 'utf8'));
  const outputs: string[] = [];
  for (const { language, text } of blocks) {
    if (language === 'text') expect(outputs.pop()?.trimEnd()).toBe(text.trimEnd());
    if (language !== 'sh' || text.startsWith('node dist/main.js serve')) continue;
    const script = text
      .replaceAll('http://localhost:8080', server.inference)
      .replaceAll('http://localhost:8081', server.management);
    outputs.push((await run('bash', ['-euc', script], { cwd: folder })).stdout);
  }
  expect(blocks.filter((block) => block.language === 'text')).toHaveLength(3);
});

describe('a handler that fails', () => {
  test('to load: the registration says where, and no file is left in the folder for temporary ones', async () => {
    await model('broken', 'export const a = ;\n');
    const { status, text } = await register('broken');
    expect(status).toBeGreaterThanOrEqual(500);
    expect(text).toContain('handler.ts:1:18: Unexpected \\";\\"');
    expect((await readdir(server.tmp)).filter((name) => name.startsWith('sconce-handler-'))).toEqual([]);
  });

  test('to predict: the client gets 500 without the reason, the log has the line of the author’s file', async () => {
    await model(
      'failing',
      "interface A { b: number }\n\nexport default { predict: (): A[] => {\n  throw new TypeError('a secret'); } };\n",
    );
    expect(await register('failing')).toMatchObject({ status: 200 });
    const response = await ask('failing', 'x');
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('secret');
    await server.waitForLog((line) => line.msg === 'TypeError: a secret' && line['stream'] === 'stderr');
    await server.waitForLog((line) => /handler\.ts:4:9\)?$/.test(line.msg ?? '') && line['model'] === 'failing');
  });
});

test('the signal aborts when the client goes away', async () => {
  await model(
    'patient',
    `import { defineHandler } from 'sconce/handler';
     export default defineHandler({
       async *predictOne(request, _state, context) {
         request.signal.addEventListener('abort', () => context.log.info('the signal aborted'));
         try { for (;;) yield 'x'.repeat(10_000); } finally { context.log.info('the generator was closed'); }
       },
     });`,
  );
  expect(await register('patient')).toMatchObject({ status: 200 });
  const client = new AbortController();
  const response = await fetch(`${server.inference}/predictions/patient`, {
    method: 'POST',
    body: 'x',
    signal: client.signal,
  });
  const reader = response.body?.getReader();
  await reader?.read();
  client.abort();
  await server.waitForLog((line) => line.msg === 'the signal aborted');
  await server.waitForLog((line) => line.msg === 'the generator was closed');
  expect(await (await ask('words', 'still here')).json()).toMatchObject({ words: 2 });
});

/** A model folder in the store with this handler. */
async function model(name: string, handler: string): Promise<void> {
  await mkdir(join(store, name, 'MAR-INF'), { recursive: true });
  const manifest = { runtime: 'node', model: { modelName: name, handler: 'handler.ts' } };
  await writeFile(join(store, name, 'MAR-INF', 'MANIFEST.json'), JSON.stringify(manifest));
  await writeFile(join(store, name, 'handler.ts'), handler);
}

async function register(name: string): Promise<{ readonly status: number; readonly text: string }> {
  const query = `url=${name}&initial_workers=1&synchronous=true`;
  const response = await fetch(`${server.management}/models?${query}`, { method: 'POST' });
  return { status: response.status, text: await response.text() };
}

function ask(name: string, text: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(`${server.inference}/predictions/${name}`, {
    method: 'POST',
    body: text,
    headers: { 'content-type': 'text/plain', ...headers },
  });
}
