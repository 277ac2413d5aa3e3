import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FrameError } from '../../../src/protocol/frame.ts';
import type { JobMessage } from '../../../src/protocol/messages.ts';
import { packBatch, valuesOf } from '../../../src/runtime-node/packed-batch.ts';
import { receivedJobs } from '../../../src/runtime-node/received-job.ts';

function job(id: number, ...names: readonly string[]): JobMessage {
  const inputs = names.map((name) => ({ name, contentType: 'text/plain' }));
  return { id, requestId: `r${id}`, kind: 'predict', headers: [], inputs };
}

const chunked = (parts: readonly (readonly string[])[]) =>
  parts.map((chunks) => chunks.map((chunk) => Buffer.from(chunk)));

/** The values of a batch that has changed threads, by job. */
async function receivedValues(jobs: readonly JobMessage[], parts: readonly (readonly string[])[]) {
  const batch = structuredClone(packBatch(1n, jobs, chunked(parts)));
  const inputs = await Promise.all(receivedJobs(batch.jobs, valuesOf(batch)).map((received) => received.inputs()));
  return inputs.map((list) => list.map(({ name, bytes }) => [name, Buffer.from(bytes).toString()]));
}

test('every value arrives with its own job, whatever chunks it came in', async () => {
  expect(await receivedValues([job(1, 'a'), job(2, 'b', 'c')], [['one'], ['t', '', 'wo'], []])).toEqual([
    [['a', 'one']],
    [
      ['b', 'two'],
      ['c', ''],
    ],
  ]);
});

test('values begin where tensors of any type may begin, and whole tensors lie behind each other', () => {
  const batch = packBatch(1n, [], chunked([['123'], ['12345678'], ['1234567890123456']]));
  expect(valuesOf(batch).map(({ byteOffset, length }) => [byteOffset, length])).toEqual([
    [0, 3],
    [8, 8],
    [16, 16],
  ]);
});

test('the values of a batch share its memory, which is theirs alone', () => {
  const batch = packBatch(1n, [], chunked([['12345678'], ['12345678']]));
  for (const value of valuesOf(batch)) expect(value.buffer).toBe(batch.memory);
  expect(batch.memory.byteLength).toBe(16);
});

test('a value in a file is read from its place there, and takes no part', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sconce-value-test-'));
  const file = join(folder, 'body');
  await writeFile(file, 'head one two');
  const stored = { name: 'b', contentType: 'text/plain', file, offset: 5, length: 3 };
  const [parted, gone, short] = [job(1, 'a', 'c'), job(2), job(3)];
  const jobs = [
    { ...parted, inputs: parted.inputs.toSpliced(1, 0, stored) },
    { ...gone, inputs: [{ ...stored, file: `${file}-gone` }] },
    { ...short, inputs: [{ ...stored, offset: 10 }] },
  ];
  const batch = structuredClone(packBatch(1n, jobs, chunked([['one part'], ['another']])));
  const [first, second, third] = receivedJobs(batch.jobs, valuesOf(batch));
  const values = (await first?.inputs())?.map(({ bytes }) => Buffer.from(bytes).toString());
  expect(values).toEqual(['one part', 'one', 'another']);
  await expect(second?.inputs()).rejects.toThrow('ENOENT');
  await expect(third?.inputs()).rejects.toThrow('shorter than it was');
  await rm(folder, { recursive: true });
});

test.each([
  ['more inputs', [job(1, 'a', 'b')], [['1']]],
  ['fewer inputs', [job(1)], [['1']]],
])('a batch with %s than parts is refused', async (_what, jobs, parts) => {
  await expect(receivedValues(jobs, parts)).rejects.toThrow(FrameError);
});
