// A small network, for which the way to it is most of the work: JSON and binary, beside a bare loop of `session.run` over whole batches.
import { join } from 'node:path';
import { BareSession } from '../onnx-bare.mjs';
import { NO_TORCH } from '../onnx-models.mjs';
import { treeResidentBytes } from '../process-tree.mjs';
import { binaryTensor, jsonLevels, LEVELS } from '../tensors.mjs';
import { connectionsText, throughputFigures } from '../throughput-figures.mjs';

const BATCH = 32;
const JSON_CONNECTIONS = [1, 8, 32, 64, 128];
const BINARY_CONNECTIONS = [1, 64];
/** The bare loop's latencies are those of a whole batch. */
const NOT_A_BATCH = { hasNoLatencyFloor: true };

/** @type {import('../bench-run.mjs').Scenario} */
export const scenario = {
  name: 'mlp',
  title: 'MLP 784-512-512-10 in ONNX, batches of at most 32 (floor: bare loop of session.run, rows)',
  async run(bench) {
    const store = await bench.networks();
    if (store === undefined) return { leftOut: NO_TORCH };
    const bare = bench.keep(await BareSession.open(join(store.folder, 'mlp', 'network.onnx'), [BATCH, LEVELS]));
    const builds = await bench.builds(store.folder, { job_queue_size: '1000' });
    for (const sconce of builds) await sconce.register('mlp', `batch_size=${BATCH}`, 'mlp');
    const json = jsonLevels('/predictions/mlp');
    const binary = binaryTensor('mlp', [1, LEVELS]);
    const ways = [
      ...JSON_CONNECTIONS.map((connections) => ({ form: 'JSON', request: json, connections })),
      ...BINARY_CONNECTIONS.map((connections) => ({ form: '/v2 binary', request: binary, connections })),
    ];
    const contenders = ways.flatMap(({ request, connections }) =>
      builds.map((subject) => ({ subject, request, connections })),
    );
    const [floor, ...outcomes] = await bench.compare([{ subject: bare, load: bare }, ...contenders]);
    const figures = ways.flatMap(({ form, connections }, index) => {
      const own = outcomes.slice(index * builds.length, (index + 1) * builds.length);
      return throughputFigures(`${form}, ${connectionsText(connections)}`, floor, own, NOT_A_BATCH);
    });
    const afterBytes = treeResidentBytes(builds[0].pid);
    return [...figures, { name: 'RSS of server and worker after the load', value: afterBytes / 1e6, unit: 'MB' }];
  },
};
