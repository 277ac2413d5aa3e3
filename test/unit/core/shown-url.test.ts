import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shownUrl } from '../../../src/core/shown-url.ts';

describe('a url as it is shown', () => {
  it.each([
    ['model.mar', 'model.mar'],
    ['a name with ?x=1 and @', 'a name with ?x=1 and @'],
    ['https://host.example/a.mar', 'https://host.example/a.mar'],
    ['https://host.example/a@2.mar', 'https://host.example/a@2.mar'],
    ['https://joe:secret@host.example/a.mar', 'https://***@host.example/a.mar'],
    ['https://token@host.example/a.mar', 'https://***@host.example/a.mar'],
    ['HTTP://joe:secret@host.example/a.mar', 'HTTP://***@host.example/a.mar'],
    ['https://joe:se@cret@host.example/a.mar', 'https://***@host.example/a.mar'],
    [
      'https://h.example/a.mar?versionId=3&X-Amz-Signature=abc',
      'https://h.example/a.mar?versionId=***&X-Amz-Signature=***',
    ],
    ['https://h.example/a.mar?secret', 'https://h.example/a.mar?***'],
    ['https://h.example/a.mar#secret', 'https://h.example/a.mar#***'],
    ['https://joe:pa/ss@host.example/a.mar', 'https://***@host.example/a.mar'],
  ])('%s is shown as %s', (url, shown) => {
    expect(shownUrl(url)).toBe(shown);
    expect(shownUrl(shown)).toBe(shown);
  });

  it('never holds the password or the value of a parameter', () => {
    const word = fc.string({ unit: fc.constantFrom(...'abc1%!$*()_+~-:;,.'), minLength: 6, maxLength: 12 });
    fc.assert(
      fc.property(word, word, word, (user, password, value) => {
        const shown = shownUrl(`https://${user}:q${password}q@host.example/a.mar?sig=q${value}q`);
        expect(shown).toBe('https://***@host.example/a.mar?sig=***');
      }),
    );
  });
});
