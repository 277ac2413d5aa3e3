import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isPattern, pathsMatching } from '../../../src/archive/pack-glob.ts';
import { makeFolder } from '../../support/archive-forge.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-glob-'));
  await makeFolder(folder, {
    'a1.txt': '',
    'a2.txt': '',
    'b1.txt': '',
    '.hidden.txt': '',
    'x]y': '',
    'one/c.json': '',
    'two/c.json': '',
    'two/d.json': '',
  });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const found = async (pattern: string) =>
  (await pathsMatching(join(folder, pattern))).map((path) => relative(folder, path));

it.each([
  ['*.txt', ['a1.txt', 'a2.txt', 'b1.txt']],
  ['a?.txt', ['a1.txt', 'a2.txt']],
  ['?.txt', []],
  ['[ab]1.txt', ['a1.txt', 'b1.txt']],
  ['[!a]*.txt', ['b1.txt']],
  ['a[0-1].txt', ['a1.txt']],
  ['x[]]y', ['x]y']],
  ['.h*', ['.hidden.txt']],
  ['*/c.json', ['one/c.json', 'two/c.json']],
  ['two/*', ['two/c.json', 'two/d.json']],
  ['t*', ['two']],
  ['**/c.json', ['one/c.json', 'two/c.json']],
  ['*.txt/c', []],
  ['absent/*', []],
])('%s finds %j', async (pattern, expected) => {
  expect(await found(pattern)).toEqual(expected);
});

it('takes an unclosed bracket as it is', async () => {
  expect(await found('a[1.txt')).toEqual([]);
  expect(isPattern('a[1.txt')).toBe(true);
  expect(isPattern('a1.txt')).toBe(false);
});

it('judges many stars in linear time', async () => {
  const before = performance.now();
  expect(await found(`${'a*'.repeat(60)}b`)).toEqual([]);
  expect(performance.now() - before).toBeLessThan(2000);
});
