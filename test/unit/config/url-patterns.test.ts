import { describe, expect, it } from 'vitest';
import { ConfigError, type GivenSetting } from '../../../src/config/config-error.ts';
import { compilePatterns, parsePatternList } from '../../../src/config/url-patterns.ts';

const setting: GivenSetting = { key: 'allowed_urls', value: 'x', origin: 'file', where: 'config.properties' };
const compile = (list: string) => compilePatterns(parsePatternList(list), setting);

describe('the list', () => {
  it('is parted at every comma, without blanks and empty expressions', async () => {
    expect(parsePatternList(' https://a/.* , ,file:///b/.*,')).toEqual(['https://a/.*', 'file:///b/.*']);
    expect(parsePatternList('')).toEqual([]);
  });

  it.each([
    ['(?=a)b', 'look-around'],
    ['(?<!a)b', 'look-around'],
    ['(a)\\1', 'back-reference'],
    ['a*+', 'possessive'],
    ['(', 'missing'],
    ['[a-', 'missing'],
    ['https://[a-z&&[^b]]\\.example/.*', 'intersection'],
    ['https://[a[bc]]/.*', 'inside another'],
  ])('refuses the start for %s', async (pattern, word) => {
    const failure = await compile(`https://fine/.*,${pattern}`).catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(ConfigError);
    expect(String(failure)).toContain(pattern);
    expect(String(failure)).toContain(word);
    expect(String(failure)).toContain('config.properties: allowed_urls=');
  });

  it.each([
    'https://host/\\[a&&b\\]',
    'https://host/\\Q[a[b\\E',
    'https://host/[]a]',
    'https://host/[^]a]',
    'https://host/x&&y',
  ])('takes brackets and signs that stand for themselves in %s', async (pattern) => {
    expect(await compile(pattern)).toHaveLength(1);
  });
});

describe('an expression', () => {
  it('fits a whole URL in any case, with Java’s quoting', async () => {
    const [pattern] = await compile('https://\\Qa.b\\E/(x|y)\\.mar');
    expect(pattern?.matches('HTTPS://A.B/x.mar')).toBe(true);
    expect(pattern?.matches('https://aXb/x.mar')).toBe(false);
    expect(pattern?.matches('https://a.b/x.mar?')).toBe(false);
  });

  it.each(['(a+)+$', '(a|a)*b', '(.*a){20}', '([a-zA-Z]+)*x'])(
    'takes time that is linear in the URL: %s',
    async (text) => {
      const [pattern] = await compile(text);
      const url = `${'a'.repeat(200_000)}!`;
      const beganAt = performance.now();
      expect(pattern?.matches(url)).toBe(false);
      // A matcher that goes back would not be done with 40 letters in this time.
      expect(performance.now() - beganAt).toBeLessThan(5_000);
    },
  );
});
