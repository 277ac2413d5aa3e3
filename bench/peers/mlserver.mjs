// MLServer: a model is a class and a settings file, and its requests are those of the Open Inference Protocol in JSON.
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { post } from '../exchange.mjs';
import { freePorts } from '../sconce.mjs';
import { levels } from '../tensors.mjs';
import { startPeer } from './peer-process.mjs';

const MODELS = fileURLToPath(new URL('mlserver_models.py', import.meta.url));
const CLASSES = { noop: 'mlserver_models.Noop', sleep: 'mlserver_models.Sleep', mlp: 'mlserver_models.Mlp' };

/** @type {import('./peer.mjs').Peer} */
export const mlserver = {
  name: 'MLServer',
  // Its workers ask uvloop for a loop that is not there yet, which later releases of uvloop refuse.
  packages: ['mlserver', 'uvloop<0.22', 'onnxruntime'],
  seesSystemPackages: false,
  warmUpMs: 1_500,
  missing: () => undefined,
  request(handler) {
    // Over REST it takes tensors in JSON only.
    if (handler === 'echo') return undefined;
    const data = handler === 'mlp' ? levels() : [5.1, 3.5, 1.4, 0.2];
    const document = { inputs: [{ name: 'x', shape: [1, data.length], datatype: 'FP32', data }] };
    const path = `/v2/models/${handler}/infer`;
    return post(path, ['content-type: application/json'], Buffer.from(JSON.stringify(document)));
  },
  async start({ handler, batchSize, delayMs, workers }, { environment, room, network }) {
    const [port, grpcPort, metricsPort] = await freePorts(3);
    const server = {
      host: '127.0.0.1',
      http_port: port,
      grpc_port: grpcPort,
      metrics_port: metricsPort,
      parallel_workers: workers,
      debug: false,
      environments_dir: join(room, 'environments'),
    };
    const model = {
      name: handler,
      implementation: CLASSES[handler],
      max_batch_size: batchSize > 1 ? batchSize : 0,
      max_batch_time: batchSize > 1 ? delayMs / 1000 : 0,
      parameters: { extra: { network } },
    };
    await writeFile(join(room, 'settings.json'), JSON.stringify(server));
    await writeFile(join(room, 'model-settings.json'), JSON.stringify(model));
    return startPeer({
      name: 'MLServer',
      command: join(environment, 'bin', 'mlserver'),
      args: ['start', room],
      cwd: room,
      env: { PYTHONPATH: dirname(MODELS), PYTHONDONTWRITEBYTECODE: '1', TMPDIR: room, PROMETHEUS_MULTIPROC_DIR: room },
      port,
      readyPath: `/v2/models/${handler}/ready`,
    });
  },
};
