// A network that computes for 40 ms: the server should be nowhere to be seen.
import { join } from 'node:path';
import { BareSession } from '../onnx-bare.mjs';
import { NO_TORCH } from '../onnx-models.mjs';
import { treeResidentBytes } from '../process-tree.mjs';
import { binaryTensor, PICTURE, rawTensor } from '../tensors.mjs';
import { throughputFigures } from '../throughput-figures.mjs';

/** A second has few pictures. */
const LONGER = { longer: 2 };
const GOALS = { share: { bound: 'at least', value: 0.98 } };

/** @type {import('../bench-run.mjs').Scenario} */
export const scenario = {
  name: 'resnet-onnx',
  title: 'ResNet-18 in ONNX, one worker with one thread (floor: bare loop of session.run)',
  async run(bench) {
    const store = await bench.networks();
    if (store === undefined) return { leftOut: NO_TORCH };
    const bare = bench.keep(await BareSession.open(join(store.folder, 'resnet18', 'network.onnx'), PICTURE));
    const builds = await bench.builds(store.folder);
    for (const sconce of builds) await sconce.register('resnet18', 'batch_size=1', 'resnet18');
    const raw = rawTensor('/predictions/resnet18', PICTURE);
    const ways = [
      { name: 'raw bytes in, JSON out, 1 connection', request: raw, connections: 1 },
      { name: 'raw bytes in, JSON out, 2 connections', request: raw, connections: 2, goals: GOALS },
      { name: '/v2 binary, 2 connections', request: binaryTensor('resnet18', PICTURE), connections: 2, goals: GOALS },
    ];
    const contenders = ways.flatMap(({ request, connections }) =>
      builds.map((subject) => ({ subject, request, connections })),
    );
    const [floor, ...outcomes] = await bench.compare([{ subject: bare, load: bare }, ...contenders], LONGER);
    const figures = ways.flatMap(({ name, goals }, index) => {
      const own = outcomes.slice(index * builds.length, (index + 1) * builds.length);
      return throughputFigures(name, floor, own, goals);
    });
    const afterBytes = treeResidentBytes(builds[0].pid);
    return [...figures, { name: 'RSS of server and worker after the load', value: afterBytes / 1e6, unit: 'MB' }];
  },
};
