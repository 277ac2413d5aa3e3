// The ONNX part of the bench: what the way through the server costs beside a bare loop of `session.run` with the same network and as many
// threads, which takes turns with it; and how long a worker needs to start.
import { join } from 'node:path';
import { median } from './median.mjs';
import { BareSession } from './onnx-bare.mjs';
import { workerStartMs } from './onnx-worker-start.mjs';
import { startSconce } from './sconce.mjs';
import { compare } from './throughput.mjs';

const PICTURE = [1, 3, 224, 224];
/** Fewer than the noop has: what is compared here takes longer, and differs less. */
export const ONNX_ROUNDS = 5;
const MLP_BATCH = 32;
const MLP_CONNECTIONS = 64;

/**
 * @param {string} main the built command
 * @param {import('./onnx-models.mjs').ModelStore} store
 * @param {import('./load.mjs').Load} load
 * @param {{ durationMs: number, against: string | undefined, disturbances: number[], progress: (text: string) => void }} plan
 *   `against` is another build's main.js, which takes turns with this one at ResNet-18
 * @returns {Promise<{ own: import('./report.mjs').Figure[], others: import('./report.mjs').Figure[] }>}
 */
export async function onnxFigures(main, { folder }, load, { durationMs, against, disturbances, progress }) {
  const networkOf = (model) => join(folder, model, 'network.onnx');
  progress('workers for ONNX models start');
  const starts = [await startFigure('mlp'), await startFigure('resnet18')];
  const sconce = await startSconce(main, 'Sconce', folder);
  const other = against === undefined ? undefined : await startSconce(against, 'the other build', folder);
  try {
    await sconce.register('resnet18', 'batch_size=1', 'resnet18');
    await other?.register('resnet18', 'batch_size=1', 'resnet18');
    await sconce.register('mlp', `batch_size=${MLP_BATCH}`, 'mlp');
    const { own, others } = await resnetFigures();
    return { own: [...own, ...(await mlpFigures()), ...starts], others };
  } finally {
    await Promise.all([sconce.stop(), other?.stop()]);
  }

  async function resnetFigures() {
    const bare = await BareSession.open(networkOf('resnet18'), PICTURE);
    const request = post('/predictions/resnet18', ['content-type: application/octet-stream'], randomTensor(PICTURE));
    const subjects = other === undefined ? [sconce] : [sconce, other];
    const contenders = [
      { subject: bare, load: bare },
      ...subjects.flatMap((subject) => [1, 2].map((connections) => ({ subject, request, connections }))),
    ];
    progress('ResNet-18: warming up');
    await compare(load, contenders, { rounds: 1, durationMs });
    progress('ResNet-18');
    const [floor, ...samples] = await compare(load, contenders, { rounds: ONNX_ROUNDS, durationMs });
    disturbances.push(floor.othersShare);
    await bare.stop();
    const rows = ([lone, two]) => [
      ...onnxRows('ResNet-18 in raw bytes, 1 connection', lone, floor),
      ...onnxRows('ResNet-18 in raw bytes, 2 connections', two, floor, { bound: 'at least', value: 0.95 }),
    ];
    return { own: rows(samples), others: other === undefined ? [] : rows(samples.slice(2)) };
  }

  async function mlpFigures() {
    const bare = await BareSession.open(networkOf('mlp'), [MLP_BATCH, 784]);
    const contenders = [
      { subject: bare, load: bare },
      ...[jsonRequest(), binaryRequest()].map((request) => ({
        subject: sconce,
        request,
        connections: MLP_CONNECTIONS,
      })),
    ];
    progress('MLP: warming up');
    await compare(load, contenders, { rounds: 1, durationMs });
    progress('MLP');
    const [floor, json, binary] = await compare(load, contenders, { rounds: ONNX_ROUNDS, durationMs });
    disturbances.push(floor.othersShare);
    await bare.stop();
    const settings = `batch_size=${MLP_BATCH}, ${MLP_CONNECTIONS} connections`;
    return [
      ...onnxRows(`MLP in JSON, ${settings}`, json, floor),
      ...onnxRows(`MLP in /v2 binary, ${settings}`, binary, floor),
    ];
  }

  async function startFigure(model) {
    const ownMs = [];
    for (let time = 0; time < ONNX_ROUNDS; time += 1) {
      const bare = await BareSession.open(networkOf(model), [1]);
      await bare.stop();
      ownMs.push((await workerStartMs(join(folder, model))) - bare.createMs);
    }
    return {
      name: `worker for ${model}: spawn to ready, without the session's creation`,
      value: median(ownMs),
      unit: 'ms',
      target: { bound: 'at most', value: 400 },
    };
  }
}

/** The rows of one way of asking; the floor's latencies and CPU time are those of one `session.run`, not of one row of it. */
function onnxRows(name, own, floor, target) {
  return [
    { name: `${name}: rate`, value: own.ratePerSec, unit: 'req/s', floor: floor.ratePerSec },
    { name: '  share of the bare loop', value: own.share, unit: '×', floor: 1, ...(target && { target }) },
    { name: '  p50', value: own.p50Ms, unit: 'ms', floor: floor.p50Ms },
    { name: '  p99', value: own.p99Ms, unit: 'ms', floor: floor.p99Ms },
    {
      name: '  CPU a request, server and worker',
      value: own.cpuMicroseconds,
      unit: 'µs',
      floor: floor.cpuMicroseconds,
    },
  ];
}

/** 784 levels of grey as a client would write them: 5.5 kB. */
function jsonRequest() {
  const levels = Array.from({ length: 784 }, () => Math.floor(Math.random() * 10_000) / 10_000);
  return post('/predictions/mlp', ['content-type: application/json'], Buffer.from(JSON.stringify([levels])));
}

function binaryRequest() {
  const tensor = randomTensor([1, 784]);
  const head = Buffer.from(
    JSON.stringify({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 784], parameters: { binary_data_size: tensor.length } }],
      parameters: { binary_data_output: true },
    }),
  );
  const headers = ['content-type: application/octet-stream', `inference-header-content-length: ${head.length}`];
  return post('/v2/models/mlp/infer', headers, Buffer.concat([head, tensor]));
}

function randomTensor(shape) {
  const length = shape.reduce((one, other) => one * other);
  return Buffer.from(Float32Array.from({ length }, () => Math.random()).buffer);
}

/** The bytes of a request, one character each. */
function post(path, headers, body) {
  const head = [`POST ${path} HTTP/1.1`, 'host: 127.0.0.1', ...headers, `content-length: ${body.length}`];
  return `${head.join('\r\n')}\r\n\r\n${body.toString('latin1')}`;
}
