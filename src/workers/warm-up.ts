// The requests that a worker computes before it takes part, so that no client waits for what is made at the first one: kernels that are
// compiled, memory that is claimed, files that are read. They go through the real worker and past the scheduler, so nothing measures them.
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ServingError, toServingError } from '../core/errors.ts';
import { type HeaderPair, Job, type JobInput, type JobKeeper } from '../core/job.ts';
import type { BatchWorker, Clock } from '../core/ports.ts';
import { DEFAULT_PRIORITY } from '../core/priority.ts';
import type { WarmupRequest } from '../core/warmup-request.ts';

/** The server holds the body of a request in memory while a worker is warmed up. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

export interface WarmUpOptions {
  readonly worker: Pick<BatchWorker, 'run' | 'cancel' | 'credit'>;
  readonly requests: readonly WarmupRequest[];
  readonly modelDir: string;
  readonly batchSize: number;
  readonly clock: Clock;
  /** This request is computed from now on, in words. */
  onRequest(name: string): void;
}

/**
 * Has each request computed as often as it says, alone; and where batches have several jobs, once more as a full batch, because what is
 * prepared at a first request is often prepared for its size. Rejects with WARMUP_FAILED (or WORKER_OUT_OF_MEMORY, MODEL_FILE_NOT_FOUND) at the first that
 * fails.
 */
export async function warmUp(options: WarmUpOptions): Promise<void> {
  const { requests, batchSize } = options;
  for (const [index, request] of requests.entries()) {
    const name = nameOf(request, index, requests.length);
    options.onRequest(name);
    const input = await inputOf(request, options.modelDir, name);
    const sizes = Array<number>(request.count).fill(1);
    if (batchSize > 1) sizes.push(batchSize);
    for (const size of sizes) await compute(size, input, name, options);
  }
}

/** "warm-up request 2 of 3 (cat.jpg)" */
function nameOf({ body }: WarmupRequest, index: number, total: number): string {
  return `warm-up request ${index + 1} of ${total}${'file' in body ? ` (${body.file})` : ''}`;
}

async function inputOf({ body, contentType }: WarmupRequest, modelDir: string, name: string): Promise<JobInput> {
  const bytes = 'file' in body ? await readBody(join(modelDir, body.file), name) : Buffer.from(body.text);
  return { name: 'body', contentType, chunks: [bytes], sizeBytes: bytes.length };
}

async function readBody(path: string, name: string): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size <= MAX_BODY_BYTES) return await readFile(path);
    const message = `The file of ${name} has ${size} bytes; a warm-up request may have at most ${MAX_BODY_BYTES}.`;
    throw new ServingError('WARMUP_FAILED', message);
  } catch (error) {
    if (error instanceof ServingError) throw error;
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const message = `The file of ${name} cannot be read from the archive (${why}).`;
    throw new ServingError('MODEL_FILE_NOT_FOUND', message, {}, error);
  }
}

async function compute(size: number, input: JobInput, name: string, { worker, clock }: WarmUpOptions): Promise<void> {
  const keeper: JobKeeper = {
    abandoned: (job, error) => job.fail(error),
    taken: (job, sizeBytes) => worker.credit(job, sizeBytes),
    begun: () => undefined,
    ended: () => undefined,
  };
  const headers: readonly HeaderPair[] = [['Content-Type', input.contentType]];
  const batch = Array.from({ length: size }, (_, index) => {
    const request = {
      requestId: `warm-up-${index + 1}`,
      kind: 'predict',
      priority: DEFAULT_PRIORITY,
      headers,
    } as const;
    // Below those of clients' jobs, which count up from 1.
    const job = new Job(
      -1 - index,
      { ...request, inputs: [input], requestedVersion: undefined },
      clock.now(),
      Infinity,
      keeper,
    );
    job.state = 'held';
    job.worker = worker;
    return job;
  });
  worker.run(batch);
  const where = size === 1 ? name : `${name}, as a batch of ${size},`;
  await Promise.all(batch.map((job) => answerOf(job, where)));
}

/** Reads the answer to its end. */
async function answerOf(job: Job, where: string): Promise<void> {
  try {
    let part = await job.next();
    const { status } = part;
    while (!part.isLast) part = await job.next();
    if (status >= 400) throw new ServingError('HANDLER_ERROR', `the handler answered with status ${status}`);
  } catch (thrown) {
    const { code, message, details } = toServingError(thrown);
    const { trace } = details;
    const failedCode = code === 'OUT_OF_RESOURCES' ? 'WORKER_OUT_OF_MEMORY' : 'WARMUP_FAILED';
    const ending = /[.!?…]$/.test(message) ? '' : '.';
    const text = `${where[0]?.toUpperCase()}${where.slice(1)} failed: ${message}${ending}`;
    throw new ServingError(failedCode, text, trace === undefined ? {} : { trace }, thrown);
  }
}
