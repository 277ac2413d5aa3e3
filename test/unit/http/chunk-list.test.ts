import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkList } from '../../../src/http/chunk-list.ts';

const chunks = fc.array(
  fc.uint8Array({ minLength: 1, maxLength: 9, max: 2 }).map((bytes) => Buffer.from(bytes)),
  {
    maxLength: 12,
  },
);
const pattern = fc.uint8Array({ minLength: 1, maxLength: 6, max: 2 }).map((bytes) => Buffer.from(bytes));

describe('a list of chunks', () => {
  it('finds what the joined chunks hold, wherever they are cut', () => {
    fc.assert(
      fc.property(chunks, pattern, fc.nat(40), (list, wanted, from) => {
        const joined = Buffer.concat(list);
        const expected = from > joined.length ? -1 : joined.indexOf(wanted, from);
        expect(new ChunkList(list).indexOf(wanted, from)).toBe(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it('cuts out what the joined chunks hold', () => {
    fc.assert(
      fc.property(chunks, fc.nat(60), fc.nat(60), (list, start, length) => {
        const copy = new ChunkList(list).copy(start, start + length);
        expect(copy).toEqual(Buffer.concat(list).subarray(start, start + length));
      }),
    );
  });

  it('cuts without copying', () => {
    const chunk = Buffer.from('abcdef');
    const [view] = new ChunkList([Buffer.from('xyz'), chunk]).slice(4, 6);
    expect(view?.buffer).toBe(chunk.buffer);
    expect(view?.toString()).toBe('bc');
  });
});
