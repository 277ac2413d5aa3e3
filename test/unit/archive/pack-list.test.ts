import { expect, it } from 'vitest';
import { PackList, type WhenTaken } from '../../../src/archive/pack-list.ts';

function listOf(whenTaken: WhenTaken, ...files: readonly (readonly [path: string, source: string])[]): PackList {
  const list = new PackList(whenTaken);
  for (const [path, source] of files) list.add({ path, source, sizeBytes: 1, modifiedAt: new Date(0) });
  return list;
}

const sources = (list: PackList) => list.files.map(({ path, source }) => `${path}=${source}`);

it('refuses two files of one name and names both', () => {
  expect(() => listOf('refuse', ['a', '/x/a'], ['a', '/y/a'])).toThrow(
    '"/x/a" and "/y/a" are both called "a" in the archive. Rename one of them, or leave one out.',
  );
});

it('lets the later file win with a notice where it replaces', () => {
  const list = listOf('replace', ['a', '/x/a'], ['b', '/x/b'], ['a', '/y/a']);
  expect(sources(list)).toEqual(['a=/y/a', 'b=/x/b']);
  expect(list.notices).toEqual(['"/x/a" and "/y/a" are both called "a" in the archive; the second one is packed']);
});

it('has a file that is added twice once', () => {
  const list = listOf('refuse', ['a', '/x/a'], ['a', '/x/a']);
  expect(sources(list)).toEqual(['a=/x/a']);
});

it('refuses names that differ only by case, or only tells them where it replaces', () => {
  expect(() => listOf('refuse', ['Foo', '/x/Foo'], ['foo', '/x/foo'])).toThrow('one name on some disks');
  const list = listOf('replace', ['Foo', '/x/Foo'], ['foo', '/x/foo']);
  expect(sources(list)).toEqual(['Foo=/x/Foo', 'foo=/x/foo']);
  expect(list.notices[0]).toContain('Sconce refuses such an archive');
});

it.each([
  [
    [
      ['a', '/x/a'],
      ['a/b', '/y/b'],
    ],
  ],
  [
    [
      ['a/b', '/y/b'],
      ['a', '/x/a'],
    ],
  ],
] as const)('refuses a name that is a file and a folder', (files) => {
  expect(() => listOf('replace', ...files)).toThrow('"a" would be a file and a folder of the archive');
});

it('leaves out a manifest, since the archive gets its own', () => {
  expect(sources(listOf('refuse', ['MAR-INF/MANIFEST.json', '/x/m'], ['MAR-INF/x', '/x/x']))).toEqual([
    'MAR-INF/x=/x/x',
  ]);
});
