// docs/guides/troubleshoot.md, done as it is printed: every command works, and answers what the page shows.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DOCUMENTED_ERRORS } from '../../src/config/http-error-tables.ts';
import { blocksOf } from '../support/markdown-blocks.ts';
import { Terminal } from '../support/terminal.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const GUIDE = join(ROOT, 'docs/guides/troubleshoot.md');

let folder: string;
let terminal: Terminal | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-guide-'));
  await symlink(join(ROOT, 'dist'), join(folder, 'dist'));
});
afterAll(async () => {
  await terminal?.close();
  await rm(folder, { recursive: true, force: true });
});

test('the commands of the guide print what the guide says', async () => {
  const blocks = blocksOf(await readFile(GUIDE, 'utf8'));
  let addresses = { inference: '', management: '' };
  const printed: string[] = [];
  for (const { language, text } of blocks) {
    if (language === 'json') expect(comparable(printed.at(-1) ?? '')).toEqual(comparable(text));
    else if (text.startsWith('node dist/main.js serve ')) {
      terminal = await Terminal.run(text, { cwd: folder, env: { XDG_CACHE_HOME: join(folder, 'caches') } });
      addresses = JSON.parse((await terminal.find(/^.*"Model server started\."\}$/m))[0]);
    } else {
      const script = text
        .replaceAll('http://localhost:8080', addresses.inference)
        .replaceAll('http://localhost:8081', addresses.management);
      printed.push((await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], { cwd: folder })).stdout);
    }
  }
  const [, answer, lastError, prediction, mended, loading, ready, gone] = printed;
  const { message, ...failure } = JSON.parse(answer ?? '');
  const told = JSON.parse((lastError ?? '').slice((lastError ?? '').lastIndexOf('{"code"')));
  expect(told).toMatchObject(failure);
  expect(message).toBe(`${told.message} ${told.hint}\n${told.trace.join('\n')}`);
  expect(JSON.parse(prediction ?? '').message).toContain(told.message);
  expect(mended).toBe('meow');
  expect(loading).toContain('"phase": "load"');
  expect(JSON.parse(ready ?? '')).toMatchObject({ status: 'ready' });
  expect(JSON.parse(gone ?? '')).toEqual({ status: 'Model "cats" unregistered' });
  expect(await terminal?.interrupt()).toBe(0);
});

test('the types that the guide explains are those of a start that fails', async () => {
  const listed = [...(await readFile(GUIDE, 'utf8')).matchAll(/^\| `(\w+Exception)`/gm)].map(([, type]) => type);
  const { HANDLER_NOT_FOUND, HANDLER_IMPORT_FAILED, HANDLER_INITIALIZE_FAILED, MODEL_FILE_NOT_FOUND } =
    DOCUMENTED_ERRORS;
  const { WORKER_OUT_OF_MEMORY, WARMUP_FAILED, WORKER_CRASHED_AT_START, STARTUP_TIMEOUT, ENVIRONMENT_FAILED } =
    DOCUMENTED_ERRORS;
  const handler = [HANDLER_NOT_FOUND, HANDLER_IMPORT_FAILED, HANDLER_INITIALIZE_FAILED, MODEL_FILE_NOT_FOUND];
  const worker = [WORKER_OUT_OF_MEMORY, WARMUP_FAILED, WORKER_CRASHED_AT_START, STARTUP_TIMEOUT, ENVIRONMENT_FAILED];
  expect(listed).toEqual([...handler, ...worker].map(({ type }) => type));
});

/** The answer without what differs from one machine to the next. */
function comparable(text: string): unknown {
  return JSON.parse(
    text.replaceAll(/Python \d+\.\d+/g, 'Python X').replaceAll(/File \\"[^"]*(?=\/model-store)/g, 'File \\"'),
  );
}
