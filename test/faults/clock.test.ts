// Row 27 of docs/architecture/faults.md: the wall clock jumps by hours, as with a bad time server or a suspended machine. Nothing that the
// server decides may follow it: spans are measured with a clock that only goes forward, and the wall clock is for people and for files.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { FaultBench } from '../support/invariants.ts';
import { metricsText, predict, untilModel } from '../support/serving-client.ts';

const HOUR_MS = 3_600_000;
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Where the wall clock is asked, and what for. */
const WALL_CLOCK: Readonly<Record<string, string>> = {
  'src/archive/cache-owner.ts': 'compares with the times of files',
  'src/archive/file-digest.ts': 'compares with the times of files',
  'src/archive/http-source.ts': 'a signature names its moment',
  'src/archive/leftover-parts.ts': 'compares with the times of files',
  'src/commands/archive/create.ts': 'a manifest names its moment',
  'src/commands/torch-model-archiver.ts': 'a manifest names its moment',
  'src/telemetry/access-log.ts': 'shown',
  'src/telemetry/metric-lines.ts': 'shown',
  'src/workers/pool-refusals.ts': 'turns a moment that is shown back into what is left until then',
  'src/workers/pool-scaler.ts': 'shown',
  'src/workers/python-environments.ts': 'compares with the times of files',
  'src/workers/worker.ts': 'shown',
};

describe('row 27: the wall clock', () => {
  test('is asked by the server in the files that have a reason, and nowhere else', () => {
    const files = readdirSync(`${ROOT}src`, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    );
    const asking = files
      .map((name) => `src/${name.replaceAll('\\', '/')}`)
      .filter((name) => /\bDate\.now\(\)|\bnew Date\(\)/.test(readFileSync(ROOT + name, 'utf8')));
    expect(asking.filter((name) => WALL_CLOCK[name] === undefined)).toEqual([]);
  });

  test('is not asked by the Python worker at all', () => {
    const folder = `${ROOT}python/sconce_worker`;
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.py'));
    const asking = files.filter((name) =>
      /\btime\.time\(|\bdatetime\b/.test(readFileSync(`${folder}/${name}`, 'utf8')),
    );
    expect(asking).toEqual([]);
  });
});

describe('row 27: while the wall clock jumps', () => {
  let bench: FaultBench;

  beforeAll(async () => {
    bench = await FaultBench.start();
  });
  afterEach(() => bench.expectAtRest());
  afterAll(() => bench?.stop());

  test('by an hour either way, no request is given up early, and none is waited for longer', async () => {
    const { server } = bench;
    const model = await bench.serve('timed', { response_timeout: 2, batch_size: 2, max_batch_delay: 100 });
    const before = await sumOfDurations();
    for (const ms of [HOUR_MS, -2 * HOUR_MS, HOUR_MS]) {
      const gate = `go ${ms} ${Math.random()}`;
      const times = (await model.entries('waiting')).length;
      const held = predict(
        server,
        'timed',
        { do: 'wait', gate, value: 'held' },
        { headers: { 'X-Request-Timeout': '60' } },
      );
      await model.reached('waiting', times + 1);
      const waiting = predict(
        server,
        'timed',
        { do: 'echo', value: 'waiting' },
        { headers: { 'X-Request-Timeout': '60' } },
      );
      await bench.jumpClock(ms);
      await bench.expectServing();
      await model.open(gate);
      expect([(await held).text, (await waiting).text]).toEqual(['held', 'waiting']);
    }
    await bench.jumpClock(-HOUR_MS);
    const startedAt = performance.now();
    const slow = predict(server, 'timed', { do: 'busy' });
    const late = predict(
      server,
      'bystander',
      { do: 'echo', value: 'on time' },
      { headers: { 'X-Request-Timeout': '5' } },
    );
    expect((await late).text).toBe('on time');
    await bench.jumpClock(HOUR_MS);
    expect((await slow).status).toBe(504);
    expect(performance.now() - startedAt).toBeGreaterThan(1_900);
    expect(performance.now() - startedAt).toBeLessThan(8_000);
    expect((await sumOfDurations()) - before).toBeLessThan(60);
  });

  test('a worker in back-off starts again when it said it would, and clients are told to come back soon', async () => {
    const { server } = bench;
    await bench.serve('restarting');
    for (const ms of [HOUR_MS, -2 * HOUR_MS]) {
      await predict(server, 'restarting', { do: 'leave' });
      await predict(server, 'restarting', { do: 'leave' });
      await untilModel(server, 'restarting', ({ workers }) => workers[0]?.state === 'backoff');
      await bench.jumpClock(ms);
      const refused = await predict(server, 'restarting', { do: 'echo', value: 'early' });
      if (refused.status !== 200) {
        expect(refused.status).toBe(503);
        expect(Number(refused.headers.get('retry-after'))).toBeLessThan(60);
      }
      await untilModel(server, 'restarting', ({ workers }) => workers[0]?.status === 'READY');
      expect((await predict(server, 'restarting', { do: 'echo', value: 'back' })).text).toBe('back');
    }
  });

  /** Seconds of all requests of the model `timed`. */
  async function sumOfDurations(): Promise<number> {
    return Number(
      /^sconce_request_duration_seconds_sum\{model_name="timed".*\} (\S+)$/m.exec(
        await metricsText(bench.server),
      )?.[1] ?? 0,
    );
  }
});
