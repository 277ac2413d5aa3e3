import { describe, expect, it } from 'vitest';
import { parseLoadModels } from '../../../src/config/load-models-setting.ts';
import { UnusableValue } from '../../../src/config/unusable-value.ts';

describe('load_models', () => {
  it.each([
    ['', []],
    ['all', 'all'],
    ['ALL', 'all'],
    ['a.mar', [{ url: 'a.mar' }]],
    ['a.mar,b.mar', [{ url: 'a.mar' }, { url: 'b.mar' }]],
    [' a.mar , b.mar ,', [{ url: 'a.mar' }, { url: 'b.mar' }]],
    [
      'first=a.mar, second = b.mar',
      [
        { name: 'first', url: 'a.mar' },
        { name: 'second', url: 'b.mar' },
      ],
    ],
    ['m=http://h:1/m.mar?a=b', [{ name: 'm', url: 'http://h:1/m.mar?a=b' }]],
    ['http://h/m.mar?a=b', [{ url: 'http://h/m.mar?a=b' }]],
    ['all.mar', [{ url: 'all.mar' }]],
  ])('reads %j', (text, models) => {
    expect(parseLoadModels(text)).toEqual(models);
  });

  it.each([
    ['=a.mar', '"" cannot be a model name'],
    ['a b=a.mar', '"a b" cannot be a model name'],
    ['a=', '"a=" has no archive after the "="; write name=archive.mar'],
  ])('refuses %j', (text, message) => {
    expect(() => parseLoadModels(text)).toThrow(UnusableValue);
    expect(() => parseLoadModels(text)).toThrow(message);
  });
});
