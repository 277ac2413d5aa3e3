import { describe, expect, it } from 'vitest';
import { isSourceUrl, readSource } from '../../../src/archive/asked-source.ts';
import { servingErrorOf } from '../../support/thrown.ts';

describe('a url of a registration', () => {
  it.each(['http://h/a.mar', 'HTTPS://h/a.mar', 'file:///a.mar', 'http://', 'file://host/a.mar'])(
    '%s is fetched',
    (url) => expect(isSourceUrl(url)).toBe(true),
  );

  it.each(['a.mar', 'http:/h/a.mar', 'file:a.mar', 's3://b/a.mar', ' http://h/a.mar', 'xhttp://h/a.mar', ''])(
    '%s is a name in the model store',
    (url) => expect(isSourceUrl(url)).toBe(false),
  );
});

describe('the name in the model store', () => {
  it.each([
    ['https://h/a.mar', 'a.mar'],
    ['https://h/x/y/a.tar.gz?sig=/b.mar#/c.mar', 'a.tar.gz'],
    ['https://h/my%20model.mar', 'my%20model.mar'],
    ['https://h/%2e%2e%2fetc', '%2e%2e%2fetc'],
    ['https://h/modèle.mar', 'modèle.mar'],
    ['file:///srv/models/a.mar', 'a.mar'],
  ])('of %s is %s', (url, name) => expect(readSource(url).fileName).toBe(name));

  it.each([
    'https://h',
    'https://h/',
    'https://h/a/',
    'https://a.mar',
    'https://h/?a.mar',
    'https://h/.hidden',
    'https://h/.',
    `https://h/${'a'.repeat(256)}`,
    'file:///',
  ])('is missing in %s', (url) => {
    const error = servingErrorOf(() => readSource(url));
    expect(error.code).toBe('DOWNLOAD_FAILED');
    expect(error.message).toContain('name of a file');
  });

  it.each([
    'http://',
    'http://h:x/a.mar',
    'https://h/a\\b.mar',
    'https://h/a\u0000.mar',
    'ht\u0009tp://h/a.mar',
    'http://h/\n.mar',
  ])('is not looked for in %j, which is no URL', (url) =>
    expect(servingErrorOf(() => readSource(url)).code).toBe('DOWNLOAD_FAILED'),
  );

  it('is not looked for in a URL of megabytes', () => {
    expect(servingErrorOf(() => readSource(`https://h/a.mar?${'x'.repeat(1_000_000)}`)).message).toContain('8192');
  });

  it.each(['https://h/../a.mar', 'https://h/a..b.mar', 'file:///srv/../etc/passwd'])('is forbidden in %s', (url) => {
    const error = servingErrorOf(() => readSource(url));
    expect(error.code).toBe('ARCHIVE_PATH_FORBIDDEN');
    expect(error.message).toBe(`Relative path is not allowed in url: ${url}`);
  });

  it('is not told with the password of the URL', () => {
    expect(servingErrorOf(() => readSource('https://joe:secret@h/')).message).not.toContain('secret');
  });
});
