import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestRequirements } from '../../../src/workers/requirements-digest.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-requirements-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const put = (name: string, text: string) => writeFile(join(folder, name), text);

async function digest(env: NodeJS.ProcessEnv = {}): Promise<string> {
  const hash = createHash('sha256');
  await digestRequirements(hash, join(folder, 'requirements.txt'), folder, env);
  return hash.digest('hex');
}

describe('the digest of requirements', () => {
  it('is that of the text, wherever the archive lies', async () => {
    await put('requirements.txt', 'numpy==1.26.4\n');
    const first = await digest();
    await put('unrelated.txt', 'x');
    expect(await digest()).toBe(first);
    await put('requirements.txt', 'numpy==1.26.3\n');
    expect(await digest()).not.toBe(first);
  });

  it.each(['-r more.txt', '--requirement=more.txt', '-c more.txt', '--constraint more.txt', '-rmore.txt'])(
    'changes with the file behind %s',
    async (line) => {
      await put('requirements.txt', `numpy\n${line} # the others\n`);
      await put('more.txt', 'scipy==1.0\n');
      const first = await digest();
      await put('more.txt', 'scipy==1.1\n');
      expect(await digest()).not.toBe(first);
    },
  );

  it('is of lists, and of no file of weights that the manifest names by mistake', async () => {
    await put('requirements.txt', ' '.repeat(1024 * 1024 + 1));
    await expect(digest()).rejects.toThrow('has 1048577 bytes');
  });

  it('says which file is missing, without where the archive lies', async () => {
    await expect(digest()).rejects.toThrow(/^is not in the archive$/);
    await put('requirements.txt', 'numpy\n-r more.txt\n');
    await expect(digest()).rejects.toThrow(/^names more\.txt, which is not in the archive$/);
    await mkdir(join(folder, 'more.txt'));
    await expect(digest()).rejects.toThrow(/^names more\.txt, which is a folder$/);
  });

  it('reads files that refer to each other once', async () => {
    await put('requirements.txt', '-r more.txt\n');
    await put('more.txt', '-r requirements.txt\n');
    expect(await digest()).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each(['./local.whl', 'local.whl ; python_version > "3"', 'name @ file:local.whl', './local.whl[extra]'])(
    'changes with the local package in %s',
    async (line) => {
      await put('requirements.txt', `${line}\n`);
      await put('local.whl', 'one');
      const first = await digest();
      await put('local.whl', 'another');
      expect(await digest()).not.toBe(first);
    },
  );

  it('changes with a local project, but not with what its build leaves behind', async () => {
    await put('requirements.txt', '-e ./project\n');
    await mkdir(join(folder, 'project', 'src'), { recursive: true });
    await put('project/src/a.py', 'a = 1\n');
    const first = await digest();
    await mkdir(join(folder, 'project', 'build'));
    await put('project/build/a.py', 'x');
    await mkdir(join(folder, 'project', 'project.egg-info'));
    expect(await digest()).toBe(first);
    await utimes(join(folder, 'project', 'src', 'a.py'), 1, 1);
    expect(await digest()).not.toBe(first);
  });

  it('changes with the variables that the text uses', async () => {
    await put('requirements.txt', `--index-url https://\${USER_NAME}@example.org/simple\n`);
    expect(await digest({ USER_NAME: 'a' })).not.toBe(await digest({ USER_NAME: 'b' }));
  });
});
