// Models that are registered and have no workers: what each weighs, and how quickly the server finds its way among them.
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../ask.mjs';
import { get } from '../exchange.mjs';
import { residentBytes } from '../process-tree.mjs';

const COUNT = 1_000;
/** Registered before the first look at the memory: what the first ones cost once is no model's. */
const FIRST = 100;
const SETTLE_MS = 1_000;
const GOAL = { bound: 'at most', value: 10 };

/** @type {import('../bench-run.mjs').Scenario} */
export const scenario = {
  name: 'many-models',
  title: `${COUNT} registered models without workers, 1 connection`,
  async run(bench) {
    const sconce = await bench.sconce();
    const register = async (from, to) => {
      for (let number = from; number < to; number += 1) {
        const query = `url=noop&model_name=model-${number}&initial_workers=0&synchronous=true`;
        const answer = await ask('POST', sconce.managementPort, `/models?${query}`);
        if (answer?.status !== 200) throw new Error(`registration ${number} failed: ${answer?.text}`);
      }
    };
    await register(0, FIRST);
    await sleep(SETTLE_MS);
    const beforeBytes = residentBytes(sconce.pid);
    const beganAt = performance.now();
    await register(FIRST, COUNT);
    const registrationMs = (performance.now() - beganAt) / (COUNT - FIRST);
    await sleep(SETTLE_MS);
    const modelBytes = (residentBytes(sconce.pid) - beforeBytes) / (COUNT - FIRST);
    const { durationMs } = bench.plan;
    const timesOf = async (path) => {
      const order = { port: sconce.managementPort, request: get(path), connections: 1 };
      await bench.load.run({ ...order, durationMs: durationMs / 2 });
      return bench.load.run({ ...order, durationMs });
    };
    const list = await timesOf(`/models?limit=${COUNT}`);
    const describe = await timesOf(`/models/model-${COUNT / 2}`);
    return [
      { name: 'list of all, p50', value: list.p50Ms, unit: 'ms', target: GOAL },
      { name: '  p99', value: list.p99Ms, unit: 'ms' },
      { name: 'describe one, p50', value: describe.p50Ms, unit: 'ms', target: GOAL },
      { name: '  p99', value: describe.p99Ms, unit: 'ms' },
      { name: 'memory a model', value: modelBytes / 1e3, unit: 'kB', target: { bound: 'at most', value: 50 } },
      { name: 'registration of one', value: registrationMs, unit: 'ms' },
    ];
  },
};
