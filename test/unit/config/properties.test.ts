import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/config/config-error.ts';
import { decodeProperties, parseProperties, substituteEnvironment } from '../../../src/config/properties.ts';

function parse(text: string): Record<string, string> {
  return Object.fromEntries(parseProperties(text, 'config.properties'));
}

describe('a properties text', () => {
  it.each([
    ['key=value', { key: 'value' }],
    ['key:value', { key: 'value' }],
    ['key value', { key: 'value' }],
    ['  key \t =  value  ', { key: 'value  ' }],
    ['inference_address=http://127.0.0.1:8080', { inference_address: 'http://127.0.0.1:8080' }],
    ['key', { key: '' }],
    ['key=', { key: '' }],
    ['key==value', { key: '=value' }],
    ['=value', { '': 'value' }],
    ['a\\=b\\:c\\ d=e', { 'a=b:c d': 'e' }],
    ['# no\n! no\n  # no\nkey=# yes', { key: '# yes' }],
    ['a=1\nb=2\na=3', { a: '3', b: '2' }],
    ['a=1\r\nb=2\rc=3', { a: '1', b: '2', c: '3' }],
    ['a=one,\\\n    two,\\\r\n\tthree\nb=2', { a: 'one,two,three', b: '2' }],
    ['a=ends in a backslash\\\\\nb=2', { a: 'ends in a backslash\\', b: '2' }],
    ['a=1\\\n# part of the value', { a: '1# part of the value' }],
    ['# a comment is not continued \\\nb=2', { b: '2' }],
    ['a=x\\ty\\nz\\r\\f\\q\\"', { a: 'x\ty\nz\r\fq"' }],
    ['a=\\u20ac \\u00E9', { a: '€ é' }],
    ['a=open\\', { a: 'open' }],
    ['', {}],
  ])('reads %j', (text, pairs) => {
    expect(parse(text)).toEqual(pairs);
  });

  it('names the line of a broken \\u', () => {
    expect(() => parse('a=1\nb=\\\n  \\u12')).toThrow(ConfigError);
    expect(() => parse('a=1\nb=\\\n  \\u12')).toThrow(
      'config.properties: line 2: \\u must be followed by four hexadecimal digits',
    );
  });

  it('keeps __proto__ an ordinary key', () => {
    const pairs = parseProperties('__proto__=polluted', 'config.properties');
    expect(pairs.get('__proto__')).toBe('polluted');
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});

describe('the bytes of a properties file', () => {
  it('are UTF-8 when they can be', () => {
    expect(decodeProperties(Buffer.from('a=é€', 'utf8'))).toBe('a=é€');
  });

  it('are ISO-8859-1 otherwise', () => {
    expect(decodeProperties(Buffer.from('a=é', 'latin1'))).toBe('a=é');
  });

  it('may begin with a byte order mark', () => {
    expect(decodeProperties(Buffer.from('\ufeffa=1', 'utf8'))).toBe('a=1');
  });
});

describe('$$NAME$$', () => {
  const fill = (value: string, env: Record<string, string>) =>
    substituteEnvironment(new Map([['key', value]]), env, 'config.properties').get('key');

  it.each([
    ['$$HOME_DIR$$/models', '/home/me/models'],
    ['$$HOME_DIR$$:$$HOME_DIR$$', '/home/me:/home/me'],
    ['$$A$$', '$$A$$'],
    ['$HOME_DIR$', '$HOME_DIR$'],
    ['$$TRICKY$$', '$$HOME_DIR$$ $& $1'],
  ])('in %s is filled once', (value, filled) => {
    expect(fill(value, { HOME_DIR: '/home/me', TRICKY: '$$HOME_DIR$$ $& $1', A: 'never' })).toBe(filled);
  });

  it('names the variable that is not set', () => {
    expect(() => fill('$$MISSING$$', {})).toThrow(
      'config.properties: key: the environment variable MISSING is not set; set it, or write the value in place of $$MISSING$$',
    );
  });

  it('does not take what every object inherits for a variable', () => {
    expect(() => fill('$$constructor$$', {})).toThrow('constructor is not set');
  });
});
