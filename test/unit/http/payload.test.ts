import { describe, expect, it } from 'vitest';
import { inputsOf } from '../../../src/http/payload.ts';
import { rejectionOf } from '../../support/thrown.ts';

async function inputs(text: string, contentType: string, query = '') {
  const bytes = Buffer.from(text);
  const found = await inputsOf({ chunks: [bytes], sizeBytes: bytes.length }, contentType, query);
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
  ])('makes one input of a body of type "%s"', async (contentType, type) => {
    expect(await inputs('{"a":1}', contentType)).toEqual([['body', type, '{"a":1}']]);
  });

  it('passes the chunks of a body on as they are', async () => {
    const chunks = [Buffer.from('ab'), Buffer.from('c')];
    const [input] = await inputsOf({ chunks, sizeBytes: 3 }, 'image/png', '');
    expect(input).toEqual({ name: 'body', contentType: 'image/png', chunks, sizeBytes: 3 });
    expect(input?.chunks[0]).toBe(chunks[0]);
  });

  it('makes an input of each field of a form', async () => {
    expect(await inputs('a=1&b=x+y%2Bz&a=gr%C3%BC%C3%9Fe&c=&d', 'application/x-www-form-urlencoded')).toEqual([
      ['a', '', '1'],
      ['b', '', 'x y+z'],
      ['a', '', 'grüße'],
      ['c', '', ''],
      ['d', '', ''],
    ]);
  });

  it('makes an input of each part of a multipart form', async () => {
    const body = '--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--X--\r\n';
    expect(await inputs(body, 'multipart/form-data; boundary=X')).toEqual([['a', '', '1']]);
  });

  it('puts query values before the body where they count', async () => {
    expect(await inputs('raw', 'text/plain', 'a=1&b=2')).toEqual([
      ['a', '', '1'],
      ['b', '', '2'],
      ['body', 'text/plain', 'raw'],
    ]);
    expect(await inputs('b=3', 'application/x-www-form-urlencoded', 'a=1')).toEqual([
      ['a', '', '1'],
      ['b', '', '3'],
    ]);
    expect(await inputs('', '', 'a=1')).toEqual([
      ['a', '', '1'],
      ['body', '', ''],
    ]);
  });

  it('refuses a form of more fields than a request may have', async () => {
    const fields = (count: number) => Array.from({ length: count }, (_, index) => `f${index}=1`).join('&');
    expect(await inputs(fields(1000), 'application/x-www-form-urlencoded')).toHaveLength(1000);
    const error = await rejectionOf(inputs(fields(1001), 'application/x-www-form-urlencoded'));
    expect(error).toMatchObject({ code: 'INVALID_BODY', message: expect.stringContaining('1000') });
  });

  it('refuses names that would fill the frame to the worker', async () => {
    const error = await rejectionOf(inputs(`${'n'.repeat(40_000)}=1`, 'application/x-www-form-urlencoded'));
    expect(error).toMatchObject({ code: 'INVALID_BODY', message: expect.stringContaining('32768') });
  });

  it('refuses an urlencoded body that would hold up the server', async () => {
    const body = `a=${'x'.repeat(8 * 1024 * 1024)}`;
    const error = await rejectionOf(inputs(body, 'application/x-www-form-urlencoded'));
    expect(error).toMatchObject({ code: 'INVALID_BODY', message: expect.stringContaining('multipart/form-data') });
  });
});
