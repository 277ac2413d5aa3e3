import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ServingError } from '../../../src/core/errors.ts';
import { memoryBytes } from '../../../src/http/body-bytes.ts';
import { parseMultipart } from '../../../src/http/multipart.ts';
import { rejectionOf } from '../../support/thrown.ts';

const MAX_PARTS = 5;

function part(head: readonly string[], value: string | Uint8Array = 'v'): Buffer {
  return Buffer.concat([Buffer.from(`--X\r\n${head.join('\r\n')}\r\n\r\n`), Buffer.from(value), Buffer.from('\r\n')]);
}

const field = (name: string, value?: string | Uint8Array) =>
  part([`Content-Disposition: form-data; name="${name}"`], value);
const end = Buffer.from('--X--\r\n');

async function parse(...pieces: readonly (Buffer | string)[]) {
  const bytes = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
  const inputs = await parseMultipart(memoryBytes([bytes]), 'X', MAX_PARTS);
  return inputs.map(({ name, contentType, chunks, sizeBytes }) => {
    const value = Buffer.concat(chunks);
    expect(value.length).toBe(sizeBytes);
    return [name, contentType, value.toString()];
  });
}

async function refusal(pieces: readonly (Buffer | string)[], boundary: string | undefined = 'X') {
  const bytes = pieces.map((piece) => Buffer.from(piece));
  const error = await rejectionOf(parseMultipart(memoryBytes(bytes), boundary, MAX_PARTS));
  expect(error.code).toBe('INVALID_BODY');
  return error.message;
}

describe('parseMultipart', () => {
  it('gives the parts in their order, names as often as they come', async () => {
    expect(await parse(field('a', '1'), field('b', ''), field('a', '2'), end)).toEqual([
      ['a', '', '1'],
      ['b', '', ''],
      ['a', '', '2'],
    ]);
  });

  it('gives files their own type without parameters, or that of plain bytes, and fields none', async () => {
    const file = 'Content-Disposition: form-data; name="f"; filename="x.png"';
    const body = [
      part([file, 'Content-Type: Image/PNG; q=1']),
      part([file]),
      part(['content-disposition: form-data; name="t"', 'content-type: application/json']),
      part([file.replace('"x.png"', '""'), 'Content-Type: text/plain']),
    ];
    expect((await parse(...body, end)).map(([, type]) => type)).toEqual([
      'image/png',
      'application/octet-stream',
      '',
      'text/plain',
    ]);
  });

  it.each([
    ['quoted', 'form-data; name="my field"', 'my field'],
    ['bare', 'form-data; name=data', 'data'],
    ['with a quote in it', 'form-data; name="a\\"b"', 'a"b'],
    ['with a semicolon in it', 'form-data; name="a;b"', 'a;b'],
    ['not ASCII', 'form-data; name="größe"', 'größe'],
    ['behind the file name', 'FORM-DATA; filename="a.bin"; Name="data"', 'data'],
  ])('reads a name that is %s', async (_what, disposition, name) => {
    expect((await parse(part([`Content-Disposition: ${disposition}`]), end))[0]?.[0]).toBe(name);
  });

  it('hands binary values on byte for byte, also with what looks like a boundary', async () => {
    const bytes = Buffer.concat([
      Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
      Buffer.from('\r\n--\r\n--Y\r\n\r\n'),
    ]);
    const [input] = await parseMultipart(memoryBytes([field('f', bytes), end]), 'X', MAX_PARTS);
    expect(Buffer.concat(input?.chunks ?? []).equals(bytes)).toBe(true);
  });

  it('reads what fetch sends', async () => {
    const form = new FormData();
    form.append('größe', 'ja "bitte"');
    form.append('data', new Blob([Buffer.from([0, 13, 10, 255])], { type: 'image/png' }), 'x.png');
    const response = new Response(form);
    const boundary = /boundary=(.+)$/.exec(response.headers.get('content-type') ?? '')?.[1];
    const inputs = await parseMultipart(memoryBytes([Buffer.from(await response.arrayBuffer())]), boundary, MAX_PARTS);
    expect(inputs.map(({ name, contentType, chunks }) => [name, contentType, Buffer.concat(chunks)])).toEqual([
      ['größe', '', Buffer.from('ja "bitte"')],
      ['data', 'image/png', Buffer.from([0, 13, 10, 255])],
    ]);
  });

  it('reads the same, whatever the chunks', async () => {
    const value = fc.uint8Array({ maxLength: 40 }).filter((bytes) => !Buffer.from(bytes).includes('--X'));
    await fc.assert(
      fc.asyncProperty(
        fc.array(value, { minLength: 1, maxLength: MAX_PARTS }),
        fc.integer({ min: 1, max: 60 }),
        async (values, size) => {
          const body = Buffer.concat([...values.map((bytes, index) => field(`n${index}`, bytes)), end]);
          const chunks: Buffer[] = [];
          for (let start = 0; start < body.length; start += size) chunks.push(body.subarray(start, start + size));
          const inputs = await parseMultipart(memoryBytes(chunks), 'X', MAX_PARTS);
          expect(inputs.map((input) => Buffer.concat(input.chunks).toString('hex'))).toEqual(
            values.map((bytes) => Buffer.from(bytes).toString('hex')),
          );
        },
      ),
      { numRuns: 100 },
    );
  });

  it('passes over what stands before the first boundary and behind the last', async () => {
    expect(await parse('preamble\r\n', field('a'), end, 'epilogue')).toEqual([['a', '', 'v']]);
  });

  it('is not confused by headers named like properties of objects', async () => {
    const head = ['__proto__: x', 'constructor: y', 'Content-Disposition: form-data; name="a"'];
    expect(await parse(part(head), end)).toEqual([['a', '', 'v']]);
  });

  it('refuses a request that names no boundary', async () => {
    expect(await refusal([field('a'), end], '')).toContain('names no boundary');
    const error = await rejectionOf(parseMultipart(memoryBytes([]), undefined, MAX_PARTS));
    expect(error).toMatchObject({ code: 'INVALID_BODY', message: expect.stringContaining('names no boundary') });
  });

  it.each([
    ['no body', []],
    ['no boundary anywhere', ['some text']],
    ['another boundary', [field('a'), end].map((bytes) => bytes.toString().replaceAll('--X', '--Z'))],
    ['an end inside a header', ['--X\r\nContent-Dispo']],
    ['an end inside a value', ['--X\r\nContent-Disposition: form-data; name="a"\r\n\r\nhal']],
    ['an end before the last boundary', [field('a'), field('b')]],
    ['a part without headers', ['--X\r\n\r\nv\r\n', end]],
    ['a part without a name', [part(['Content-Disposition: form-data']), end]],
    ['a part that is no form data', [part(['Content-Disposition: attachment; name="a"']), end]],
  ])('refuses %s', async (_what, pieces) => {
    expect(await refusal(pieces)).toMatch(/^The multipart\/form-data body cannot be read: .+\.$/);
  });

  it('refuses more parts than it may have', async () => {
    const parts = Array.from({ length: MAX_PARTS + 1 }, () => field('a'));
    expect(await parse(...parts.slice(1), end)).toHaveLength(MAX_PARTS);
    expect(await refusal([...parts, end])).toContain(`more than ${MAX_PARTS} parts`);
  });

  it.each([
    ['a line that only begins like the boundary', 'a\r\n--Xyz\r\nb'],
    ['the boundary in the middle of a line', 'a --X b\r\nc--X\r\nd'],
    ['the boundary and text behind it', '\r\n--X is not over\r\n'],
    ['nothing but line ends', '\r\n\r\n\r\n'],
  ])('leaves in a value: %s', async (_what, value) => {
    expect(await parse(field('a', value), end)).toEqual([['a', '', value]]);
  });

  it('takes blanks behind a boundary, and a header that goes on in the next line', async () => {
    const body = '--X \t\r\nContent-Disposition: form-data;\r\n\tname="a"\r\n\r\nv\r\n--X--';
    expect(await parse(body)).toEqual([['a', '', 'v']]);
  });

  it('takes a part that has headers and no value', async () => {
    const body = '--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n--X--\r\n';
    expect(await parse(body)).toEqual([['a', '', '']]);
  });

  it('refuses headers that never end', async () => {
    const head = `Content-Disposition: form-data; name="a"\r\nX: ${'y'.repeat(20_000)}`;
    expect(await refusal([part([head]), end])).toContain('longer than 16384 bytes');
  });

  it('answers whatever it is given', async () => {
    const scrap = fc.constantFrom(
      '--X',
      '--X--',
      '\r\n',
      '\r\n\r\n',
      'Content-Disposition: form-data; name="a"',
      'v',
      '--',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(scrap, { maxLength: 12 }), async (scraps) => {
        const outcome = await outcomeOf(parseMultipart(memoryBytes([Buffer.from(scraps.join(''))]), 'X', MAX_PARTS));
        expect(outcome === 'INVALID_BODY' || Array.isArray(outcome)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

async function outcomeOf<T>(promise: Promise<T>): Promise<T | string> {
  try {
    return await promise;
  } catch (error) {
    return error instanceof ServingError ? error.code : 'something else';
  }
}
