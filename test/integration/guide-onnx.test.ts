// docs/guides/serve-an-onnx-model.md, done as it is printed: every command works, and answers what the page shows.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { blocksOf } from '../support/markdown-blocks.ts';
import { Terminal } from '../support/terminal.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const GUIDE = join(ROOT, 'docs/guides/serve-an-onnx-model.md');

let folder: string;
let terminal: Terminal | undefined;

beforeAll(async () => {
  // What the guide finds in a checkout, and room for what it makes.
  folder = await mkdtemp(join(tmpdir(), 'sconce-guide-'));
  for (const name of ['dist', 'examples']) await symlink(join(ROOT, name), join(folder, name));
});

afterAll(async () => {
  await terminal?.close();
  await rm(folder, { recursive: true, force: true });
});

test('the commands of the guide print what the guide says', async () => {
  const blocks = blocksOf(await readFile(GUIDE, 'utf8'));
  let addresses = { inference: '', management: '' };
  let printed = '';
  let checked = 0;
  for (const { language, text } of blocks) {
    if (language === 'json') {
      expectSame(JSON.parse(printed), JSON.parse(text));
      checked += 1;
    } else if (language === 'sh' && /^node dist\/main\.js serve /m.test(text)) {
      if (terminal !== undefined) expect(await terminal.interrupt()).toBe(0);
      await terminal?.close();
      terminal = await Terminal.run(text, { cwd: folder });
      const [line] = await terminal.find(/^.*"Model server started\."\}$/m);
      addresses = JSON.parse(line);
    } else if (language === 'sh') {
      const script = text
        .replaceAll('http://localhost:8080', addresses.inference)
        .replaceAll('http://localhost:8081', addresses.management);
      printed = (await promisify(execFile)('bash', ['-euc', script], { cwd: folder })).stdout;
      if (script.includes('registered.json')) {
        expect(JSON.parse(await readFile(join(folder, 'registered.json'), 'utf8'))).toEqual({
          status: 'Worker scaled',
        });
      }
    }
  }
  expect(checked).toBe(3);
  // The last server is the one for a single model.
  await terminal?.find(/^digits is ready\.\n {2}input {2}image: FP32 \[-1, 1, 8, 8\]$/m);
  expect(await terminal?.interrupt()).toBe(0);
});

/** Equal, with numbers as exact as the page prints them; the page's order of keys counts. */
function expectSame(answer: unknown, shown: unknown): void {
  if (typeof shown === 'number') {
    expect(Math.abs(Number(answer) - shown)).toBeLessThan(1e-4);
  } else if (typeof shown === 'object' && shown !== null) {
    expect(Object.keys(answer as object)).toEqual(Object.keys(shown));
    for (const [key, value] of Object.entries(shown)) expectSame((answer as Record<string, unknown>)[key], value);
  } else {
    expect(answer).toBe(shown);
  }
}
