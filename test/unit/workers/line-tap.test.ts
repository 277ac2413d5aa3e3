import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { beforeEach, describe, expect, it } from 'vitest';
import { LineTap } from '../../../src/workers/line-tap.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const LINE_LIMIT = 16 * 1024;

let clock: FakeClock;
let stream: PassThrough;
let lines: string[];
let tap: LineTap;

beforeEach(() => {
  clock = new FakeClock();
  stream = new PassThrough();
  lines = [];
  tap = new LineTap(stream, clock, (line) => lines.push(line));
});

/** Writes and waits until it has been read. */
async function print(...chunks: readonly (string | Buffer)[]): Promise<void> {
  for (const chunk of chunks) {
    const read = once(stream, 'data');
    stream.write(chunk);
    await read;
  }
}

async function end(): Promise<void> {
  const ended = once(stream, 'end');
  stream.end();
  await ended;
}

describe('the line tap', () => {
  it('gives each line without its end, however the chunks fall', async () => {
    await print('one\ntw', 'o\r\nthr', 'ee');
    expect(lines).toEqual(['one', 'two']);
    await end();
    expect(lines).toEqual(['one', 'two', 'three']);
  });

  it('leaves out blank lines', async () => {
    await print('\n\r\n  \t\na\n\n');
    expect(lines).toEqual(['a']);
    expect(tap.tail).toEqual(['a']);
  });

  it('puts a character together that two chunks share', async () => {
    const bytes = Buffer.from('grüße\n');
    await print(bytes.subarray(0, 3), bytes.subarray(3));
    expect(lines).toEqual(['grüße']);
  });

  it('reads on through bytes that are no text', async () => {
    await print(Buffer.from([0xff, 0xfe, 0x00, 0x41, 0x0a]), 'after\n');
    expect(lines).toEqual(['\ufffd\ufffd\0A', 'after']);
  });

  it('cuts a line that is too long, says so, and reads the next one whole', async () => {
    await print('x'.repeat(LINE_LIMIT - 1), 'yz', 'z'.repeat(3 * LINE_LIMIT), 'z\nnext\n');
    expect(lines).toEqual([`${'x'.repeat(LINE_LIMIT - 1)}y [line cut at ${LINE_LIMIT} bytes]`, 'next']);
  });

  it('does not cut a line of just the largest length', async () => {
    await print('x'.repeat(LINE_LIMIT), '\n');
    expect(lines).toEqual(['x'.repeat(LINE_LIMIT)]);
  });

  it('drops what is over 500 lines a second, and says how many when the second is over', async () => {
    await print('flood\n'.repeat(800));
    expect(lines).toHaveLength(500);
    clock.advance(1000);
    await print('calm\n');
    expect(lines.slice(500)).toEqual(['[300 lines dropped: over 500 lines a second]', 'calm']);
  });

  it('says how many lines were dropped when the stream ends in a flood', async () => {
    await print('flood\n'.repeat(501));
    await end();
    expect(lines.at(-1)).toBe('[1 lines dropped: over 500 lines a second]');
  });

  it('remembers the last 50 lines', async () => {
    await print(Array.from({ length: 60 }, (_, index) => `line ${index}\n`).join(''));
    expect(tap.tail).toHaveLength(50);
    expect(tap.tail[0]).toBe('line 10');
    expect(tap.tail.at(-1)).toBe('line 59');
  });

  it('remembers the last words of a worker that died in a flood', async () => {
    await print('flood\n'.repeat(2000), 'RuntimeError: the reason\n');
    await end();
    expect(tap.tail.at(-1)).toBe('RuntimeError: the reason');
  });

  it('survives an error of the pipe', async () => {
    await print('before\n');
    const closed = new Promise((resolve) => stream.once('close', resolve));
    stream.destroy(new Error('EIO'));
    await closed;
    expect(tap.tail).toEqual(['before']);
  });
});
