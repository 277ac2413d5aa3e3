// Four times as many requests as two workers can answer, at fixed times whatever the answers are: what is answered, what is refused and how
// soon, and whether memory stays where it is.
import { requestText } from '../exchange.mjs';
import { median } from '../median.mjs';
import { OpenLoad } from '../open-load.mjs';
import { residentBytes } from '../process-tree.mjs';

const WORKERS = 2;
/** What the handler sleeps. */
const HANDLER_MS = 20;
const CAPACITY_PER_SEC = (WORKERS * 1000) / HANDLER_MS;
const OVERLOAD = 4;
const DEADLINE_MS = 2_000;
const LOOK_EVERY_MS = 100;
const PEAK_CONNECTIONS = 16;

/** @type {import('../bench-run.mjs').Scenario} */
export const scenario = {
  name: 'overload',
  title: `a handler that sleeps ${HANDLER_MS} ms, ${WORKERS} workers, ${OVERLOAD}× their capacity in an open loop`,
  async run(bench) {
    const { isQuick } = bench.plan;
    const sconce = await bench.sconce();
    await sconce.register('sleep', 'batch_size=1', 'sleep', WORKERS);
    const request = requestText('/predictions/sleep', [`x-request-timeout: ${DEADLINE_MS / 1000}`]);
    const closed = { port: sconce.port, request, connections: PEAK_CONNECTIONS, durationMs: isQuick ? 1_000 : 5_000 };
    const peak = await bench.load.run(closed);
    const peakPerSec = peak.answers / (peak.elapsedMs / 1000);

    const load = bench.keep(new OpenLoad());
    const sizes = [];
    const looking = setInterval(() => sizes.push(residentBytes(sconce.pid)), LOOK_EVERY_MS);
    const result = await load.run({
      port: sconce.port,
      request,
      ratePerSec: OVERLOAD * CAPACITY_PER_SEC,
      durationMs: isQuick ? 3_000 : 30_000,
    });
    clearInterval(looking);
    const { accepted, refused } = result;
    const unexpected = Object.values(result.others).reduce((sum, count) => sum + count, 0);
    const percent = (part, whole) => (whole === 0 ? 100 : (part / whole) * 100);
    const third = Math.floor(sizes.length / 3);
    const growth = median(sizes.slice(2 * third)) - median(sizes.slice(third, 2 * third));
    return [
      {
        name: 'goodput (floor: peak of a closed loop)',
        value: result.goodputPerSec,
        unit: 'req/s',
        floor: peakPerSec,
        target: { bound: 'at least', value: 0.95, isOfRatio: true },
      },
      { name: 'refused, of all', value: percent(refused.count, result.sent), unit: '%' },
      { name: '  p50', value: refused.p50Ms, unit: 'ms' },
      { name: '  p99', value: refused.p99Ms, unit: 'ms', target: { bound: 'at most', value: 5 } },
      {
        name: '  with Retry-After',
        value: percent(result.withRetryAfter, refused.count),
        unit: '%',
        target: { bound: 'at least', value: 100 },
      },
      { name: 'accepted, p50', value: accepted.p50Ms, unit: 'ms' },
      {
        name: `  p99 (deadline: ${DEADLINE_MS} ms)`,
        value: accepted.p99Ms,
        unit: 'ms',
        target: { bound: 'at most', value: DEADLINE_MS },
      },
      {
        name: 'neither answered nor refused, of all',
        value: percent(unexpected + result.lost, result.sent),
        unit: '%',
        target: { bound: 'at most', value: 0 },
      },
      { name: 'RSS of the server at the end', value: residentBytes(sconce.pid) / 1e6, unit: 'MB' },
      {
        name: '  last third of the time above the second',
        value: growth / 1e6,
        unit: 'MB',
        target: { bound: 'at most', value: 5 },
      },
      { name: 'the load generator was late by, p99', value: result.latenessP99Ms, unit: 'ms' },
    ];
  },
};
