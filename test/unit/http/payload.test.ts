import { describe, expect, it } from 'vitest';
import { inputsOf } from '../../../src/http/payload.ts';
import { servingErrorOf } from '../../support/thrown.ts';

function inputs(text: string, contentType: string, query = '') {
  const bytes = Buffer.from(text);
  const found = inputsOf({ chunks: [bytes], sizeBytes: bytes.length }, contentType, query);
  for (const input of found) expect(Buffer.concat(input.chunks).length).toBe(input.sizeBytes);
  return found.map(({ name, contentType, chunks }) => [name, contentType, Buffer.concat(chunks).toString()]);
}

describe('inputsOf', () => {
  it.each([
    ['', ''],
    ['application/json', 'application/json'],
    ['Application/JSON; charset=utf-8', 'application/json'],
    ['not a media type', 'not a media type'],
    ['application/octet-stream', 'application/octet-stream'],
  ])('makes one input of a body of type "%s"', (contentType, type) => {
    expect(inputs('{"a":1}', contentType)).toEqual([['body', type, '{"a":1}']]);
  });

  it('passes the chunks of a body on as they are', () => {
    const chunks = [Buffer.from('ab'), Buffer.from('c')];
    const [input] = inputsOf({ chunks, sizeBytes: 3 }, 'image/png', '');
    expect(input).toEqual({ name: 'body', contentType: 'image/png', chunks, sizeBytes: 3 });
    expect(input?.chunks[0]).toBe(chunks[0]);
  });

  it('makes an input of each field of a form', () => {
    expect(inputs('a=1&b=x+y%2Bz&a=gr%C3%BC%C3%9Fe&c=&d', 'application/x-www-form-urlencoded')).toEqual([
      ['a', '', '1'],
      ['b', '', 'x y+z'],
      ['a', '', 'grüße'],
      ['c', '', ''],
      ['d', '', ''],
    ]);
  });

  it('makes an input of each part of a multipart form', () => {
    const body = '--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--X--\r\n';
    expect(inputs(body, 'multipart/form-data; boundary=X')).toEqual([['a', '', '1']]);
  });

  it('puts query values before the body where they count', () => {
    expect(inputs('raw', 'text/plain', 'a=1&b=2')).toEqual([
      ['a', '', '1'],
      ['b', '', '2'],
      ['body', 'text/plain', 'raw'],
    ]);
    expect(inputs('b=3', 'application/x-www-form-urlencoded', 'a=1')).toEqual([
      ['a', '', '1'],
      ['b', '', '3'],
    ]);
    expect(inputs('', '', 'a=1')).toEqual([
      ['a', '', '1'],
      ['body', '', ''],
    ]);
  });

  it('refuses a form of more fields than a request may have', () => {
    const fields = (count: number) => Array.from({ length: count }, (_, index) => `f${index}=1`).join('&');
    expect(inputs(fields(1000), 'application/x-www-form-urlencoded')).toHaveLength(1000);
    const error = servingErrorOf(() => inputs(fields(1001), 'application/x-www-form-urlencoded'));
    expect(error).toMatchObject({ code: 'INVALID_BODY', message: expect.stringContaining('1000') });
  });

  it('refuses names that would fill the frame to the worker', () => {
    const error = servingErrorOf(() => inputs(`${'n'.repeat(40_000)}=1`, 'application/x-www-form-urlencoded'));
    expect(error).toMatchObject({ code: 'INVALID_BODY', message: expect.stringContaining('32768') });
  });

  it('refuses an urlencoded body that would hold up the server', () => {
    const body = `a=${'x'.repeat(8 * 1024 * 1024)}`;
    const error = servingErrorOf(() => inputs(body, 'application/x-www-form-urlencoded'));
    expect(error).toMatchObject({ code: 'INVALID_BODY', message: expect.stringContaining('multipart/form-data') });
  });
});
