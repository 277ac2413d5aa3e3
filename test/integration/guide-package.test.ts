// docs/guides/package-a-model.md, done as it is printed: every command works, and prints what the page shows.
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
const GUIDE = join(ROOT, 'docs/guides/package-a-model.md');

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
  let inference = '';
  let printed = '';
  let checked = 0;
  for (const { language, text } of blocks) {
    if (language === 'text') {
      expect(printed).toMatch(patternOf(text));
      checked += 1;
    } else if (/^node dist\/main\.js serve /m.test(text)) {
      terminal = await Terminal.run(text, { cwd: folder });
      const [line] = await terminal.find(/^.*"Model server started\."\}$/m);
      inference = (JSON.parse(line) as { inference: string }).inference;
      await terminal.find(/^greeter is ready\.$/m);
    } else if (language === 'sh') {
      const script = text.replaceAll('http://localhost:8080', inference);
      printed = (await promisify(execFile)('bash', ['-euc', script], { cwd: folder })).stdout;
    }
  }
  expect(checked).toBe(7);
  expect(await terminal?.interrupt()).toBe(0);
});

/** The lines in their order, with "…" for what differs from machine to machine, and lines of nothing else for any lines. */
function patternOf(text: string): RegExp {
  const escaped = text.trimEnd().replaceAll(/[{}.*+?^$()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll(/^ *…$/gm, '[\\s\\S]*').replaceAll('…', '.+')}`);
}
