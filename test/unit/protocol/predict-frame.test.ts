import { expect, test } from 'vitest';
import { Job, type JobInput } from '../../../src/core/job.ts';
import { predictFrame } from '../../../src/protocol/predict-frame.ts';
import { GOLDEN_FRAMES } from '../../support/golden-frames.ts';
import { jobRequest } from '../../support/jobs.ts';

const KEEPER = { abandoned: () => {}, taken: () => {}, begun: () => {}, ended: () => {} };

const job = (id: number, ...inputs: readonly JobInput[]) =>
  new Job(id, jobRequest({ requestId: `r-${id}`, inputs }), 0, Infinity, KEEPER);

function input(name: string, ...chunks: readonly string[]): JobInput {
  const bytes = chunks.map((chunk) => Buffer.from(chunk));
  return { name, contentType: 'text/plain', chunks: bytes, sizeBytes: Buffer.concat(bytes).length };
}

test('a batch has a part for each input in memory, and a place in a file for each other one', () => {
  const stored = {
    name: 'b',
    contentType: 'x/y',
    chunks: [],
    sizeBytes: 17_000_000,
    stored: { path: '/f', offsetBytes: 3 },
  };
  const small = input('a', 'on', 'e');
  const { message, parts, partLengths } = predictFrame([job(1, small, stored, input('c', 'two')), job(2, stored)]);
  const place = { name: 'b', contentType: 'x/y', file: '/f', offset: 3, length: 17_000_000 };
  expect(message.jobs.map(({ id, inputs }) => [id, inputs])).toEqual([
    [1, [{ name: 'a', contentType: 'text/plain' }, place, { name: 'c', contentType: 'text/plain' }]],
    [2, [place]],
  ]);
  expect(parts.map((chunks) => Buffer.concat([...chunks]).toString())).toEqual(['one', 'two']);
  expect(parts[0]).toBe(small.chunks);
  expect(partLengths).toEqual([3, 3]);
});

test('a value in a file is worded as the golden frame has it', () => {
  const [golden] = GOLDEN_FRAMES.flatMap(({ header }) => JSON.stringify(header).match(/\{[^{}]*"file":[^{}]*\}/) ?? []);
  const stored = {
    name: 'body',
    contentType: '',
    chunks: [],
    sizeBytes: 17_000_000,
    stored: { path: '/spool/5', offsetBytes: 138 },
  };
  const [inputs] = predictFrame([job(5, stored)]).message.jobs.map((each) => each.inputs);
  expect(JSON.stringify(inputs?.[0])).toBe(golden);
});
