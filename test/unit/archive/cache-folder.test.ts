import { chmod, chown, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openCacheFolder } from '../../../src/archive/cache-folder.ts';

let sandbox: string;
let fallback: string;

beforeEach(async () => {
  sandbox = await mkdtemp(join(tmpdir(), 'sconce-cache-folder-'));
  fallback = join(sandbox, 'work');
  await mkdir(fallback);
});
afterEach(() => rm(sandbox, { recursive: true, force: true }));

async function expectFallback(wanted: string, reason: RegExp): Promise<void> {
  const { path, notice } = await openCacheFolder(wanted, fallback);
  expect(path).toBe(join(fallback, 'cache'));
  expect((await stat(path)).mode & 0o777).toBe(0o700);
  expect(notice).toMatch(reason);
  expect(notice).toContain(wanted);
  expect(notice).toContain('cache_dir');
}

it('makes the folder, with those above it, for its owner alone', async () => {
  const wanted = join(sandbox, 'new', 'sconce');
  expect(await openCacheFolder(wanted, fallback)).toEqual({ path: wanted, notice: undefined });
  expect((await stat(wanted)).mode & 0o777).toBe(0o700);
  expect(await readdir(wanted)).toEqual([]);
});

it('takes a folder that is there, also through a link', async () => {
  await mkdir(join(sandbox, 'real'), { mode: 0o755 });
  await symlink('real', join(sandbox, 'link'));
  expect((await openCacheFolder(join(sandbox, 'link'), fallback)).notice).toBeUndefined();
});

it('does not take what is no folder', async () => {
  await writeFile(join(sandbox, 'file'), '');
  await expectFallback(join(sandbox, 'file'), /the system refused it \(EEXIST\)/);
  await rm(join(fallback, 'cache'), { recursive: true });
  await expectFallback(join(sandbox, 'file', 'below'), /the system refused it \(ENOTDIR\)/);
});

it('does not take a folder that others may write to: what is in it is run', async () => {
  await mkdir(join(sandbox, 'open'));
  await chmod(join(sandbox, 'open'), 0o777);
  await expectFallback(join(sandbox, 'open'), /other users may write to it/);
});

it.runIf(process.getuid?.() === 0)('does not take a folder of somebody else', async () => {
  await mkdir(join(sandbox, 'theirs'));
  await chown(join(sandbox, 'theirs'), 12345, 12345);
  await expectFallback(join(sandbox, 'theirs'), /belongs to another user/);
});

it.runIf(process.getuid?.() !== 0)('does not take a folder that cannot be written', async () => {
  await mkdir(join(sandbox, 'sealed'), { mode: 0o500 });
  await expectFallback(join(sandbox, 'sealed'), /the system refused it \(EACCES\)/);
});
