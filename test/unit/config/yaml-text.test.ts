import { describe, expect, it } from 'vitest';
import { parseYaml, UnusableYaml } from '../../../src/config/yaml-text.ts';

describe('YAML from an archive', () => {
  it.each([
    ['', null],
    ['# only a comment', null],
    ['a: 1\nb: [x, 2.5, yes, ~]', { a: 1, b: ['x', 2.5, true, null] }],
    ['on: 012', { true: 10 }],
    ['t: 2001-02-03\nbig: .inf\nnone: .nan', { t: '2001-02-03T00:00:00.000Z', big: 'Infinity', none: 'NaN' }],
    ['s: !!set {x, z}\nb: !!binary aGk=', { s: ['x', 'z'], b: 'aGk=' }],
    ['1: one\n2.5: more\nnull: none', { '1': 'one', '2.5': 'more', null: 'none' }],
    ['base: &b {x: 1}\nother: {<<: *b, z: 2}', { base: { x: 1 }, other: { x: 1, z: 2 } }],
    ['a: 1\na: 2', { a: 2 }],
  ])('is read as YAML 1.1 that JSON can carry: %j', async (text, value) => {
    const parsed = await parseYaml(text);
    expect(parsed).toEqual(value);
    expect(JSON.parse(JSON.stringify(parsed))).toEqual(value);
  });

  it('keeps __proto__ an ordinary key', async () => {
    const parsed = await parseYaml('__proto__: {polluted: true}');
    expect(JSON.stringify(parsed)).toBe('{"__proto__":{"polluted":true}}');
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  it.each([
    ['a: [1', /^line 1, column \d+: /],
    ['a: 1\n\tb: 2', /^line 2, column 1: /],
    ['a: 1\n---\nb: 2', /^line 2, column 1: a second document begins/],
    ['a: !!python/object/apply:os.system ["true"]', /^line 1, column 4: Unresolved tag/],
    ['a: !mine 1', /Unresolved tag/],
    ['a: *nowhere', /nowhere/],
    ['? [1, 2]\n: x', /used as a key/],
    ['a: &a [*a]', /contains itself/],
    ['a: &a {b: [*a, *a]}', /contains itself/],
  ])('is refused, with what and where: %j', async (text, problem) => {
    await expect(parseYaml(text)).rejects.toThrow(UnusableYaml);
    await expect(parseYaml(text)).rejects.toThrow(problem);
  });

  it('is refused when its anchors multiply', async () => {
    const levels = Array.from({ length: 12 }, (_, n) => `l${n + 1}: &l${n + 1} [${`*l${n},`.repeat(9)}]`);
    await expect(parseYaml(['l0: &l0 lol', ...levels].join('\n'))).rejects.toThrow(UnusableYaml);
  });

  it('is refused when its anchors make it large', async () => {
    const text = `a: &a [${'1,'.repeat(50_000)}]\nb: [${'*a,'.repeat(50)}]`;
    await expect(parseYaml(text)).rejects.toThrow(/more than 1000000 values/);
  });

  it('is refused when it uses anchors a thousand times', async () => {
    const text = Array.from({ length: 20 }, (_, n) => `a${n}: &a${n} 1\nb${n}: [${`*a${n},`.repeat(60)}]`).join('\n');
    await expect(parseYaml(text)).rejects.toThrow(/anchors are used more than 1000 times/);
  });

  it('takes a star within text for text', async () => {
    await expect(parseYaml(`a: [${'x * y,'.repeat(2000)}]\nb: "*"`)).resolves.toMatchObject({ b: '*' });
  });

  it('is refused when it is very long, or wrong all along, before it takes long', async () => {
    await expect(parseYaml(`a: ${'x'.repeat(262_144)}`)).rejects.toThrow(/longer than 262144 characters/);
    await expect(parseYaml('}'.repeat(200_000))).rejects.toThrow(/^line 1, column 1: Unexpected flow-map-end/);
  });

  // The YAML library recurses, and a deep text of a few kilobytes ended the whole process inside a regular expression.
  it.each([
    ['flow lists', `${'['.repeat(5000)}${']'.repeat(5000)}`],
    ['flow lists without an end', '['.repeat(200_000)],
    ['flow maps', '{a: '.repeat(5000)],
    ['lists on one line', `${'- '.repeat(5000)}x`],
    ['keys', `${'? '.repeat(5000)}x`],
    ['block maps', Array.from({ length: 300 }, (_, n) => `${' '.repeat(n)}a:`).join('\n')],
  ])('is refused at once when it nests too deep: %s', async (_, text) => {
    await expect(parseYaml(text)).rejects.toThrow(/nested more than 100 levels deep/);
  });

  it('may nest as deep as people write', async () => {
    const text = Array.from({ length: 60 }, (_, n) => `${' '.repeat(n)}a:`).join('\n');
    await expect(parseYaml(text)).resolves.toMatchObject({ a: { a: {} } });
  });

  it('may have thousands of keys', async () => {
    const text = Array.from({ length: 10_000 }, (_, n) => `label${n}: ${n}`).join('\n');
    expect(Object.keys((await parseYaml(text)) ?? {})).toHaveLength(10_000);
  });
});
