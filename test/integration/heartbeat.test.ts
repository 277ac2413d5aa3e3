// A worker that is stopped while it has nothing to do: a real process, on a clock that is quicker than the server's.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { Clock } from '../../src/core/ports.ts';
import { SEQUENCE_HEADERS } from '../../src/core/sequence-headers.ts';
import { launchFor } from '../../src/workers/runtimes.ts';
import { WorkerClient } from '../../src/workers/worker-client.ts';
import { WorkerProcess } from '../../src/workers/worker-process.ts';
import { modelSpec } from '../support/fake-version.ts';
import { loadMessage } from '../support/handler-folder.ts';

const TIMES = 5;

const quickClock: Clock = {
  now: () => performance.now() * TIMES,
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs / TIMES);
    return { cancel: () => clearTimeout(timer) };
  },
};

test('an idle worker answers, and is found out and ended when it is stopped', async () => {
  const modelDir = await mkdtemp(join(tmpdir(), 'sconce-heartbeat-'));
  await writeFile(join(modelDir, 'handler.py'), 'def handle(data, context):\n    return data\n');
  const broken: string[] = [];
  const settings = {
    python: 'python3',
    decodeInput: true,
    ipex: { isEnabled: false, isEnabledOnGpu: false },
    sequenceHeaders: SEQUENCE_HEADERS,
    env: process.env,
  };
  const worker = new WorkerProcess(launchFor(modelSpec({ modelDir }), settings), quickClock, () => {});
  try {
    let pongs = 0;
    worker.control.on('data', () => (pongs += 1));
    const client = new WorkerClient([worker], {
      id: 'w',
      model: 'm',
      batchSize: 1,
      responseTimeoutMs: 120_000,
      maxResponseBytes: 1_000_000,
      clock: quickClock,
      onRoom: () => {},
      onAnswer: () => {},
      onMetric: () => {},
      onHandlerTime: () => {},
      onBroken: (why) => {
        broken.push(why);
        worker.signal('SIGKILL', why);
      },
    });
    await client.load(loadMessage(modelDir, { handler: 'handler.py' }));
    client.beginServing();
    await vi.waitFor(() => expect(pongs).toBe(2), { timeout: 15_000 });
    expect(broken).toEqual([]);

    process.kill(worker.pid ?? 0, 'SIGSTOP');
    const exit = await worker.exited;
    expect(broken).toEqual(['it was idle and has not answered for 10 s']);
    expect(exit).toMatchObject({ signal: 'SIGKILL', killedFor: broken[0], memory: undefined });
    expect(await client.settle(exit)).toEqual([]);
  } finally {
    worker.signal('SIGKILL', 'the test is over');
    worker.release();
    await rm(modelDir, { recursive: true, force: true });
  }
});
