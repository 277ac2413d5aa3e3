// `sconce dev`: a save is answered by the new version, whatever the author does meanwhile, and the old one answers until then.
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AuthorFolder, versionedHandler } from '../support/author-folder.ts';
import { offspringOf, untilNoOffspring } from '../support/processes.ts';
import type { Terminal } from '../support/terminal.ts';
import { identityNetwork } from '../support/tiny-onnx.ts';

let author: AuthorFolder;

beforeEach(async () => {
  author = await AuthorFolder.create();
});

afterEach(() => author.remove());

interface Dev {
  readonly terminal: Terminal;
  readonly predictions: string;
  readonly management: string;
  readonly metrics: string;
}

async function dev(args: string, env: Readonly<Record<string, string>> = {}): Promise<Dev> {
  const terminal = await author.run(`exec sconce dev ${args}`, env);
  const [, predictions = '', management = '', metrics = ''] = await terminal.find(
    /^predictions (\S+), management (\S+), metrics (\S+)$/m,
  );
  return { terminal, predictions, management, metrics };
}

async function ask({ predictions }: Dev, body = '{}', model = 'm'): Promise<{ status: number; text: string }> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${predictions}/predictions/${model}`, { method: 'POST', headers, body });
  return { status: response.status, text: await response.text() };
}

const answersWith = (server: Dev, version: string) =>
  expect
    .poll(async () => (await ask(server)).text, { timeout: 20_000, interval: 5 })
    .toContain(`"loaded": "${version}"`);

/** Ends as a user does, and leaves nothing. */
async function endsWell({ terminal }: Dev): Promise<void> {
  expect(await terminal.interrupt()).toBe(0);
  await untilNoOffspring(terminal);
  expect(await terminal.leftFiles()).toEqual([]);
}

test('five saves under load: no request fails, none is answered by two versions, and none is counted twice', async () => {
  await author.write('m/handler.py', versionedHandler('v0'));
  const server = await dev('m');
  await server.terminal.find(/m 1\.0 answers after/);
  const answers: { status: number; text: string }[] = [];
  let isOver = false;
  const client = async () => {
    while (!isOver) answers.push(await ask(server));
  };
  const clients = Array.from({ length: 4 }, client);
  for (const version of ['v1', 'v2', 'v3', 'v4', 'v5']) {
    const before = answers.length;
    await author.write('m/handler.py', versionedHandler(version));
    await expect
      .poll(() => answers.slice(before).some(({ text }) => text.includes(version)), { timeout: 20_000, interval: 2 })
      .toBe(true);
  }
  isOver = true;
  await Promise.all(clients);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  const versions = answers.map(({ text }) => JSON.parse(text) as { loaded: string; answered: string });
  expect(versions.filter(({ loaded, answered }) => loaded !== answered)).toEqual([]);
  const metrics = await (await fetch(`${server.metrics}/metrics`)).text();
  const samples = (name: string) =>
    [...metrics.matchAll(new RegExp(`^${name}{[^}]*} (\\S+)$`, 'gm'))].map(([, n]) => n);
  expect(samples('ts_inference_requests_total')).toEqual([String(answers.length)]);
  expect(samples('sconce_queue_waiting')).toEqual(['0']);
  expect(samples('sconce_failed_requests_total')).toEqual([]);
  await endsWell(server);
});

test('a save that does not load is told with file and line, and the version before answers until one does', async () => {
  await author.write('m/handler.py', versionedHandler('v1'));
  const server = await dev('m');
  await answersWith(server, 'v1');
  await author.write('m/handler.py', 'class Handler:\n    def initialize(self, context)\n');
  const [told] = await server.terminal.find(/^✗ .*\n[\s\S]*?^ {2}the version before goes on answering.*$/m);
  expect(told).toMatch(/^✗ handler\.py:2 SyntaxError: /);
  expect(told).toContain('handler.py", line 2');
  expect((await ask(server)).text).toContain('"v1"');
  // Half of a file, and the rest of it.
  await author.write('m/handler.py', versionedHandler('v2').slice(0, 60));
  await author.write('m/handler.py', versionedHandler('v2'));
  await answersWith(server, 'v2');
  // Without a file that is needed, and with it again.
  await rm(join(author.path, 'm', 'handler.py'));
  await server.terminal.find(/No handler handler\.py|has no handler/);
  expect((await ask(server)).text).toContain('"v2"');
  await author.write('m/handler.py', versionedHandler('v3'));
  await answersWith(server, 'v3');
  await endsWell(server);
});

test('a handler that hangs in its load is given up at the next save', async () => {
  await author.write('m/handler.py', versionedHandler('v1', 'time.sleep(600)'));
  const server = await dev('m');
  await expect.poll(async () => (await offspringOf(server.terminal)).length).toBeGreaterThan(0);
  await author.write('m/handler.py', versionedHandler('v2'));
  await answersWith(server, 'v2');
  await author.write('m/handler.py', versionedHandler('v3', 'print("hanging"); time.sleep(600)'));
  await server.terminal.find(/^hanging$/m);
  expect((await ask(server)).text).toContain('"v2"');
  await author.write('m/handler.py', versionedHandler('v4'));
  await answersWith(server, 'v4');
  // Of all the workers that there were, one is left.
  await expect.poll(async () => (await offspringOf(server.terminal)).length).toBeLessThanOrEqual(2);
  await author.write('m/handler.py', versionedHandler('v5', 'print("hanging again"); time.sleep(600)'));
  await server.terminal.find(/^hanging again$/m);
  await endsWell(server);
});

test('a first load that fails can be mended; what a handler prints stands on the terminal as it is', async () => {
  await author.write('m/handler.py', 'import nothing_of_this_name\n');
  const server = await dev('m');
  await server.terminal.find(/^✗ handler\.py:1 ModuleNotFoundError: [\s\S]*nothing answers; a save loads it again$/m);
  expect((await ask(server)).status).toBe(404);
  await author.write(
    'm/handler.py',
    versionedHandler('v1', 'print("weights: 3 \\"files\\""); print("oh", file=sys.stderr)'),
  );
  await server.terminal.find(/^weights: 3 "files"$/m);
  await server.terminal.find(/^oh$/m);
  await answersWith(server, 'v1');
  expect(server.terminal.stdout).not.toContain('{"');
  await endsWell(server);
});

test('the folder may be deleted, renamed and come back', async () => {
  await author.write('m/handler.py', versionedHandler('v1'));
  const server = await dev('m');
  await answersWith(server, 'v1');
  await rm(join(author.path, 'm'), { recursive: true });
  await server.terminal.find(/^✗ m: there is no such file or folder$/m);
  expect((await ask(server)).text).toContain('"v1"');
  await author.write('m/handler.py', versionedHandler('v2'));
  await answersWith(server, 'v2');
  await rename(join(author.path, 'm'), join(author.path, 'away'));
  await author.write('away/handler.py', versionedHandler('v3'));
  await rename(join(author.path, 'away'), join(author.path, 'm'));
  await answersWith(server, 'v3');
  await endsWell(server);
});

test('name, version and settings may change in the manifest', async () => {
  const manifest = (model: object) => JSON.stringify({ model: { modelName: 'm', handler: 'handler.py', ...model } });
  await author.write('m/handler.py', versionedHandler('v1'));
  await author.write('m/MAR-INF/MANIFEST.json', manifest({}));
  const server = await dev('m');
  await answersWith(server, 'v1');
  await author.write('m/model-config.yaml', 'batchSize: 4\n');
  await author.write('m/MAR-INF/MANIFEST.json', manifest({ modelVersion: '2.0', configFile: 'model-config.yaml' }));
  await server.terminal.find(/^✓ m 2\.0 answers/m);
  const described = await fetch(`${server.management}/models/m/all`);
  expect(await described.json()).toMatchObject([{ modelVersion: '2.0', batchSize: 4 }]);
  await author.write('m/MAR-INF/MANIFEST.json', manifest({ modelName: 'renamed', modelVersion: '2.0' }));
  await server.terminal.find(/^✓ renamed 2\.0 answers/m);
  expect((await ask(server)).status).toBe(404);
  expect((await ask(server, '{}', 'renamed')).status).toBe(200);
  await endsWell(server);
});

test('what tools write is no save, nor what the load writes itself, nor what --ignore names', async () => {
  const writing = 'open("index.bin", "w").write(self.loaded); open("made.py", "w").write("")';
  await author.write('m/handler.py', versionedHandler('v1', writing));
  const server = await dev('--ignore made.py --ignore notes m');
  await answersWith(server, 'v1');
  await author.write('m/.cache/x.py', '');
  await author.write('m/__pycache__/x.py', '');
  await author.write('m/notes/x.py', '');
  await author.write('m/handler.py', versionedHandler('v2', writing));
  await answersWith(server, 'v2');
  await server.terminal.find(/index\.bin changed while the model was loading/);
  await endsWell(server);
  const changes = [...server.terminal.stderr.matchAll(/^↻ (.*) changed$/gm)].map(([, files]) => files);
  expect(changes).toEqual(['handler.py']);
});

test('a handler alone, in Python or TypeScript, and a network alone are models, too', async () => {
  const shout = "import { defineHandler } from 'sconce/handler';\nexport const handler = defineHandler({\n";
  await author.write('py/greet.py', versionedHandler('v1'));
  await author.write('ts/shout.ts', `${shout}  predictOne: (request) => request.text().toUpperCase() + '!',\n});\n`);
  await author.write('net/tiny.onnx', identityNetwork([{ name: 'pair', type: 'FP32', shape: ['batch', 2] }]));
  const python = await dev('py/greet.py');
  await python.terminal.find(/^✓ py 1\.0 answers/m);
  expect((await ask(python, '{}', 'py')).text).toContain('v1');
  await endsWell(python);

  const script = await dev('ts/shout.ts');
  await script.terminal.find(/^✓ ts 1\.0 answers/m);
  expect((await ask(script, 'hello', 'ts')).text).toBe('HELLO!');
  await author.write('ts/shout.ts', `${shout}  predictOne: (request) => request.text() + '?',\n});\n`);
  await expect.poll(async () => (await ask(script, 'hello', 'ts')).text, { timeout: 10_000 }).toBe('hello?');
  await author.write('ts/shout.ts', `${shout}  predictOne: (request) => request..text(),\n});\n`);
  await script.terminal.find(/^✗ shout\.ts:3\b/m);
  await endsWell(script);

  const network = await dev('net/tiny.onnx');
  await network.terminal.find(/^✓ tiny 1\.0 answers/m);
  expect(JSON.parse((await ask(network, '{"pair": [1, 2]}', 'tiny')).text)).toEqual([1, 2]);
  await author.write('net/tiny.onnx', identityNetwork([{ name: 'one', type: 'FP32', shape: ['batch', 1] }]));
  await expect.poll(async () => (await ask(network, '{"one": [3]}', 'tiny')).text, { timeout: 10_000 }).toContain('3');
  await endsWell(network);
});

test('a model that the Management API took away comes back at the next save', async () => {
  await author.write('m/handler.py', versionedHandler('v1'));
  const server = await dev('m');
  await answersWith(server, 'v1');
  expect((await fetch(`${server.management}/models/m`, { method: 'DELETE' })).status).toBe(200);
  await author.write('m/handler.py', versionedHandler('v2'));
  await answersWith(server, 'v2');
  await endsWell(server);
});

test('a folder with links out of it, as virtual environments have, is served', async () => {
  await author.write('m/handler.py', versionedHandler('v1'));
  await author.run(`mkdir m/.venv && ln -s /bin/sh m/.venv/python`).then(({ exited }) => exited);
  const server = await dev('m');
  await answersWith(server, 'v1');
  await endsWell(server);
});

test('a path that is not there ends the command with one line', async () => {
  const terminal = await author.run('sconce dev nothing');
  expect(await terminal.exited).toBe(1);
  expect(terminal.stderr).toBe('sconce: nothing: there is no such file or folder\n');
});

test('on a terminal the author’s own lines stand out, unless NO_COLOR is set', async () => {
  await author.write('m/handler.py', 'import json\njson.loads("{")\n');
  const pty = 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)';
  const command = `python3 -c '${pty}' sconce invoke m --json 1 < /dev/null`;
  const coloured = await author.run(command, { TERM: 'xterm', NO_COLOR: '' });
  expect(await coloured.exited).toBe(1);
  const lines = coloured.stdout.replaceAll('\u001b', '^').split(/\r?\n/);
  expect(lines.find((line) => line.includes('/m/handler.py'))).toMatch(/^ {2}\^\[1m {2}File ".*", line 2, .*\^\[22m$/);
  expect(lines.find((line) => line.includes('json/decoder.py'))).toMatch(/^ {2}\^\[2m {2}File ".*\^\[22m$/);
  const plain = await author.run(command, { TERM: 'xterm', NO_COLOR: '1' });
  expect(await plain.exited).toBe(1);
  expect(plain.stdout).toContain('JSONDecodeError: Expecting');
  expect(plain.stdout).not.toContain('\u001b');
});
