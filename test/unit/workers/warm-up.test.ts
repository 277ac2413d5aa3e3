import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ServingError } from '../../../src/core/errors.ts';
import type { Job } from '../../../src/core/job.ts';
import type { WarmupRequest } from '../../../src/core/warmup-request.ts';
import { warmUp } from '../../../src/workers/warm-up.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { textPart } from '../../support/jobs.ts';
import { rejectionOf } from '../../support/thrown.ts';

let modelDir: string;
let batches: string[][];
let credits: number[];
let named: string[];
/** How a job of a batch ends. */
let answer: (job: Job) => void;

beforeEach(async () => {
  modelDir = await mkdtemp(join(tmpdir(), 'sconce-warm-up-'));
  await writeFile(join(modelDir, 'cat.png'), 'a cat');
  [batches, credits, named] = [[], [], []];
  answer = (job) => job.deliver(textPart('warm'));
});

afterEach(async () => {
  await rm(modelDir, { recursive: true, force: true });
});

function run(requests: readonly WarmupRequest[], batchSize = 1): Promise<void> {
  const worker = {
    run: (batch: readonly Job[]) => {
      batches.push(batch.map(({ request }) => Buffer.concat([...(request.inputs[0]?.chunks ?? [])]).toString()));
      for (const job of batch) {
        job.begin();
        answer(job);
      }
    },
    cancel: () => {},
    credit: (_job: Job, sizeBytes: number) => void credits.push(sizeBytes),
  };
  const clock = new FakeClock();
  return warmUp({ worker, requests, modelDir, batchSize, clock, onRequest: (name) => named.push(name) });
}

const fromFile = (file: string, count = 1): WarmupRequest => ({ body: { file }, contentType: 'image/png', count });
const fromText = (text: string, count = 1): WarmupRequest => ({ body: { text }, contentType: 'text/plain', count });

describe('a warm-up', () => {
  it('computes each request as often as it says, one after the other', async () => {
    await run([fromFile('cat.png', 2), fromText('dog')]);
    expect(batches).toEqual([['a cat'], ['a cat'], ['dog']]);
    expect(named).toEqual(['warm-up request 1 of 2 (cat.png)', 'warm-up request 2 of 2']);
  });

  it('computes each once more as a full batch where batches have several jobs', async () => {
    await run([fromText('dog', 2)], 3);
    expect(batches).toEqual([['dog'], ['dog'], ['dog', 'dog', 'dog']]);
  });

  it('reads streams to their end, and lets them go on', async () => {
    answer = (job) => {
      job.deliver(textPart('half', { isLast: false }));
      job.deliver(textPart('of it', { isLast: false }));
      setImmediate(() => job.deliver(textPart('end')));
    };
    await run([fromText('dog')]);
    expect(credits).toEqual([4, 5]);
  });

  it.each<[string, ServingError, string, string]>([
    [
      'the handler raises',
      new ServingError('PREDICTION_FAILED', 'ValueError: no dogs', { trace: 'handler.py, line 3' }),
      'WARMUP_FAILED',
      'Warm-up request 2 of 2 failed: ValueError: no dogs.',
    ],
    [
      'it runs out of memory',
      new ServingError('OUT_OF_RESOURCES', 'MemoryError.', { trace: 'handler.py, line 3' }),
      'WORKER_OUT_OF_MEMORY',
      'Warm-up request 2 of 2 failed: MemoryError.',
    ],
  ])('fails when %s, with the number of the request and the trace', async (_what, error, code, message) => {
    answer = (job) => (batches.length === 2 ? job.fail(error) : job.deliver(textPart('warm')));
    const failure = await rejectionOf(run([fromFile('cat.png'), fromText('dog', 5)]));
    expect(failure).toMatchObject({ code, message, details: { trace: 'handler.py, line 3' } });
    expect(batches).toHaveLength(2);
  });

  it('fails for an answer that refuses the request, also in a batch', async () => {
    answer = (job) => job.deliver(textPart('no', { status: batches.length === 1 ? 200 : 422 }));
    expect((await rejectionOf(run([fromText('dog')], 2))).message).toBe(
      'Warm-up request 1 of 1, as a batch of 2, failed: the handler answered with status 422.',
    );
  });

  it('fails for a file that is not there', async () => {
    const failure = await rejectionOf(run([fromFile('dog.png')]));
    expect(failure.code).toBe('MODEL_FILE_NOT_FOUND');
    expect(failure.message).toContain('warm-up request 1 of 1 (dog.png) cannot be read from the archive (ENOENT)');
  });
});
