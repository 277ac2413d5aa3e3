import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ServingError } from '../../../src/core/errors.ts';
import { Job, type JobInput, type JobKeeper } from '../../../src/core/job.ts';
import type { ModelMetric } from '../../../src/core/ports.ts';
import type { WorkerExit } from '../../../src/core/worker-state.ts';
import { type LoadMessage, PROTOCOL_VERSION } from '../../../src/protocol/messages.ts';
import { CREDIT_BYTES } from '../../../src/workers/held-jobs.ts';
import { WorkerClient } from '../../../src/workers/worker-client.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { jobRequest, textOf } from '../../support/jobs.ts';
import { ScriptedWorker } from '../../support/scripted-worker.ts';
import { rejectionOf } from '../../support/thrown.ts';

const TIMEOUT_MS = 10_000;
const exit: WorkerExit = {
  exitCode: null,
  signal: 'SIGKILL',
  stderrTail: [],
  killedFor: undefined,
  memory: undefined,
};
const loadMessage: LoadMessage = {
  type: 'load',
  protocol: PROTOCOL_VERSION,
  modelName: 'm',
  modelVersion: '1.0',
  modelDir: '/models/m',
  handler: null,
  modelFile: null,
  threads: 1,
  batchSize: 2,
  gpuId: null,
  envelope: null,
  limitMaxImagePixels: true,
  decodeInput: true,
  modelConfig: null,
  modelMetrics: null,
  maxResponseBytes: 1000,
  creditBytes: CREDIT_BYTES,
  serverVersion: '0',
  rank: 0,
  worldSize: 1,
};

/** What a client reported to its owner. */
class Reports {
  rooms = 0;
  answers = 0;
  readonly metrics: ModelMetric[] = [];
  readonly handlerTimesMs: number[] = [];
  readonly broken: string[] = [];
  #wake = () => {};

  /** Resolves when the condition holds, looking again after every report. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  wake(): void {
    this.#wake();
  }
}

let clock: FakeClock;
let reports: Reports;
let worker: ScriptedWorker;
let client: WorkerClient;
let lastJobId: number;
const open: ScriptedWorker[] = [];

beforeEach(async () => {
  clock = new FakeClock();
  lastJobId = 0;
  reports = new Reports();
  worker = await openWorker();
  client = connect([worker]);
});

afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

async function openWorker(): Promise<ScriptedWorker> {
  const opened = await ScriptedWorker.create();
  open.push(opened);
  return opened;
}

function connect(
  ranks: readonly ScriptedWorker[],
  over: { maxResponseBytes?: number; responseTimeoutMs?: number; reports?: Reports } = {},
) {
  const told = over.reports ?? reports;
  const tell = (change: () => void) => {
    change();
    told.wake();
  };
  return new WorkerClient(
    ranks.map((rank) => rank.channels),
    {
      id: 'w',
      model: 'm',
      batchSize: 2,
      responseTimeoutMs: over.responseTimeoutMs ?? TIMEOUT_MS,
      maxResponseBytes: over.maxResponseBytes ?? 1_000_000,
      clock,
      onRoom: () => tell(() => (told.rooms += 1)),
      onAnswer: () => tell(() => (told.answers += 1)),
      onMetric: (metric) => tell(() => told.metrics.push(metric)),
      onHandlerTime: (handlerMs) => tell(() => told.handlerTimesMs.push(handlerMs)),
      onBroken: (why) => tell(() => told.broken.push(why)),
    },
  );
}

/** The scheduler's part in a test without one. */
const keeper: JobKeeper = {
  abandoned: (job, error) => {
    job.worker?.cancel(job);
    job.fail(error);
  },
  taken: (job, sizeBytes) => job.worker?.credit(job, sizeBytes),
  begun: () => {},
  ended: () => {},
};

function heldJob(by: WorkerClient, inputs: readonly JobInput[] = []): Job {
  lastJobId += 1;
  const job = new Job(lastJobId, jobRequest({ requestId: `r${lastJobId}`, inputs }), clock.now(), Infinity, keeper);
  job.state = 'held';
  job.worker = by;
  return job;
}

async function load(capacity = 2): Promise<void> {
  const loading = client.load(loadMessage);
  worker.ready(capacity);
  await loading;
  client.beginServing();
}

/** Loads and gives a batch of so many jobs. */
async function runBatch(size: number): Promise<Job[]> {
  await load();
  const batch = Array.from({ length: size }, () => heldJob(client));
  client.run(batch);
  await worker.hears('predict');
  return batch;
}

/** Everything the worker has said so far has been read when a metric that it says now has come. */
async function caughtUp(on: ScriptedWorker = worker, told: Reports = reports): Promise<void> {
  const seen = told.metrics.length;
  on.say({ type: 'metric', name: 'mark', unit: 'Count', value: 1, kind: 'counter' });
  await told.until(() => told.metrics.length > seen);
}

describe('loading', () => {
  it('has the model loaded, and then has room for what the worker may hold', async () => {
    expect(client.room()).toBe(0);
    expect(client.isIdle()).toBe(false);
    await load(2);
    expect((await worker.hears('load')).header).toMatchObject({ modelName: 'm', rank: 0, worldSize: 1 });
    expect(client.room()).toBe(2);
    expect(client.isIdle()).toBe(true);
  });

  it('fails with the reason that the worker gives', async () => {
    const loading = client.load(loadMessage);
    worker.error('HANDLER_IMPORT_FAILED', 'No module named torch', { trace: 'Traceback …' });
    expect(await rejectionOf(loading)).toMatchObject({
      code: 'HANDLER_IMPORT_FAILED',
      message: 'No module named torch',
      details: { model: 'm', trace: 'Traceback …' },
    });
    expect(client.room()).toBe(0);
  });

  it('waits for every rank, and numbers them', async () => {
    const second = await openWorker();
    const group = connect([worker, second]);
    const loading = group.load(loadMessage);
    expect((await second.hears('load')).header).toMatchObject({ rank: 1, worldSize: 2 });
    worker.ready(2);
    let isLoaded = false;
    void loading.then(() => {
      isLoaded = true;
    });
    await caughtUp();
    expect(isLoaded).toBe(false);
    second.ready(2);
    await loading;
    group.beginServing();
    group.run([heldJob(group)]);
    await Promise.all([worker.hears('predict'), second.hears('predict')]);
  });
});

describe('a batch', () => {
  it('travels as one frame, its inputs uncopied behind it', async () => {
    await load();
    const input = (name: string, ...texts: string[]): JobInput => {
      const chunks = texts.map((text) => Buffer.from(text));
      return { name, contentType: 'text/plain', chunks, sizeBytes: chunks.reduce((sum, one) => sum + one.length, 0) };
    };
    client.run([heldJob(client, [input('a', 'x', 'y'), input('b', 'z')]), heldJob(client, [input('c', '')])]);
    const { header, parts } = await worker.hears('predict');
    expect(header['jobs']).toEqual([
      {
        id: 1,
        requestId: 'r1',
        kind: 'predict',
        headers: [],
        inputs: [
          { name: 'a', contentType: 'text/plain' },
          { name: 'b', contentType: 'text/plain' },
        ],
      },
      { id: 2, requestId: 'r2', kind: 'predict', headers: [], inputs: [{ name: 'c', contentType: 'text/plain' }] },
    ]);
    expect(parts).toEqual(['xy', 'z', '']);
  });

  it('brings each answer to its own job, and room when all are over', async () => {
    const [a, b] = await runBatch(2);
    expect(client.room()).toBe(0);
    expect(client.isBusy()).toBe(true);
    worker.output({ 2: 'for b' });
    expect(textOf((await b?.next()) ?? never())).toBe('for b');
    expect(reports.rooms).toBe(0);
    worker.output({ 1: 'for a' });
    expect(textOf((await a?.next()) ?? never())).toBe('for a');
    expect(reports).toMatchObject({ rooms: 1, answers: 1 });
    expect(client.room()).toBe(2);
    await client.idle();
  });

  it('is known to have started when the worker says so', async () => {
    const [a, b] = await runBatch(2);
    worker.started(1, 99);
    await caughtUp();
    expect([a?.state, b?.state]).toEqual(['started', 'held']);
  });

  it('may fail job by job, with the handler`s status', async () => {
    const [a, b] = await runBatch(2);
    worker.error('HANDLER_ERROR', 'not this one', { jobs: [1], status: 422 });
    worker.error('PREDICTION_FAILED', 'Prediction failed', { jobs: [2] });
    expect(await rejectionOf(a?.next() ?? never())).toMatchObject({ code: 'HANDLER_ERROR', details: { status: 422 } });
    expect(await rejectionOf(b?.next() ?? never())).toMatchObject({
      code: 'PREDICTION_FAILED',
      details: { model: 'm' },
    });
    await reports.until(() => reports.rooms === 1);
  });

  it('leaves no more room than is free to a worker that takes jobs as they come', async () => {
    await load(5);
    expect(client.room()).toBe(5);
    client.run([heldJob(client), heldJob(client)]);
    expect(client.room()).toBe(3);
    worker.output({ 1: 'x' });
    await reports.until(() => reports.rooms === 1);
    expect(client.room()).toBe(4);
  });

  it('passes metrics on', async () => {
    await load();
    worker.say({ type: 'metric', name: 'n', unit: 'ms', value: 2, kind: 'gauge', dimensions: [['Level', 'Model']] });
    await reports.until(() => reports.metrics.length === 1);
    expect(reports.metrics[0]).toMatchObject({ name: 'n', value: 2, dimensions: [['Level', 'Model']] });
  });
});

describe('a batch given ahead', () => {
  /** A worker that takes `ahead` jobs, with a batch in hand after one that took the handler so long. */
  async function busyAfter(handlerMs: number, ahead = 4): Promise<Job> {
    const loading = client.load(loadMessage);
    worker.say({ type: 'ready', capacity: 2, ahead, runtime: { name: 'scripted', version: '1' } });
    await loading;
    client.beginServing();
    client.run([heldJob(client)]);
    worker.say({ type: 'output', outputs: [{ job: 1, last: true, as: 'text' }], handlerMs }, ['x']);
    await reports.until(() => reports.rooms === 1);
    const current = heldJob(client);
    client.run([current]);
    return current;
  }

  it('is taken while the handler is quick, up to what the worker allows', async () => {
    await busyAfter(0.01);
    expect(reports.handlerTimesMs).toEqual([0.01]);
    expect(client.takesAhead(true)).toBe(true);
    client.run([heldJob(client), heldJob(client)]);
    expect(client.aheadJobs).toBe(2);
    expect(client.takesAhead(true)).toBe(true);
    client.run([heldJob(client), heldJob(client)]);
    expect(client.takesAhead(true)).toBe(false);
  });

  it.each([
    ['before the first answer tells how quick the handler is', async () => void (await runBatch(1))],
    ['when the handler takes its time', async () => void (await busyAfter(20))],
    ['by a worker that does not want it', async () => void (await busyAfter(0.01, 0))],
    [
      'by a worker that takes jobs as they come',
      async () => {
        await load(64);
        client.run([heldJob(client)]);
      },
    ],
  ])('is not taken %s', async (_when, prepare) => {
    await prepare();
    expect(client.isBusy()).toBe(true);
    expect(client.takesAhead(true)).toBe(false);
  });

  it('makes room for the next as the worker begins with it, and reports room after each answer', async () => {
    const current = await busyAfter(0.01, 2);
    const [c, d] = [heldJob(client), heldJob(client)];
    client.run([c, d]);
    expect(client.takesAhead(true)).toBe(false);
    worker.output({ [current.id]: 'done' });
    worker.started(c.id, d.id);
    await caughtUp();
    expect([current.state, c.state, d.state]).toEqual(['ended', 'started', 'started']);
    expect(client.aheadJobs).toBe(0);
    expect(client.takesAhead(true)).toBe(true);
  });

  it('does not count jobs whose clients have gone, but keeps their place until the worker ends them', async () => {
    await busyAfter(0.01, 2);
    const [c, d] = [heldJob(client), heldJob(client)];
    client.run([c, d]);
    for (const job of [c, d]) {
      void rejectionOf(job.next());
      job.abandon();
    }
    expect(client.aheadJobs).toBe(0);
    expect(client.takesAhead(true)).toBe(false);
  });

  it('does not lengthen the patience with a handler that hangs', async () => {
    const current = await busyAfter(0.01);
    worker.started(current.id);
    await caughtUp();
    clock.advance(TIMEOUT_MS - 1);
    client.run([heldJob(client), heldJob(client)]);
    const answer = rejectionOf(current.next());
    clock.advance(1);
    expect((await answer).code).toBe('RESPONSE_TIMEOUT');
  });

  it('comes back when the worker dies', async () => {
    const current = await busyAfter(0.01);
    worker.started(current.id);
    await caughtUp();
    const [c, d] = [heldJob(client), heldJob(client)];
    client.run([c, d]);
    worker.hangUp();
    expect(await client.settle(exit)).toEqual([current, c, d]);
    expect([current, c, d].map((job) => job.state)).toEqual(['started', 'held', 'held']);
    expect(client.aheadJobs).toBe(0);
  });
});

describe('a worker that gives back what it has not begun with', () => {
  /** With a job in hand, and so many jobs ahead of which it has not begun with any. */
  async function busyWith(jobsAhead: number): Promise<{ current: Job; ahead: Job[] }> {
    const loading = client.load(loadMessage);
    worker.say({ type: 'ready', capacity: 2, ahead: 2, givesBack: true, runtime: { name: 'scripted', version: '1' } });
    await loading;
    client.beginServing();
    const current = heldJob(client);
    client.run([current]);
    worker.started(current.id);
    await caughtUp();
    const ahead = Array.from({ length: jobsAhead }, () => heldJob(client));
    if (jobsAhead > 0) client.run(ahead);
    return { current, ahead };
  }

  it('takes one batch ahead, however long the handler may take, and tells when it takes the next', async () => {
    const { current, ahead } = await busyWith(2);
    expect(client.takesAhead(true)).toBe(false);
    worker.output({ [current.id]: 'done' });
    await caughtUp();
    expect(client.takesAhead(true)).toBe(false);
    const { rooms, answers } = reports;
    worker.started(...ahead.map(({ id }) => id));
    await caughtUp();
    expect(client.takesAhead(true)).toBe(true);
    expect(reports).toMatchObject({ rooms: rooms + 1, answers });
  });

  it('has proved that it works when a batch is over, though the next one waits in it', async () => {
    const { current } = await busyWith(1);
    worker.output({ [current.id]: 'done' });
    await caughtUp();
    expect(reports.answers).toBe(1);
  });

  it('is given a batch ahead where it hears it while it computes', async () => {
    const { ahead } = await busyWith(2);
    const predicts = async () =>
      (await worker.hears('recall')) && worker.heard.filter(({ header }) => header.type === 'predict');
    void client.recall();
    expect((await predicts()).map(({ channel, header }) => [channel, header['jobs']])).toMatchObject([
      ['data', [{}]],
      ['control', ahead.map(({ id }) => ({ id }))],
    ]);
  });

  it('takes none before it has begun with what it has, lest that be overtaken', async () => {
    await busyWith(0);
    const next = heldJob(client);
    client.run([next]);
    worker.output({ 1: 'done' });
    await caughtUp();
    expect(client.takesAhead(true)).toBe(false);
    worker.started(next.id);
    await caughtUp();
    expect(client.takesAhead(true)).toBe(true);
  });

  it('is given batches ahead where it reads next while its handler is quick', async () => {
    const { current } = await busyWith(0);
    worker.say({ type: 'output', outputs: [{ job: current.id, last: true, as: 'text' }], handlerMs: 0.1 }, ['x']);
    await caughtUp();
    for (const batch of [[heldJob(client)], [heldJob(client)]]) client.run(batch);
    void client.recall();
    await worker.hears('recall');
    const channels = worker.heard.filter(({ header }) => header.type === 'predict').map(({ channel }) => channel);
    expect(channels).toEqual(['data', 'data', 'data']);
  });

  it('is asked for what waits in it, and keeps what it does not name', async () => {
    const { current, ahead } = await busyWith(2);
    const back = client.recall();
    expect((await worker.hears('recall')).header).toEqual({ type: 'recall' });
    worker.reply({ type: 'returned', jobs: [ahead[1]?.id] });
    expect(await back).toEqual([ahead[1]]);
    expect(client.aheadJobs).toBe(1);
    worker.output({ [current.id]: 'a', [ahead[0]?.id ?? 0]: 'b' });
    await client.idle();
    expect(client.isBusy()).toBe(false);
  });

  it('is not asked when nothing waits in it', async () => {
    await busyWith(0);
    expect(await client.recall()).toEqual([]);
    await caughtUp();
    expect(worker.heard.some(({ header }) => header.type === 'recall')).toBe(false);
  });

  it('has nothing more to return once it is dead', async () => {
    const { current, ahead } = await busyWith(2);
    const back = client.recall();
    worker.hangUp();
    expect(await client.settle(exit)).toEqual([current, ...ahead]);
    expect(await back).toEqual([]);
  });

  it('is given up when it says what it cannot say there', async () => {
    await busyWith(1);
    worker.reply({ type: 'returned', jobs: 'all' });
    await reports.until(() => reports.broken.length > 0);
    expect(reports.broken[0]).toContain('field "jobs"');
  });
});

it('asks no worker to give back that does not do that', async () => {
  const loading = client.load(loadMessage);
  worker.say({ type: 'ready', capacity: 2, ahead: 4, runtime: { name: 'scripted', version: '1' } });
  await loading;
  client.beginServing();
  client.run([heldJob(client)]);
  client.run([heldJob(client)]);
  expect(await client.recall()).toEqual([]);
  expect(client.aheadJobs).toBe(1);
});

describe('replies that are nobody`s', () => {
  it.each([
    ['of a job that never was', () => worker.output({ 77: 'stray' })],
    ['of a job that failed before', () => worker.error('PREDICTION_FAILED', 'no', { jobs: [77] })],
  ])('are ignored: %s', async (_what, say) => {
    const [a] = await runBatch(1);
    say();
    worker.output({ 1: 'the answer' });
    expect(textOf((await a?.next()) ?? never())).toBe('the answer');
    expect(reports.broken).toEqual([]);
  });

  it('count once when they come twice', async () => {
    const [a, b] = await runBatch(2);
    worker.output({ 1: 'first' });
    worker.output({ 1: 'second' });
    worker.error('PREDICTION_FAILED', 'third', { jobs: [1] });
    worker.output({ 2: 'b' });
    expect(textOf((await b?.next()) ?? never())).toBe('b');
    expect(textOf((await a?.next()) ?? never())).toBe('first');
  });

  it('never reach the client of another worker', async () => {
    const other = await openWorker();
    const otherReports = new Reports();
    const otherClient = connect([other], { reports: otherReports });
    const [mine] = await runBatch(1);
    const theirs = heldJob(otherClient);
    otherClient.run([theirs]);
    worker.output({ [theirs.id]: 'not yours' });
    worker.error('PREDICTION_FAILED', 'not yours', { jobs: [theirs.id] });
    await caughtUp();
    expect(theirs.state).toBe('held');
    other.output({ [theirs.id]: 'yours' });
    expect(textOf(await theirs.next())).toBe('yours');
    expect(mine?.state).toBe('held');
  });

  it('are ignored when the client has gone, while the worker keeps its place until it ends the job', async () => {
    const [a] = await runBatch(1);
    const answer = rejectionOf(a?.next() ?? never());
    a?.abandon();
    expect((await answer).code).toBe('CANCELLED');
    expect((await worker.hears('cancel')).header['jobs']).toEqual([1]);
    expect(client.room()).toBe(0);
    worker.output({ 1: 'late' });
    await reports.until(() => reports.rooms === 1);
    expect(client.room()).toBe(2);
  });
});

describe('a worker that breaks the protocol', () => {
  it.each<[string, () => void, string]>([
    ['bytes that are no frame', () => worker.babble(Buffer.from('Traceback (most recent call last)')), 'frame header'],
    ['a message of unknown type', () => worker.say({ type: 'hello' }), 'unknown type "hello"'],
    ['a field that cannot be', () => worker.say({ type: 'started', jobs: 'all' }), '"jobs"'],
    ['an output that is too large', () => worker.output({ 1: 'x'.repeat(1_000_001) }), 'over the limit of 1000000'],
    ['an end in the middle of a frame', () => endInsideFrame(), 'inside a frame'],
  ])('is broken by %s: told once, given no more work', async (_what, misbehave, why) => {
    const [a] = await runBatch(1);
    misbehave();
    await reports.until(() => reports.broken.length > 0);
    expect(reports.broken).toEqual([expect.stringContaining(why)]);
    expect(client.room()).toBe(0);
    expect(a?.state).toBe('held');
    expect(await client.settle(exit)).toEqual([a]);
    expect(reports.broken).toHaveLength(1);
  });

  function endInsideFrame(): void {
    worker.babble(Buffer.from([0, 0, 1]));
    worker.hangUp();
  }
});

describe('a worker that is warmed up', () => {
  it('is told so, and measured by nothing but the start-up timeout of others', async () => {
    const loading = client.load(loadMessage);
    worker.ready(2);
    await loading;
    const [a, b] = [heldJob(client), heldJob(client)];
    client.run([a]);
    expect((await worker.hears('predict')).header).toMatchObject({ warmUp: true });
    clock.advance(10 * TIMEOUT_MS);
    worker.say({ type: 'metric', name: 'n', unit: 'Count', value: 1, kind: 'counter' });
    worker.say({ type: 'output', outputs: [{ job: a.id, last: true, as: 'text' }], handlerMs: 5 }, ['x']);
    expect(textOf(await a.next())).toBe('x');
    await caughtUp();
    expect(reports).toMatchObject({ handlerTimesMs: [], answers: 0, rooms: 0, broken: [] });
    expect(reports.metrics.map(({ name }) => name)).not.toContain('n');

    client.run([b]);
    const lost = rejectionOf(b.next());
    worker.hangUp();
    expect(await client.settle(exit)).toEqual([]);
    expect(await lost).toMatchObject({ code: 'WORKER_DIED' });
  });

  it('serves afterwards as any other', async () => {
    await runBatch(1);
    expect((await worker.hears('predict')).header).not.toHaveProperty('warmUp');
  });

  it('tells where its handler failed', async () => {
    const [a] = await runBatch(1);
    worker.error('PREDICTION_FAILED', 'ValueError: no.', { jobs: [1], trace: 'handler.py, line 3' });
    expect(await rejectionOf(a?.next() ?? never())).toMatchObject({ details: { trace: 'handler.py, line 3' } });
  });
});

describe('the heartbeat', () => {
  it('asks a worker that is idle and silent, and has it ended when it does not answer', async () => {
    await load();
    clock.advance(10_000);
    expect((await worker.hears('ping')).channel).toBe('control');
    clock.advance(10_000);
    expect(reports.broken).toEqual(['it was idle and has not answered for 10 s']);
    expect(client.room()).toBe(0);
  });

  it('leaves a worker alone that answers, and one that computes', async () => {
    await load();
    clock.advance(10_000);
    await worker.hears('ping');
    worker.reply({ type: 'pong', id: 1 });
    const job = heldJob(client);
    client.run([job]);
    clock.advance(TIMEOUT_MS - 1);
    worker.output({ [job.id]: 'x' });
    await job.next();
    clock.advance(14_000);
    expect(reports.broken).toEqual([]);
  });

  it('does not ask a worker that may be in a debugger', async () => {
    const debugged = connect([await openWorker()], { responseTimeoutMs: Infinity });
    debugged.beginServing();
    expect(clock.pendingTimers).toBe(0);
  });

  it('ends with the worker', async () => {
    await load();
    worker.hangUp();
    await client.settle(exit);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('the response timeout', () => {
  it('fails what was started and has the worker ended; what was not started can go elsewhere', async () => {
    const [a, b] = await runBatch(2);
    worker.started(1);
    await caughtUp();
    clock.advance(TIMEOUT_MS - 1);
    expect(reports.broken).toEqual([]);
    clock.advance(1);
    expect(await rejectionOf(a?.next() ?? never())).toMatchObject({
      code: 'RESPONSE_TIMEOUT',
      message: 'Prediction timed out after 10 s',
      details: { model: 'm' },
    });
    expect(reports.broken).toEqual(['no answer within the response timeout of 10 s']);
    worker.close();
    expect(await client.settle(exit)).toEqual([b]);
  });

  it('begins anew with every sign of life', async () => {
    await runBatch(1);
    clock.advance(TIMEOUT_MS - 1);
    await caughtUp();
    clock.advance(TIMEOUT_MS - 1);
    expect(reports.broken).toEqual([]);
    clock.advance(1);
    expect(reports.broken).toHaveLength(1);
  });

  it('does not run while the worker owes nothing', async () => {
    const [a] = await runBatch(1);
    worker.output({ 1: 'x' });
    await a?.next();
    clock.advance(1.4 * TIMEOUT_MS);
    expect(reports.broken).toEqual([]);
  });

  it('counts for each batch from its own beginning', async () => {
    const [a] = await runBatch(1);
    clock.advance(TIMEOUT_MS - 1);
    worker.output({ 1: 'x' });
    await a?.next();
    client.run([heldJob(client)]);
    clock.advance(TIMEOUT_MS - 1);
    expect(reports.broken).toEqual([]);
    clock.advance(1);
    expect(reports.broken).toHaveLength(1);
  });

  it('does not blame the worker for a reader that does not read', async () => {
    const [a] = await runBatch(1);
    worker.started(1);
    worker.output({ 1: 'x'.repeat(CREDIT_BYTES) }, false);
    await caughtUp();
    clock.advance(5 * TIMEOUT_MS);
    expect(reports.broken).toEqual([]);
    await a?.next();
    const rest = rejectionOf(a?.next() ?? never());
    clock.advance(TIMEOUT_MS);
    expect((await rest).code).toBe('RESPONSE_TIMEOUT');
    expect(reports.broken).toHaveLength(1);
  });

  it('does blame the worker when the reader that did not read has gone', async () => {
    const [a] = await runBatch(1);
    worker.started(1);
    worker.output({ 1: 'x'.repeat(CREDIT_BYTES) }, false);
    await caughtUp();
    a?.abandon();
    clock.advance(TIMEOUT_MS);
    expect(reports.broken).toHaveLength(1);
  });
});

describe('a worker whose batch jobs may join', () => {
  beforeEach(async () => {
    const loading = client.load(loadMessage);
    worker.say({ type: 'ready', capacity: 2, joins: true, runtime: { name: 'scripted', version: '1' } });
    await loading;
    client.beginServing();
  });

  it('has room while it computes, until it holds as many as it may', async () => {
    const [a, b] = [heldJob(client), heldJob(client)];
    client.run([a]);
    expect({ room: client.room(), takesAnyTime: client.takesAnyTime }).toEqual({ room: 1, takesAnyTime: true });
    client.run([b]);
    expect({ room: client.room(), takesAhead: client.takesAhead(true) }).toEqual({ room: 0, takesAhead: false });
    expect(client.holds(a)).toBe(true);
    worker.output({ 1: 'x' });
    await reports.until(() => reports.rooms === 1);
    expect({ room: client.room(), holds: client.holds(a) }).toEqual({ room: 1, holds: false });
  });

  it('is overdue by its call, which what joins meanwhile does not prolong, nor a reader that does not read', async () => {
    const [a, b] = [heldJob(client), heldJob(client)];
    client.run([a]);
    worker.started(1);
    worker.output({ 1: 'x'.repeat(CREDIT_BYTES) }, false);
    await caughtUp();
    clock.advance(TIMEOUT_MS - 1);
    client.run([b]);
    clock.advance(1);
    expect(reports.broken).toEqual(['no answer within the response timeout of 10 s']);
  });

  it('lives on by a word about no job at all', async () => {
    client.run([heldJob(client)]);
    clock.advance(TIMEOUT_MS - 1);
    worker.started();
    await caughtUp();
    clock.advance(TIMEOUT_MS - 1);
    expect(reports.broken).toEqual([]);
  });
});

describe('a worker that works on many jobs side by side', () => {
  it('loses one that is overdue, is told to cancel it, and goes on with the others', async () => {
    await load(5);
    const [a, b] = [heldJob(client), heldJob(client)];
    client.run([a]);
    client.run([b]);
    worker.started(1, 2);
    await caughtUp();
    clock.advance(TIMEOUT_MS - 1);
    worker.output({ 2: 'x' }, false);
    await caughtUp();
    clock.advance(1);
    expect((await rejectionOf(a.next())).code).toBe('RESPONSE_TIMEOUT');
    expect((await worker.hears('cancel')).header).toMatchObject({ jobs: [1] });
    expect({ state: b.state, holds: client.holds(a), broken: reports.broken }).toEqual({
      state: 'started',
      holds: true,
      broken: [],
    });
    worker.output({ 1: '' });
    await caughtUp();
    expect(client.room()).toBe(4);
  });

  it('is given up when nothing at all comes from it after that', async () => {
    await load(5);
    const [a, b] = [heldJob(client), heldJob(client)];
    client.run([a]);
    worker.started(1);
    await caughtUp();
    clock.advance(TIMEOUT_MS - 1);
    client.run([b]);
    worker.started(2);
    await caughtUp();
    clock.advance(1);
    expect(reports.broken).toEqual([]);
    clock.advance(5_000);
    expect(reports.broken).toHaveLength(1);
    expect((await rejectionOf(b.next())).code).toBe('RESPONSE_TIMEOUT');
  });
});

describe('streams', () => {
  it('give the worker credit as the reader takes what came', async () => {
    const [a] = await runBatch(1);
    worker.output({ 1: 'abc' }, false);
    expect(textOf((await a?.next()) ?? never())).toBe('abc');
    expect(worker.heard.some(({ header }) => header.type === 'credit')).toBe(false);
    const second = a?.next();
    expect(await worker.hears('credit')).toMatchObject({ channel: 'control', header: { job: 1, bytes: 3 } });
    worker.output({ 1: 'd' });
    expect(await second).toMatchObject({ isLast: true });
  });

  it('keep the batch together: a worker of batches has no room before the last stream has ended', async () => {
    await runBatch(2);
    worker.output({ 1: 'a', 2: 'b' }, false);
    worker.output({ 1: 'a' });
    await caughtUp();
    expect(client.room()).toBe(0);
    worker.output({ 2: 'b' });
    await reports.until(() => reports.rooms === 1);
  });
});

describe('the end of a worker', () => {
  it('still hears what was answered before the death', async () => {
    const [a, b] = await runBatch(2);
    worker.started(1, 2);
    worker.output({ 1: 'in time' });
    worker.hangUp();
    expect(await client.settle(exit)).toEqual([b]);
    expect(textOf((await a?.next()) ?? never())).toBe('in time');
  });

  it('gives back what is not over, and so not what was cancelled', async () => {
    const [a, b] = await runBatch(2);
    b?.abandon();
    worker.hangUp();
    expect(await client.settle(exit)).toEqual([a]);
    expect(client.isBusy()).toBe(false);
    await client.idle();
  });

  it('does not wait forever for a socket that a forked child keeps open', async () => {
    const [a] = await runBatch(1);
    const settled = client.settle(exit);
    clock.advance(200);
    expect(await settled).toEqual([a]);
  });

  it('gets no more work once its data channel has ended, and is ended itself when it stays', async () => {
    await load();
    worker.hangUp();
    await new Promise((resolve) => worker.channels.data.once('close', resolve));
    expect(client.room()).toBe(0);
    expect(client.isIdle()).toBe(false);
    expect(reports.broken).toEqual([]);
    clock.advance(5_000);
    expect(reports.broken).toEqual(['it closed its data channel and did not exit']);
  });

  it('is no defect when its exit follows the end of its channel', async () => {
    await load();
    worker.hangUp();
    await new Promise((resolve) => worker.channels.data.once('close', resolve));
    await client.settle({ ...exit, exitCode: 0, signal: null });
    clock.advance(60_000);
    expect(reports.broken).toEqual([]);
  });

  it('fails what the handler computes when the owner gives up, and nothing else', async () => {
    const [a, b] = await runBatch(2);
    worker.started(1);
    await caughtUp();
    client.giveUp(new ServingError('MODEL_STOPPING', 'over'));
    expect((await rejectionOf(a?.next() ?? never())).code).toBe('MODEL_STOPPING');
    expect(b?.state).toBe('held');
  });

  it('is asked for on the control channel', async () => {
    await load();
    client.stop();
    expect((await worker.hears('stop')).channel).toBe('control');
  });
});

function never(): never {
  throw new Error('the batch has no such job');
}
