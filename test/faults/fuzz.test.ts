// Frames and forms by the thousand that are nearly right: whatever comes, and in whatever pieces, the readers answer or refuse, the same
// way each time, and keep no more than they were given. python/tests/test_frames_fuzz.py is the same for the other end of the channel.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ServingError } from '../../src/core/errors.ts';
import { memoryBytes } from '../../src/http/body-bytes.ts';
import { parseMultipart } from '../../src/http/multipart.ts';
import { encodeFrameHead, FrameDecoder, FrameError } from '../../src/protocol/frame.ts';
import { parseControlReply, parseWorkerMessage } from '../../src/protocol/messages.ts';
import { BAD_FRAMES, GOLDEN_FRAMES } from '../support/golden-frames.ts';

const MAX_PART_BYTES = 1 << 20;
const MAX_PARTS = 8;

/** A change to bytes that were right. */
const change = fc.oneof(
  fc.record({ what: fc.constant('flip' as const), at: fc.nat(), bit: fc.nat(7) }),
  fc.record({ what: fc.constant('cut' as const), at: fc.nat() }),
  fc.record({ what: fc.constant('drop' as const), at: fc.nat(), count: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ what: fc.constant('insert' as const), at: fc.nat(), bytes: fc.uint8Array({ maxLength: 20 }) }),
  fc.record({ what: fc.constant('repeat' as const), at: fc.nat(), count: fc.integer({ min: 1, max: 30 }) }),
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

function changed(bytes: Buffer, changes: readonly Change[]): Buffer {
  return changes.reduce<Buffer>((before, one) => {
    const at = one.at % (before.length + 1);
    const [head, tail] = [before.subarray(0, at), before.subarray(at)];
    switch (one.what) {
      case 'flip': {
        const flipped = Buffer.from(before);
        const byte = flipped[at];
        if (byte !== undefined) flipped[at] = byte ^ (1 << one.bit);
        return flipped;
      }
      case 'cut':
        return head;
      case 'drop':
        return Buffer.concat([head, tail.subarray(one.count)]);
      case 'insert':
        return Buffer.concat([head, one.bytes, tail]);
      case 'repeat':
        return Buffer.concat([head, tail.subarray(0, one.count), tail]);
    }
    return before;
  }, bytes);
}

function piecesOf(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let start = 0, turn = 0; start < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    pieces.push(bytes.subarray(start, start + size));
    start += size;
  }
  return pieces;
}

const pieceSizes = fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 4 });

describe('the frame decoder', () => {
  /** What becomes of a stream: every frame as text, and the refusal, if there is one. */
  function outcomeOf(pieces: readonly Buffer[]): {
    readonly frames: string[];
    readonly keptBytes: number;
    readonly error: unknown;
  } {
    const frames: string[] = [];
    let keptBytes = 0;
    const decoder = new FrameDecoder((header, parts) => {
      for (const part of parts) for (const chunk of part) keptBytes += chunk.length;
      frames.push(JSON.stringify([header, parts.map((part) => Buffer.concat([...part]).toString('hex'))]));
      for (const read of [() => parseWorkerMessage(header, parts.length), () => parseControlReply(header)]) {
        try {
          read();
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }
    }, MAX_PART_BYTES);
    try {
      for (const piece of pieces) decoder.push(piece);
    } catch (error) {
      return { frames, keptBytes, error };
    }
    return { frames, keptBytes, error: undefined };
  }

  const stream = fc
    .array(fc.constantFrom(...GOLDEN_FRAMES.map(({ bytes }) => bytes), ...BAD_FRAMES.map(({ bytes }) => bytes)), {
      minLength: 1,
      maxLength: 4,
    })
    .map((frames) => Buffer.concat(frames));

  test('reads or refuses what is nearly right, the same way in whatever pieces it comes', () => {
    const property = fc.property(stream, fc.array(change, { maxLength: 4 }), pieceSizes, (frames, changes, sizes) => {
      const bytes = changed(frames, changes);
      const whole = outcomeOf([bytes]);
      if (whole.error !== undefined) expect(whole.error).toBeInstanceOf(FrameError);
      expect(whole.keptBytes).toBeLessThanOrEqual(bytes.length);
      expect(outcomeOf(piecesOf(bytes, sizes))).toEqual(whole);
    });
    fc.assert(property, { numRuns: 1_500 });
  });

  test('refuses messages of the right type and the wrong fields with its own error, and nothing else', () => {
    const type = fc.constantFrom('output', 'started', 'error', 'metric', 'ready', 'pong', 'returned', 'load');
    const field = fc.constantFrom(
      'jobs',
      'outputs',
      'code',
      'message',
      'capacity',
      'runtime',
      'signature',
      'name',
      'id',
      'handlerMs',
      '__proto__',
    );
    const header = fc.tuple(type, fc.dictionary(field, fc.jsonValue({ maxDepth: 3 })));
    const property = fc.property(header, fc.nat(3), ([name, fields], parts) => {
      const lengths = Array.from({ length: parts }, () => 1);
      const { error } = outcomeOf([encodeFrameHead({ ...fields, type: name }, lengths), Buffer.alloc(parts)]);
      if (error !== undefined) expect(error).toBeInstanceOf(FrameError);
    });
    fc.assert(property, { numRuns: 1_000 });
  });

  test('takes no memory by lengths that are only claimed', () => {
    const length = fc.oneof(fc.integer({ min: 1, max: MAX_PART_BYTES }), fc.double(), fc.maxSafeInteger());
    const claims = fc.array(length, { minLength: 1, maxLength: 50 });
    const before = process.memoryUsage().arrayBuffers;
    const held: FrameDecoder[] = [];
    const property = fc.property(claims, (lengths) => {
      const decoder = new FrameDecoder(() => {}, MAX_PART_BYTES);
      held.push(decoder);
      try {
        decoder.push(encodeFrameHead({ type: 'output' }, lengths));
      } catch (error) {
        expect(error).toBeInstanceOf(FrameError);
      }
    });
    fc.assert(property, { numRuns: 500 });
    expect(held.length).toBeGreaterThanOrEqual(500);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * MAX_PART_BYTES);
  });
});

describe('the multipart reader', () => {
  const BOUNDARY = 'X-boundary';

  const part = fc
    .record({
      name: fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('body', '__proto__', 'a"b', 'größe')),
      file: fc.option(fc.string({ maxLength: 8 })),
      type: fc.option(fc.constantFrom('application/json', 'text/plain; charset=utf-8', ';;', '')),
      value: fc.uint8Array({ maxLength: 80 }),
    })
    .map(({ name, file, type, value }) => {
      const disposition = `Content-Disposition: form-data; name="${name}"${file === null ? '' : `; filename="${file}"`}`;
      const lines = [disposition, ...(type === null ? [] : [`Content-Type: ${type}`])].join('\r\n');
      return Buffer.concat([Buffer.from(`--${BOUNDARY}\r\n${lines}\r\n\r\n`), Buffer.from(value), Buffer.from('\r\n')]);
    });
  const form = fc
    .array(part, { maxLength: MAX_PARTS + 1 })
    .map((parts) => Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]));

  async function outcomeOf(pieces: readonly Buffer[]): Promise<string | readonly string[]> {
    try {
      return (await parseMultipart(memoryBytes(pieces), BOUNDARY, MAX_PARTS)).map(
        ({ name, contentType, chunks, sizeBytes }) => {
          const value = Buffer.concat([...chunks]);
          expect(value.length).toBe(sizeBytes);
          return JSON.stringify([name, contentType, value.toString('hex')]);
        },
      );
    } catch (error) {
      if (!(error instanceof ServingError) || error.code !== 'INVALID_BODY') throw error;
      return error.message;
    }
  }

  test('reads or refuses what is nearly right, the same way in whatever pieces it comes', () => {
    const property = fc.asyncProperty(
      form,
      fc.array(change, { maxLength: 4 }),
      pieceSizes,
      async (body, changes, sizes) => {
        const bytes = changed(body, changes);
        const whole = await outcomeOf([bytes]);
        const hexDigits = typeof whole === 'string' ? 0 : whole.reduce((sum, text) => sum + text.length, 0);
        expect(hexDigits).toBeLessThanOrEqual(2 * bytes.length + MAX_PARTS * 200);
        expect(await outcomeOf(piecesOf(bytes, sizes))).toEqual(whole);
      },
    );
    return fc.assert(property, { numRuns: 1_000 });
  });

  test.each([
    ['beginnings of the boundary', `\r\n--${BOUNDARY.slice(0, -1)}`],
    ['boundaries that go on', `\r\n--${BOUNDARY}x`],
    ['boundaries behind blanks that never end', `\r\n--${BOUNDARY}${' '.repeat(300)}`],
    ['line ends', '\r\n'],
  ])('reads a megabyte of %s in no more than a moment', async (_what, crumb) => {
    const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="a"\r\n\r\n`;
    const body = Buffer.from(`${head}${crumb.repeat(Math.ceil(1_000_000 / crumb.length))}\r\n--${BOUNDARY}--`);
    const startedAt = performance.now();
    const outcome = await outcomeOf(piecesOf(body, [1_400]));
    expect(outcome).toHaveLength(1);
    // A tenth of a second on a machine that has time. Were each boundary looked for from the start, it would be minutes.
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});
