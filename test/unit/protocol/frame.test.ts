import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeFrameHead,
  FrameDecoder,
  FrameError,
  type FrameHeader,
  MAX_HEADER_BYTES,
  type Part,
} from '../../../src/protocol/frame.ts';
import { BAD_FRAMES, GOLDEN_FRAMES } from '../../support/golden-frames.ts';

interface Frame {
  readonly header: FrameHeader;
  readonly parts: readonly Buffer[];
}

/** Everything that comes of these chunks, and what the decoder threw, if it did. */
function decode(chunks: readonly Uint8Array[], maxPartBytes = Number.MAX_SAFE_INTEGER) {
  const frames: Frame[] = [];
  const decoder = new FrameDecoder((header, parts) => frames.push({ header, parts: parts.map(join) }), maxPartBytes);
  let error: unknown;
  try {
    for (const chunk of chunks) decoder.push(chunk);
  } catch (thrown) {
    error = thrown;
  }
  return { frames, error, isInsideFrame: decoder.isInsideFrame };
}

function join(part: Part): Buffer {
  return Buffer.concat(part);
}

function encode(message: object, parts: readonly Buffer[]): Buffer {
  const lengths = parts.map((part) => part.length);
  return Buffer.concat([encodeFrameHead(message, lengths), ...parts]);
}

function frameOf(text: string): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(Buffer.byteLength(text));
  return Buffer.concat([head, Buffer.from(text)]);
}

const withoutParts = ({ parts: _, ...header }: FrameHeader) => header;

describe('golden frames', () => {
  it.each(GOLDEN_FRAMES)('encodes "$name" to the very bytes', ({ header, parts, bytes }) => {
    expect(encode(header, parts).toString('latin1')).toBe(bytes.toString('latin1'));
  });

  it.each(GOLDEN_FRAMES)('reads "$name", however it is cut in two', ({ header, parts, bytes }) => {
    for (let cut = 0; cut <= bytes.length; cut++) {
      const { frames, error, isInsideFrame } = decode([bytes.subarray(0, cut), bytes.subarray(cut)]);
      expect(error).toBeUndefined();
      expect(isInsideFrame).toBe(false);
      expect(frames).toHaveLength(1);
      expect(frames[0] && withoutParts(frames[0].header)).toEqual(header);
      expect(frames[0]?.parts).toEqual(parts);
    }
  });

  it('reads all of them one after the other, byte by byte', () => {
    const stream = Buffer.concat(GOLDEN_FRAMES.map((frame) => frame.bytes));
    const { frames } = decode([...stream].map((byte) => Uint8Array.of(byte)));
    expect(frames.map((frame) => frame.parts)).toEqual(GOLDEN_FRAMES.map((frame) => frame.parts));
  });
});

describe('bad frames', () => {
  const truncated = BAD_FRAMES.filter((frame) => frame.refusal === 'truncated');
  const malformed = BAD_FRAMES.filter((frame) => frame.refusal !== 'truncated');

  it.each(truncated)('knows that $name', ({ bytes }) => {
    expect(decode([bytes])).toMatchObject({ frames: [], error: undefined, isInsideFrame: true });
  });

  it.each(malformed)('refuses $name', ({ bytes }) => {
    const { frames, error } = decode([bytes]);
    expect(frames).toEqual([]);
    expect(error).toBeInstanceOf(FrameError);
  });

  it.each(malformed)('refuses $name byte by byte as well', ({ bytes }) => {
    expect(decode([...bytes].map((byte) => Uint8Array.of(byte))).error).toBeInstanceOf(FrameError);
  });

  it('refuses a part over the limit as soon as its length is known', () => {
    const head = encodeFrameHead({ type: 'output' }, [11]);
    expect(decode([head], 10).error).toBeInstanceOf(FrameError);
    expect(decode([head], 11)).toMatchObject({ error: undefined, isInsideFrame: true });
  });

  it('waits for a header of the largest size without taking memory for it', () => {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(MAX_HEADER_BYTES);
    const before = process.memoryUsage().arrayBuffers;
    expect(decode([head])).toMatchObject({ frames: [], error: undefined, isInsideFrame: true });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MAX_HEADER_BYTES / 4);
  });

  it('takes no memory by the length that a part claims', () => {
    const head = encodeFrameHead({ type: 'output' }, [2 ** 40]);
    const before = process.memoryUsage().arrayBuffers;
    expect(decode([head, Buffer.from('abc')])).toMatchObject({ frames: [], isInsideFrame: true });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
  });
});

describe('the decoder, whatever arrives', () => {
  it('throws nothing but FrameError', () => {
    const garbage = fc.uint8Array({ maxLength: 200 });
    const nearlyRight = fc.json().map(frameOf);
    const typed = fc
      .record({ type: fc.oneof(fc.string(), fc.jsonValue()), parts: fc.jsonValue() })
      .map((header) => frameOf(JSON.stringify(header)));
    fc.assert(
      fc.property(fc.array(fc.oneof(garbage, nearlyRight, typed), { maxLength: 5 }), (chunks) => {
        const { error } = decode(chunks);
        if (error !== undefined) expect(error).toBeInstanceOf(FrameError);
      }),
      { numRuns: 500 },
    );
  });

  it('gives back what was encoded, whatever the chunks', () => {
    const header = fc.dictionary(
      fc.string().filter((key) => key !== 'parts' && key !== 'type' && key !== '__proto__'),
      fc.jsonValue(),
    );
    const frame = fc.record({ header, parts: fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 4 }) });
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (messages, cuts) => {
          const sent = messages.map((message) => ({
            header: { type: 'output', ...message.header },
            parts: message.parts.map((part) => Buffer.from(part)),
          }));
          const stream = Buffer.concat(sent.map((message) => encode(message.header, message.parts)));
          const { frames, error } = decode(chunksOf(stream, cuts));
          expect(error).toBeUndefined();
          expect(frames.map(({ header, parts }) => ({ header: JSON.stringify(withoutParts(header)), parts }))).toEqual(
            sent.map(({ header, parts }) => ({ header: JSON.stringify(header), parts })),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('passes payload on without copying it', () => {
    const payload = Buffer.alloc(64, 'x');
    const parts: Part[] = [];
    const decoder = new FrameDecoder((_, received) => parts.push(...received), 1000);
    decoder.push(encodeFrameHead({ type: 'output' }, [64]));
    decoder.push(payload);
    expect(parts[0]?.[0]?.buffer).toBe(payload.buffer);
  });
});

function chunksOf(stream: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let start = 0, turn = 0; start < stream.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    chunks.push(stream.subarray(start, start + size));
    start += size;
  }
  return chunks;
}
