// The same network in torch, behind a Python handler.
import { hasTorch, NO_TORCH, TORCH_PYTHON } from '../onnx-models.mjs';
import { treeResidentBytes } from '../process-tree.mjs';
import { PICTURE, rawTensor } from '../tensors.mjs';
import { throughputFigures } from '../throughput-figures.mjs';
import { BareTorch } from '../torch-bare.mjs';

/** A second has few pictures. */
const LONGER = { longer: 2 };
const GOALS = { share: { bound: 'at least', value: 0.98 } };

/** @type {import('../bench-run.mjs').Scenario} */
export const scenario = {
  name: 'resnet-torch',
  title: 'ResNet-18 in torch, one worker with one thread, raw bytes in and out (floor: bare loop)',
  async run(bench) {
    if (!(await hasTorch())) return { leftOut: NO_TORCH };
    const bare = bench.keep(await BareTorch.open(TORCH_PYTHON));
    const builds = await bench.builds(undefined, { python: TORCH_PYTHON });
    for (const sconce of builds) await sconce.register('resnet18', 'batch_size=1', 'resnet18-torch');
    const request = rawTensor('/predictions/resnet18', PICTURE);
    const contenders = [1, 2].flatMap((connections) => builds.map((subject) => ({ subject, request, connections })));
    const [floor, ...outcomes] = await bench.compare([{ subject: bare, load: bare }, ...contenders], LONGER);
    const afterBytes = treeResidentBytes(builds[0].pid);
    return [
      ...throughputFigures('1 connection', floor, outcomes.slice(0, builds.length)),
      ...throughputFigures('2 connections', floor, outcomes.slice(builds.length), GOALS),
      { name: 'RSS of server and worker after the load', value: afterBytes / 1e6, unit: 'MB' },
    ];
  },
};
