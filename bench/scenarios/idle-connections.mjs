// Clients that stay connected and ask for nothing: what each weighs, and whether others feel them.
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { get, requestText } from '../exchange.mjs';
import { IdleClients } from '../idle-clients.mjs';
import { median } from '../median.mjs';
import { OpenLoad } from '../open-load.mjs';
import { residentBytes } from '../process-tree.mjs';

const COUNT = 15_000;
const QUICK_COUNT = 2_000;
const GENERATORS = 2;
/** Descriptors of the server that are not connections, with room to spare. */
const OTHER_DESCRIPTORS = 500;
const OTHERS_PER_SEC = 200;
const SETTLE_MS = 2_000;
const ROUND_MS = 2_000;

/** @type {import('../bench-run.mjs').Scenario} */
export const scenario = {
  name: 'idle-connections',
  title: `${COUNT} idle keep-alive connections (floor: a server without them, which takes turns)`,
  async run(bench) {
    const count = bench.plan.isQuick ? QUICK_COUNT : COUNT;
    const descriptors = Number(execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim());
    // Not a number where there is no limit.
    if (descriptors < count + OTHER_DESCRIPTORS)
      return { leftOut: `a process may have ${descriptors} open files here (ulimit -Hn)` };
    const load = bench.keep(new OpenLoad());
    const clients = bench.keep(new IdleClients(GENERATORS));
    const [idle, crowded] = [await noopServer(bench), await noopServer(bench)];
    const others = async ({ port }, durationMs) => {
      const request = requestText('/predictions/noop');
      const { accepted, sent } = await load.run({ port, request, ratePerSec: OTHERS_PER_SEC, durationMs });
      if (accepted.count === sent) return accepted;
      throw new Error(`${sent - accepted.count} of ${sent} requests were not answered with 200`);
    };
    const { rounds } = bench.plan;
    const durationMs = bench.plan.isQuick ? 1_000 : ROUND_MS;
    for (const server of [idle, crowded]) await others(server, durationMs);

    const beforeBytes = residentBytes(crowded.pid);
    const opened = await clients.open({ port: crowded.port, request: get('/ping'), count });
    await sleep(SETTLE_MS);
    const eachBytes = (residentBytes(crowded.pid) - beforeBytes) / opened;
    const pairs = [];
    for (let round = 0; round < rounds; round += 1)
      pairs.push({ alone: await others(idle, durationMs), beside: await others(crowded, durationMs) });
    const left = await clients.count();
    const row = (name, of, target) => ({
      name,
      value: median(pairs.map(({ beside }) => of(beside))),
      unit: 'ms',
      floor: median(pairs.map(({ alone }) => of(alone))),
      ratio: median(pairs.map(({ alone, beside }) => of(beside) / of(alone))),
      target,
    });
    return [
      {
        name: `memory of the server a connection, of ${opened}`,
        value: eachBytes / 1e3,
        unit: 'kB',
        target: { bound: 'at most', value: 15 },
      },
      row(`others, ${OTHERS_PER_SEC} req/s in an open loop: p50`, ({ p50Ms }) => p50Ms),
      row('  p99', ({ p99Ms }) => p99Ms, { bound: 'at most', value: 1.25, isOfRatio: true }),
      {
        name: 'connections that were still open',
        value: (left / opened) * 100,
        unit: '%',
        target: { bound: 'at least', value: 100 },
      },
    ];
  },
};

async function noopServer(bench) {
  // Others are to be slowed down at most, and not refused.
  const sconce = await bench.sconce(undefined, { job_queue_size: '1000' });
  await sconce.register('noop', 'batch_size=1');
  return sconce;
}
