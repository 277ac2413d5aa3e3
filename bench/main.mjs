// `npm run bench`: what Sconce costs on top of Node's own http server, on this machine and in this run. It measures and judges nothing: the
// exit code is 0 when targets are missed, and 1 only when something is broken. docs/performance.md tells how to read it.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startFloor } from './floor.mjs';
import { Load } from './load.mjs';
import { median } from './median.mjs';
import { ONNX_ROUNDS, onnxFigures } from './onnx.mjs';
import { makeOnnxModels } from './onnx-models.mjs';
import { residentBytes, treeOf } from './process-tree.mjs';
import { tableOf, writeJson } from './report.mjs';
import { startSconce } from './sconce.mjs';
import { compare } from './throughput.mjs';

const OWN_MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const RESULTS = fileURLToPath(new URL('results', import.meta.url));

const CONNECTIONS = [1, 8, 32];
/** After the start and before the look at an idle server. */
const SETTLE_MS = 1_000;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    seconds: { type: 'string', default: '1' },
    /** Another build's main.js: it takes turns with this one, and its figures stand below. */
    against: { type: 'string' },
  },
});
const rounds = Number(options.rounds);
const durationMs = Number(options.seconds) * 1000;

const load = new Load();
const floor = await startFloor();
const sconce = await startSconce(OWN_MAIN, 'Sconce');
await sconce.register('noop', 'batch_size=1');
await sleep(SETTLE_MS);
const idleMb = residentBytes(sconce.pid) / 1e6;
const idleTreeMb = treeOf(sconce.pid).reduce((sum, pid) => sum + residentBytes(pid), 0) / 1e6;
await sconce.register('noop-batch', 'batch_size=8&max_batch_delay=50');
const other = options.against === undefined ? undefined : await startSconce(options.against, 'the other build');
await other?.register('noop', 'batch_size=1');

const noop = '/predictions/noop';
const contenders = [floor, sconce, other]
  .filter((subject) => subject !== undefined)
  .map((subject) => ({ subject, path: noop }));
progress('warming up');
await compare(load, contenders, { connections: 32, rounds: 2, durationMs });

const figures = [];
const otherFigures = [];
/** What other processes used of the machine, in each comparison. */
const disturbances = [];
for (const connections of CONNECTIONS) {
  progress(`noop at ${connections} connection${connections === 1 ? '' : 's'}`);
  const [bare, own, others] = await compare(load, contenders, { connections, rounds, durationMs });
  disturbances.push(own.othersShare);
  figures.push(...throughputFigures(connections, own, bare));
  if (others !== undefined) otherFigures.push(...throughputFigures(connections, others, bare));
}

progress('a lone request, with and without batching');
const lone = [noop, '/predictions/noop-batch'].map((path) => ({ subject: sconce, path }));
const [plain, batched] = await compare(load, lone, { connections: 1, rounds, durationMs: durationMs / 2 });
figures.push(
  { name: 'lone request, batch_size=1, p50', value: plain.p50Ms, unit: 'ms' },
  { name: 'lone request, batch_size=8 max_batch_delay=50, p50', value: batched.p50Ms, unit: 'ms' },
  {
    name: '  the difference',
    value: batched.p50Ms - plain.p50Ms,
    unit: 'ms',
    target: { bound: 'at most', value: 3 },
  },
  { name: 'idle server, RSS', value: idleMb, unit: 'MB', target: { bound: 'at most', value: 120 } },
  { name: 'idle server and worker, RSS', value: idleTreeMb, unit: 'MB' },
  { name: 'server after the load, RSS', value: residentBytes(sconce.pid) / 1e6, unit: 'MB' },
);
await Promise.all([sconce.stop(), other?.stop(), floor.stop()]);

progress('networks for the ONNX part');
const store = await makeOnnxModels();
const { against } = options;
const { own: onnx, others: otherOnnx } =
  store === undefined
    ? { own: [], others: [] }
    : await onnxFigures(OWN_MAIN, store, load, { durationMs, against, disturbances, progress });
await store?.remove();
load.stop();

progress('start');
const startsMs = [];
for (let round = 0; round < rounds; round += 1) {
  const started = await startSconce(OWN_MAIN, 'Sconce');
  startsMs.push(started.startMs);
  await started.stop();
}
figures.push({
  name: 'process start to the first 200 of /ping',
  value: median(startsMs),
  unit: 'ms',
  target: { bound: 'at most', value: 700 },
});

progress('');
const file = writeJson(RESULTS, { rounds, durationMs, disturbances, figures, onnx, otherFigures, otherOnnx });
console.log(tableOf(figures));
console.log(
  onnx.length > 0
    ? `\nONNX models beside a bare loop of session.run, in ${ONNX_ROUNDS} rounds\n\n${tableOf(onnx)}`
    : '\nThe ONNX part is left out: it needs a Python with torch and torchvision (SCONCE_TORCH_PYTHON).',
);
if (against !== undefined) console.log(`\nThe other build, ${against}\n\n${tableOf([...otherFigures, ...otherOnnx])}`);
console.log(`\nMedians of ${rounds} interleaved rounds of ${durationMs / 1000} s each. Written to ${file}`);
const worst = Math.max(...disturbances);
if (worst > 0.05)
  console.log(`Other processes used ${(worst * 100).toFixed(0)} % of the machine: do not trust these figures.`);

/** @returns {import('./report.mjs').Figure[]} */
function throughputFigures(connections, own, bare) {
  const at = `noop, ${connections} connection${connections === 1 ? '' : 's'}`;
  const isGoal = connections === 32;
  return [
    { name: `${at}: rate`, value: own.ratePerSec, unit: 'req/s', floor: bare.ratePerSec },
    {
      name: '  share of the floor',
      value: own.share,
      unit: '×',
      floor: 1,
      ...(isGoal ? { target: { bound: 'at least', value: 0.18 } } : {}),
    },
    { name: '  p50', value: own.p50Ms, unit: 'ms', floor: bare.p50Ms },
    { name: '  p99', value: own.p99Ms, unit: 'ms', floor: bare.p99Ms },
    {
      name: '  CPU a request, server and worker',
      value: own.cpuMicroseconds,
      unit: 'µs',
      floor: bare.cpuMicroseconds,
      ...(isGoal ? { target: { bound: 'at most', value: 120 } } : {}),
    },
    { name: '  the same in floors', value: own.cpuRatio, unit: '×', floor: 1 },
  ];
}

/** Says on a terminal what is going on. */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}
