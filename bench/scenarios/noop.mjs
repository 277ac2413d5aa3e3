// A handler that does nothing, one request at a time: all that is left is the server's own work. And what the server weighs.
import { setTimeout as sleep } from 'node:timers/promises';
import { residentBytes, treeResidentBytes } from '../process-tree.mjs';
import { sweep } from '../throughput-figures.mjs';

const CONNECTIONS = [1, 8, 32, 128];
const GOALS = {
  32: {
    share: { bound: 'at least', value: 0.3, stretch: 0.45 },
    cpuMicroseconds: { bound: 'at most', value: 100, stretch: 70 },
  },
};
/** After the start and before the look at an idle server. */
const SETTLE_MS = 1_000;

/** @type {import('../bench-run.mjs').Scenario} */
export const scenario = {
  name: 'noop',
  title: 'noop, one Python worker, batch size 1',
  async run(bench) {
    const floor = await bench.floor('noop');
    // Room for all who ask at a time, so that nobody is refused.
    const builds = await bench.builds(undefined, { job_queue_size: '1000' });
    for (const sconce of builds) await sconce.register('noop', 'batch_size=1');
    const [{ pid }] = builds;
    await sleep(SETTLE_MS);
    const idle = { server: residentBytes(pid), all: treeResidentBytes(pid) };
    const contenders = [floor, ...builds].map((subject) => ({ subject, path: '/predictions/noop' }));
    const figures = await sweep(bench, contenders, CONNECTIONS, GOALS);
    return [
      ...figures,
      {
        name: 'RSS of the idle server',
        value: idle.server / 1e6,
        unit: 'MB',
        target: { bound: 'at most', value: 120 },
      },
      { name: '  with its worker', value: idle.all / 1e6, unit: 'MB' },
      { name: '  of both after the load', value: treeResidentBytes(pid) / 1e6, unit: 'MB' },
    ];
  },
};
