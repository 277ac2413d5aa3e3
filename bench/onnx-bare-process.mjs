// The floor of the ONNX part: `session.run` in a loop and nothing else, in a process of its own. Tells its parent how long the session's
// creation took, then takes orders, one at a time, and answers each as the load generator does.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { LatencyHistogram } from './latency-histogram.mjs';

const [network, shape] = process.argv.slice(2);
const startedAt = performance.now();
const session = await InferenceSession.create(network, {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
});
process.on('disconnect', () => process.exit(0));
process.on('message', ({ durationMs }) => void loop(durationMs));
process.send?.({ createMs: performance.now() - startedAt });

async function loop(durationMs) {
  const dims = JSON.parse(shape);
  const data = Float32Array.from({ length: dims.reduce((one, other) => one * other) }, () => Math.random());
  const tensor = new Tensor('float32', data, dims);
  const histogram = new LatencyHistogram();
  const loopedAt = performance.now();
  let now = loopedAt;
  while (now - loopedAt < durationMs) {
    await session.run({ x: tensor });
    const doneAt = performance.now();
    histogram.add(doneAt - now);
    now = doneAt;
  }
  process.send?.({
    answers: histogram.count * dims[0],
    elapsedMs: now - loopedAt,
    p50Ms: histogram.percentile(50),
    p99Ms: histogram.percentile(99),
  });
}
