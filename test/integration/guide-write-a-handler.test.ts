// docs/guides/write-a-handler.md, done as it is printed: every command works, and what the page shows is what comes out.
import { readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AuthorFolder } from '../support/author-folder.ts';
import { installFakeDebugpy } from '../support/fake-debugpy.ts';
import { freePort } from '../support/free-port.ts';
import { blocksOf } from '../support/markdown-blocks.ts';
import type { Terminal } from '../support/terminal.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const GUIDE = join(ROOT, 'docs/guides/write-a-handler.md');
const LONG_RUNNING = /^sconce (?:dev|serve) /;

let author: AuthorFolder;

beforeAll(async () => {
  author = await AuthorFolder.create();
  // What the guide finds in a checkout, and the package that it tells to install.
  await symlink(join(ROOT, 'dist'), join(author.path, 'dist'));
  await installFakeDebugpy(join(author.path, 'packages'));
});

afterAll(() => author.remove());

/** Where a `dev` or a `serve` that has just begun to answer listens. */
async function addressOf(terminal: Terminal): Promise<string> {
  const [, dev, serve] = await terminal.find(/^predictions (\S+),[\s\S]*✓|"inference":"([^"]+)"[\s\S]*is ready/m);
  return dev ?? serve ?? '';
}

test('the commands of the guide print what the guide says', { timeout: 120_000 }, async () => {
  const debugPort = await freePort();
  let server: Terminal | undefined;
  let inference = '';
  let printed = '';
  let errors = '';
  const checked = { json: 0, text: 0 };
  for (const { language, text } of blocksOf(await readFile(GUIDE, 'utf8'))) {
    if (language === 'json') {
      expect(JSON.parse(printed)).toEqual(JSON.parse(text));
      checked.json += 1;
    } else if (language === 'text' && text.startsWith('✗')) {
      await server?.find(new RegExp(`^${text.trim().replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}`, 'm'));
      checked.text += 1;
    } else if (language === 'text') {
      for (const stage of text.trim().split('\n'))
        expect(errors).toMatch(new RegExp(`^${stage.split(' ')[0]} +[\\d.]+ m?s$`, 'm'));
      checked.text += 1;
    } else if (language === 'sh' && LONG_RUNNING.test(text)) {
      if (server !== undefined) expect(await server.interrupt()).toBe(0);
      server = await author.run(`exec ${text.replace('5678', String(debugPort))}`, {
        PYTHONPATH: join(author.path, 'packages'),
      });
      inference = await addressOf(server);
    } else if (language === 'sh') {
      const loads = loadsOf(server);
      const command = await author.run(text.replaceAll('http://localhost:8080', inference));
      expect(await command.exited, `${text}: ${command.stderr}`).toBe(0);
      [printed, errors] = [command.stdout, command.stderr];
      // After a save the reader waits for the terminal to say that the new version answers, or why it does not.
      if (text.includes('> mood/')) await expect.poll(() => loadsOf(server), { timeout: 15_000 }).toBe(loads + 1);
    }
  }
  expect(checked).toEqual({ json: 4, text: 2 });
  expect(await server?.interrupt()).toBe(0);
});

/** How many loads the terminal has told the end of. */
function loadsOf(server: Terminal | undefined): number {
  return server?.stderr.match(/^✓ |goes on answering/gm)?.length ?? 0;
}
