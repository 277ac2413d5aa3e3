// A TypeScript handler that does nothing: what the other kind of worker costs.
import { treeResidentBytes } from '../process-tree.mjs';
import { sweep } from '../throughput-figures.mjs';

const CONNECTIONS = [1, 32];

/** @type {import('../bench-run.mjs').Scenario} */
export const scenario = {
  name: 'noop-typescript',
  title: 'noop, one TypeScript worker, batch size 1',
  async run(bench) {
    const floor = await bench.floor('noop');
    const builds = await bench.builds();
    for (const sconce of builds) await sconce.register('noop', 'batch_size=1', 'noop-typescript');
    const contenders = [floor, ...builds].map((subject) => ({ subject, path: '/predictions/noop' }));
    const figures = await sweep(bench, contenders, CONNECTIONS);
    const afterBytes = treeResidentBytes(builds[0].pid);
    return [...figures, { name: 'RSS of server and worker after the load', value: afterBytes / 1e6, unit: 'MB' }];
  },
};
