// The same handler with batches: what a batch spares.
import { treeResidentBytes } from '../process-tree.mjs';
import { sweep } from '../throughput-figures.mjs';

const CONNECTIONS = [8, 32, 64, 128];
const GOALS = { 64: { share: { bound: 'at least', value: 0.45, stretch: 0.65 } } };

/** @type {import('../bench-run.mjs').Scenario} */
export const scenario = {
  name: 'noop-batch',
  title: 'noop, one Python worker, batches of at most 32',
  async run(bench) {
    const floor = await bench.floor('noop');
    const builds = await bench.builds(undefined, { job_queue_size: '1000' });
    for (const sconce of builds) await sconce.register('noop', 'batch_size=32');
    const contenders = [floor, ...builds].map((subject) => ({ subject, path: '/predictions/noop' }));
    const figures = await sweep(bench, contenders, CONNECTIONS, GOALS);
    return [
      ...figures,
      { name: 'RSS of server and worker after the load', value: treeResidentBytes(builds[0].pid) / 1e6, unit: 'MB' },
    ];
  },
};
