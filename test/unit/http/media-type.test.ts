import { describe, expect, it } from 'vitest';
import { parseParameterizedHeader } from '../../../src/http/media-type.ts';

describe('parseParameterizedHeader', () => {
  it.each<[string, string, Record<string, string>]>([
    ['', '', {}],
    ['Text/Plain', 'text/plain', {}],
    ['  text/plain ; charset=UTF-8', 'text/plain', { charset: 'UTF-8' }],
    ['a/b;X=1;y="2"', 'a/b', { x: '1', y: '2' }],
    ['a/b; boundary="a b;c=d"', 'a/b', { boundary: 'a b;c=d' }],
    ['form-data; name="a\\"b\\\\c"', 'form-data', { name: 'a"b\\c' }],
    ['form-data; filename="C:\\temp\\x.png"', 'form-data', { filename: 'C:\\temp\\x.png' }],
    ['a/b; q = 1 ; flag ; r=2', 'a/b', { q: '1', r: '2' }],
    ['a/b; x=', 'a/b', { x: '' }],
    ['a/b;;;', 'a/b', {}],
    ['not a type', 'not a type', {}],
    ['a/b; __proto__=x', 'a/b', { ['__proto__']: 'x' }],
  ])('takes "%s" apart', (text, value, parameters) => {
    const parsed = parseParameterizedHeader(text);
    expect(parsed.value).toBe(value);
    expect([...parsed.parameters]).toEqual(Object.entries(parameters));
  });

  it('stays quick for headers made to be slow', () => {
    for (const piece of [';a="\\', ';a="', '; ', ';a', ';a=b ', '\\"'])
      expect(parseParameterizedHeader(`a/b;${piece.repeat(100_000 / piece.length)}`).value).toBe('a/b');
  }, 2_000);
});
