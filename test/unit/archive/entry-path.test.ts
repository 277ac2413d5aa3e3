import { isAbsolute, normalize, relative, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pathProblem, plainPath, quoted } from '../../../src/archive/entry-path.ts';

const limits = { maxPathBytes: 40, maxPathDepth: 4 };

describe('pathProblem', () => {
  it.each(['a', 'a/b/c/d', './a', 'a//b', 'a/', 'model..py', '模型/权重.pt'])('has nothing against %s', (name) => {
    expect(pathProblem(name, limits)).toBeUndefined();
  });

  it.each([
    ['', 'empty'],
    ['/etc/passwd', 'absolute'],
    ['../x', 'climbs out'],
    ['a/../../x', 'climbs out'],
    ['a/..', 'climbs out'],
    ['..', 'climbs out'],
    ['a\\..\\x', 'backslash'],
    ['C:/x', 'drive letter'],
    ['c:x', 'drive letter'],
    ['a\0b', 'control character'],
    ['a\nb', 'control character'],
    ['a/b/c/d/e', 'deeper than 4'],
    ['x'.repeat(41), 'longer than 40 bytes'],
    ['ü'.repeat(21), 'longer than 40 bytes'],
  ])('refuses %j', (name, words) => {
    expect(pathProblem(name, limits)).toContain(words);
  });

  it('refuses a part that no file system can name', () => {
    expect(pathProblem(`a/${'x'.repeat(256)}`, { maxPathBytes: 1024, maxPathDepth: 4 })).toContain('255 bytes');
  });

  it('never lets a name through that leaves its folder', () => {
    const piece = fc.constantFrom('..', '.', '', 'a', '/', '\\', 'C:', '\0', '....', '. .', '~');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), fc.constantFrom('/', ''), (pieces, glue) => {
        const name = pieces.join(glue);
        if (pathProblem(name, { maxPathBytes: 1024, maxPathDepth: 64 }) !== undefined) return;
        const inside = relative('/root/x', resolve('/root/x', name));
        expect(isAbsolute(inside)).toBe(false);
        expect(inside.split('/')).not.toContain('..');
        expect(plainPath(name)).toBe(normalize(`${name}/`).replace(/^\.\/$|\/$/g, ''));
      }),
    );
  });
});

describe('quoted', () => {
  it('escapes what could forge a log line or turn text around', () => {
    expect(quoted('a\n\u001b[31m\u202eb"')).toBe('"a\\n\\u001b[31m\\u{202e}b\\""');
  });

  it('shortens a long name and leaves other alphabets readable', () => {
    expect(quoted('ü'.repeat(200))).toBe(`"${'ü'.repeat(120)}…"`);
  });
});
