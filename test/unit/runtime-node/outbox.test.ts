import { PassThrough } from 'node:stream';
import { beforeEach, describe, expect, test } from 'vitest';
import { Connection } from '../../../src/protocol/connection.ts';
import { FrameDecoder, type FrameHeader } from '../../../src/protocol/frame.ts';
import { Outbox } from '../../../src/runtime-node/outbox.ts';
import type { ResultPart } from '../../../src/runtime-node/runtime-model.ts';

const KIB = 1024;

let outbox: Outbox;
let frames: { readonly header: FrameHeader; readonly text: string }[];

const part = (text: string): ResultPart => ({ bytes: Buffer.from(text), encoding: 'text' });

/** `name` of each part that left, with `!` behind a last one, and of each error its code. */
const sent = () =>
  frames.flatMap(({ header, text }) => {
    if (header.type === 'error') return [`${String(header['code'])}`];
    if (header.type !== 'output') return [];
    const outputs = header['outputs'] as { last: boolean }[];
    return [`${text}${outputs.at(-1)?.last === true ? '!' : ''}`];
  });

beforeEach(() => {
  frames = [];
  const socket = new PassThrough();
  const decoder = new FrameDecoder(
    (header, parts) => frames.push({ header, text: Buffer.concat(parts.flat()).toString() }),
    1e9,
  );
  // What is written comes out at once, so that tests see frames when they are sent.
  socket.write = ((chunk: Uint8Array) => {
    decoder.push(chunk);
    return true;
  }) as PassThrough['write'];
  const connection = new Connection(socket, { maxPartBytes: 1e9, onFrame: () => undefined, onClose: () => undefined });
  outbox = new Outbox(connection, { creditBytes: 4, maxResponseBytes: 4 * 1024 * KIB });
});

const begin = (id: number) => outbox.open(id);

describe('a stream', () => {
  test('sends what a part held when it was given, whatever its array holds later', async () => {
    const written: Uint8Array[] = [];
    const socket = new PassThrough();
    socket.write = ((chunk: Uint8Array) => written.push(chunk) > 0) as PassThrough['write'];
    const slow = new Connection(socket, { maxPartBytes: 0, onFrame: () => undefined, onClose: () => undefined });
    const box = new Outbox(slow, { creditBytes: 4, maxResponseBytes: 0 });
    const job = box.open(1);
    const scratch = Buffer.alloc(64 * KIB, 'a');
    await box.stream(job, { bytes: scratch, encoding: 'binary' });
    scratch.fill('b');
    expect(
      Buffer.concat(written)
        .subarray(-64 * KIB)
        .includes('b'),
    ).toBe(false);
  });

  test('sends while it has credit, keeps what comes then, and goes on with new credit', async () => {
    const job = begin(1);
    await outbox.stream(job, part('abcd'));
    await outbox.stream(job, part('ef'));
    expect(sent()).toEqual(['abcd']);
    outbox.grant(1, 1);
    expect(sent()).toEqual(['abcd', 'ef']);
  });

  test('ends with what is kept before its last part, which needs no credit', async () => {
    const job = begin(1);
    await outbox.stream(job, part('abcd'));
    await outbox.stream(job, part('ef'));
    outbox.finish([[job, { part: part('gh') }]]);
    expect(sent()).toEqual(['abcd', 'efgh!']);
    expect(outbox.openJobs).toBe(0);
  });

  test('waits when more than a megabyte is kept, until its reader takes some', async () => {
    const job = begin(1);
    await outbox.stream(job, part('abcd'));
    await outbox.stream(job, part('x'.repeat(1024 * KIB)));
    let isThrough = false;
    const waiting = outbox.stream(job, part('y')).then(() => {
      isThrough = true;
    });
    await Promise.resolve();
    expect(isThrough).toBe(false);
    outbox.grant(1, 4);
    await waiting;
    expect(isThrough).toBe(true);
  });

  test('rejects once its job is cancelled, also while it waits', async () => {
    const job = begin(1);
    await outbox.stream(job, part('abcd'));
    await outbox.stream(job, part('x'.repeat(1024 * KIB)));
    const waiting = outbox.stream(job, part('y'));
    outbox.cancel([1]);
    await expect(waiting).rejects.toThrow('The client has gone');
    await expect(outbox.stream(job, part('z'))).rejects.toThrow('The client has gone');
    expect(job.signal.aborted).toBe(true);
  });

  test('is cut by a part beyond the size of an answer', async () => {
    const job = begin(1);
    await expect(outbox.stream(job, part('x'.repeat(5 * 1024 * KIB)))).rejects.toThrow('max_response_size');
    outbox.finish([[job, { part: part('late') }]]);
    expect(sent()).toEqual(['RESPONSE_TOO_LARGE']);
  });
});

test('what is announced is told as one message', () => {
  outbox.announce([begin(3), begin(4)]);
  expect(frames.map(({ header }) => header)).toEqual([{ type: 'started', jobs: [3, 4] }]);
});

test('the time of a batch travels with the answers that end it', () => {
  outbox.finish([[begin(1), { part: part('early') }]]);
  outbox.finish([[begin(2), { part: part('late') }]], 12.5);
  expect(frames.map(({ header }) => header['handlerMs'])).toEqual([undefined, 12.5]);
});

test('a cancellation that overtakes its batch is not forgotten', () => {
  outbox.cancel([7]);
  expect(begin(7).signal.aborted).toBe(true);
});

test('an answer beyond the limit fails its own request only', () => {
  outbox.finish([
    [begin(1), { part: part('x'.repeat(5 * 1024 * KIB)) }],
    [begin(2), { part: part('ok') }],
  ]);
  expect(sent()).toEqual(['ok!', 'RESPONSE_TOO_LARGE']);
});

test('requests that fail alike are told so in one frame', () => {
  const jobs = [begin(1), begin(2)];
  outbox.finish(jobs.map((job) => [job, { failure: { code: 'PREDICTION_FAILED', message: 'no' } }]));
  expect(frames.filter(({ header }) => header.type === 'error').map(({ header }) => header['jobs'])).toEqual([[1, 2]]);
});
