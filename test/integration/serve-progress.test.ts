// `sconce serve MODEL` on a terminal shows how far the model is; anywhere else it does not.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { makeFolder, manifestFile } from '../support/archive-forge.ts';
import { Terminal } from '../support/terminal.ts';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
/** Runs a command with a terminal of its own as all three of its streams. */
const PTY = 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)';
const HANDLER = `
import os, time

class Handler:
    def initialize(self, context):
        while not os.path.exists("go"):
            time.sleep(0.01)

    def handle(self, data, context):
        return data
`;

let folder: string;
let terminal: Terminal | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-progress-'));
  const manifest = manifestFile({ modelName: 'slow', modelVersion: '1.0', handler: 'handler.py' });
  await makeFolder(join(folder, 'slow'), { ...manifest, 'handler.py': HANDLER });
});
afterEach(() => terminal?.close());
afterAll(() => rm(folder, { recursive: true, force: true }));

test('a terminal shows one line that counts while the model loads, and then that it is ready', async () => {
  terminal = await Terminal.run(`python3 -c '${PTY}' ${process.execPath} ${MAIN} serve slow`, { cwd: folder });
  await terminal.find(/\r.\[Kslow: loading 0\.[2-9] s\r/);
  await makeFolder(join(folder, 'slow'), { go: '' });
  await terminal.find(/\r.\[K[\s\S]*slow is ready\./);
  expect(terminal.stdout.split('slow is ready.')[1]).not.toContain('loading');
});

test('without a terminal nothing is drawn', async () => {
  terminal = await Terminal.run(`exec ${process.execPath} ${MAIN} serve slow`, { cwd: folder });
  await terminal.find(/slow is ready\./);
  expect(terminal.stderr).not.toMatch(/\r/);
  expect(await terminal.interrupt()).toBe(0);
});
