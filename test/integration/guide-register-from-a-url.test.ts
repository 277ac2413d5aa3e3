// docs/guides/register-from-a-url.md: its curl lines are run as they are printed, against a server and a host of archives that stand here.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeMar, manifestFile } from '../support/archive-forge.ts';
import { type ArchiveHost, serveBytes, startHost } from '../support/archive-host.ts';
import { blocksOf } from '../support/markdown-blocks.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';

const GUIDE = fileURLToPath(new URL('../../docs/guides/register-from-a-url.md', import.meta.url));

let folder: string;
let store: string;
let host: ArchiveHost;
let server: TestServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-guide-'));
  store = join(folder, 'store');
  await mkdir(store);
  await makeMar(join(folder, 'digits.mar'), {
    ...manifestFile({ modelName: 'digits', modelVersion: '1.0', handler: 'digits.py:handle' }),
    'digits.py': 'def handle(data, context):\n    return ["7"] * len(data or [])\n',
  });
  const archive = await readFile(join(folder, 'digits.mar'));
  host = await startHost((request, response) => serveBytes(request, response, archive));
  server = await startServer({ modelStore: store, settings: { allowed_urls: `http://127.0.0.1:${host.port}/.*` } });
});
afterAll(async () => {
  await server?.stop();
  await host?.close();
  await rm(folder, { recursive: true, force: true });
});

test('the commands of the guide register the model, whose file goes with it', async () => {
  const page = (await readFile(GUIDE, 'utf8'))
    .replaceAll('http://localhost:8081', server.management)
    .replaceAll(/https:\/\/(?:models|bucket)\.example/g, host.origin);
  const commands = blocksOf(page)
    .filter(({ language }) => language === 'bash')
    .map(({ text }) => text.trimEnd().replace(/^\$ /, ''));
  expect(commands).toHaveLength(3);
  for (const command of commands) {
    const { stdout } = await promisify(execFile)('sh', ['-c', command.replace('curl', 'curl -fsS')], { cwd: folder });
    expect(JSON.parse(stdout).status).toMatch(/^Worker scaled|^Model "digits"/);
    expect(await readdir(store)).toContain('digits.mar');
    await fetch(`${server.management}/models/digits`, { method: 'DELETE' });
    await expect.poll(() => readdir(store)).toEqual([]);
  }
  // Nothing of a signed URL is lost on the way.
  expect(host.paths[1]).toMatch(/^\/digits\.mar\?X-Amz-Date=.+&X-Amz-Signature=.+$/);
});
