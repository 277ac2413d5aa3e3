// `--debugpy` and `--inspect`: a worker under a debugger, which is a package that the test makes in place of debugpy, and Node's own.
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AuthorFolder, versionedHandler } from '../support/author-folder.ts';
import { installFakeDebugpy } from '../support/fake-debugpy.ts';
import { freePort } from '../support/free-port.ts';
import { untilNoOffspring } from '../support/processes.ts';

const TS_HANDLER =
  "import { defineHandler } from 'sconce/handler';\nexport const handler = defineHandler({ predictOne: () => 'yes' });\n";

let author: AuthorFolder;
let port: number;
let env: Record<string, string>;

beforeEach(async () => {
  author = await AuthorFolder.create();
  await author.write('m/handler.py', versionedHandler('v1'));
  await author.write('ts/handler.ts', TS_HANDLER);
  await installFakeDebugpy(join(author.path, 'packages'));
  port = await freePort();
  env = { PYTHONPATH: join(author.path, 'packages') };
});

afterEach(() => author.remove());

test('invoke runs the Python worker under debugpy, and waits for a client when it is told to', async () => {
  // Longer than the start-up timeout would allow without a debugger.
  await author.write('m/model-config.yaml', 'startupTimeout: 1\nresponseTimeout: 1\n');
  const terminal = await author.run(`sconce invoke m --json 1 --debugpy ${port} --wait`, env);
  await terminal.find(new RegExp(`^debugpy listens on 127\\.0\\.0\\.1:${port}$`, 'm'));
  expect(terminal.stderr).toContain('timeouts are off; the model loads when a debugger is attached');
  expect(terminal.stdout).toBe('');
  const client = connect(port, '127.0.0.1');
  expect(await terminal.exited).toBe(0);
  client.destroy();
  expect(terminal.stderr).toContain('a client is attached');
  expect(JSON.parse(terminal.stdout)).toEqual({ loaded: 'v1', answered: 'v1' });
  await untilNoOffspring(terminal);
});

test('dev frees the port before the next version takes it, and the model has no timeouts', async () => {
  const terminal = await author.run(`exec sconce dev m --debugpy ${port}`, env);
  await terminal.find(/^✓ m 1\.0 answers/m);
  const [, predictions, management] = await terminal.find(/^predictions (\S+), management (\S+),/m);
  const described = (await (await fetch(`${management}/models/m`)).json()) as object[];
  expect(described).toMatchObject([{ minWorkers: 1, maxWorkers: 1, responseTimeout: null }]);
  for (const version of ['v2', 'v3']) {
    await author.write('m/handler.py', versionedHandler(version));
    await expect
      .poll(async () => (await fetch(`${predictions}/predictions/m`, { method: 'POST' })).text(), { timeout: 15_000 })
      .toContain(version);
  }
  await author.write('m/handler.py', 'nonsense(');
  await terminal.find(/SyntaxError[\s\S]*nothing answers; a save loads it again/);
  expect(await terminal.interrupt()).toBe(0);
  await untilNoOffspring(terminal);
});

test('debugpy that is not there is told with how to install it', async () => {
  await author.write('packages/debugpy/__init__.py', 'raise ModuleNotFoundError("No module named \'debugpy\'")\n');
  const terminal = await author.run(`sconce invoke m --json 1 --debugpy ${port}`, env);
  expect(await terminal.exited).toBe(1);
  expect(terminal.stderr).toBe(
    'sconce: --debugpy: debugpy is not installed for python3; install it with: python3 -m pip install debugpy\n',
  );
});

test('the Node worker opens its inspector', async () => {
  const terminal = await author.run(`exec sconce dev ts --inspect ${port}`);
  await terminal.find(/^✓ ts 1\.0 answers/m);
  const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as object[];
  expect(targets).toMatchObject([{ type: 'node' }]);
  expect(await terminal.interrupt()).toBe(0);
  await untilNoOffspring(terminal);
});

test('with --wait the Node worker loads nothing before somebody is attached', async () => {
  const terminal = await author.run(`exec sconce invoke ts --json 1 --inspect ${port} --wait`);
  await terminal.find(/^Debugger listening on ws:/m);
  const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
    webSocketDebuggerUrl: string;
  }[];
  const { WebSocket } = await import('undici');
  const client = new WebSocket(targets[0]?.webSocketDebuggerUrl ?? '');
  client.onopen = () => client.send(JSON.stringify({ id: 1, method: 'Runtime.runIfWaitingForDebugger' }));
  expect(await terminal.exited).toBe(0);
  client.close();
  expect(terminal.stdout.trim()).toBe('yes');
});

test.each([
  ['m', '--inspect', /its runtime is python, for which there is --debugpy/],
  ['ts', '--debugpy', /its runtime is node, for which there is --inspect/],
])('%s cannot be run with %s, which is told', async (model, flag, message) => {
  const terminal = await author.run(`sconce invoke ${model} --json 1 ${flag} ${port}`, env);
  expect(await terminal.exited).toBe(1);
  expect(terminal.stderr).toMatch(message);
});

test('a port that somebody else has is told before anything starts', async () => {
  const other = await author.run(`exec sconce dev ts --inspect ${port}`);
  await other.find(/^✓ ts/m);
  const terminal = await author.run(`sconce invoke ts --json 1 --inspect ${port}`);
  expect(await terminal.exited).toBe(1);
  expect(terminal.stderr).toBe(
    `sconce: --inspect ${port}: the port is in use by another process; choose another one\n`,
  );
  expect(await other.interrupt()).toBe(0);
});
