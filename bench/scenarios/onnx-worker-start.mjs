// From the order for an ONNX worker until it is ready, less what the creation of the session takes in a bare process.
import { join } from 'node:path';
import { ask } from '../ask.mjs';
import { median } from '../median.mjs';
import { BareSession } from '../onnx-bare.mjs';
import { NO_TORCH } from '../onnx-models.mjs';

/** @type {import('../bench-run.mjs').Scenario} */
export const scenario = {
  name: 'onnx-worker-start',
  title: "start of an ONNX worker until it is ready, without the session's creation",
  async run(bench) {
    const store = await bench.networks();
    if (store === undefined) return { leftOut: NO_TORCH };
    const sconce = await bench.sconce(store.folder);
    const figures = [];
    for (const model of ['mlp', 'resnet18']) {
      await sconce.register(model, 'batch_size=1', model, 0);
      const ownMs = [];
      for (let round = 0; round < bench.plan.rounds; round += 1) {
        const bare = await BareSession.open(join(store.folder, model, 'network.onnx'), [1]);
        await bare.stop();
        ownMs.push((await scaledMs(sconce, model, 1)) - bare.createMs);
        await scaledMs(sconce, model, 0);
      }
      figures.push({ name: model, value: median(ownMs), unit: 'ms', target: { bound: 'at most', value: 400 } });
    }
    return figures;
  },
};

/** How long it takes until a model has so many workers that are ready. */
async function scaledMs({ managementPort }, model, workers) {
  const startedAt = performance.now();
  const path = `/models/${model}?min_worker=${workers}&max_worker=${workers}&synchronous=true`;
  const answer = await ask('PUT', managementPort, path);
  if (answer?.status !== 200) throw new Error(`scaling ${model} to ${workers} failed: ${answer?.text}`);
  return performance.now() - startedAt;
}
