// A body in a file is read as one in memory is; only its long values stay where they are.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JobInput } from '../../../src/core/job.ts';
import { memoryBytes } from '../../../src/http/body-bytes.ts';
import { wholeBody } from '../../../src/http/open-body.ts';
import { inputsOf, tensorInput } from '../../../src/http/payload.ts';
import { openStoredBytes } from '../../../src/http/stored-bytes.ts';
import { rejectionOf } from '../../support/thrown.ts';

const MIB = 1024 * 1024;
let folder = '';
let path = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-stored-test-'));
  path = join(folder, 'body');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** A body of this content, in the file. */
async function stored(...pieces: readonly (string | Buffer)[]) {
  const bytes = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
  await writeFile(path, bytes);
  return { chunks: [], sizeBytes: bytes.length, file: path, bytes };
}

const part = (name: string) => `--X\r\nContent-Disposition: form-data; name="${name}"; filename="f"\r\n\r\n`;

function bytesOf({ chunks, sizeBytes, stored: place }: JobInput, all: Buffer): Buffer {
  if (place === undefined) return Buffer.concat(chunks);
  expect([place.path, chunks]).toEqual([path, []]);
  return all.subarray(place.offsetBytes, place.offsetBytes + sizeBytes);
}

describe('a body in a file', () => {
  it('is one input that names the file, plain or of tensors', async () => {
    const body = await stored('x'.repeat(10));
    const place = { name: 'body', chunks: [], sizeBytes: 10, stored: { path, offsetBytes: 0 } };
    expect(await inputsOf(body, 'image/png', '')).toEqual([{ ...place, contentType: 'image/png' }]);
    expect(tensorInput(body, 'application/octet-stream')).toEqual({
      ...place,
      contentType: 'application/octet-stream',
    });
  });

  it('is searched across the edges of what is in memory at a time', async () => {
    const pattern = Buffer.from('\r\n--X');
    for (let back = 0; back <= pattern.length; back += 1) {
      const body = await stored(Buffer.alloc(MIB - back), pattern, Buffer.alloc(MIB), pattern, '\r\n-');
      const bytes = await openStoredBytes(path);
      const inMemory = memoryBytes([body.bytes]);
      for (const from of [0, 1, MIB - back, MIB - back + 1, 2 * MIB, 2 * MIB + 6, 3 * MIB])
        expect(await bytes.indexOf(pattern, from), `from ${from}`).toBe(await inMemory.indexOf(pattern, from));
      for (const [start, end] of [
        [0, 3],
        [MIB - 3, MIB + 3],
        [5, 2 * MIB],
        [body.sizeBytes - 1, 9 * MIB],
        [4 * MIB, 9 * MIB],
      ] as const)
        expect((await bytes.copy(start, end)).equals(await inMemory.copy(start, end))).toBe(true);
      await bytes.close();
    }
  });

  it('that is a form is taken apart where it is; what is short comes into memory', async () => {
    const large = Buffer.alloc(3 * MIB, 'v--X\r\n- ');
    const body = await stored(
      part('a'),
      'short',
      '\r\n',
      part('b'),
      large,
      '\r\n',
      part('c'),
      '',
      '\r\n',
      part('d'),
      'y'.repeat(5_000),
      '\r\n--X--',
    );
    const inputs = await inputsOf(body, 'multipart/form-data; boundary=X', 'q=1');
    expect(inputs.map(({ name, sizeBytes, stored: place }) => [name, sizeBytes, place !== undefined])).toEqual([
      ['q', 1, false],
      ['a', 5, false],
      ['b', large.length, true],
      ['c', 0, false],
      ['d', 5_000, true],
    ]);
    const values = inputs.map((input) => bytesOf(input, body.bytes));
    expect(values.map((value) => value.subarray(0, 5).toString())).toEqual(['1', 'short', 'v--X\r', '', 'yyyyy']);
    expect(values[2]?.equals(large)).toBe(true);
  });

  it('that is a broken form is refused as one in memory is', async () => {
    const body = await stored(part('a'), Buffer.alloc(2 * MIB));
    const error = await rejectionOf(inputsOf(body, 'multipart/form-data; boundary=X', ''));
    expect(error).toMatchObject({ code: 'INVALID_BODY', message: expect.stringContaining('before its last boundary') });
  });

  it('that is an urlencoded form is read, unless it is too long', async () => {
    const form = 'application/x-www-form-urlencoded';
    const body = await stored(`a=1&b=${'x'.repeat(2 * MIB)}`);
    expect((await inputsOf(body, form, '')).map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
      ['a', 1],
      ['b', 2 * MIB],
    ]);
    expect((await wholeBody(body)).equals(body.bytes)).toBe(true);
    const error = await rejectionOf(inputsOf({ ...body, sizeBytes: 9 * MIB }, form, ''));
    expect(error.message).toContain('multipart/form-data');
  });
});
