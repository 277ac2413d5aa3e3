// LitServe: its server is a script, and its requests are JSON.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { post, requestText } from '../exchange.mjs';
import { freePorts } from '../sconce.mjs';
import { levels } from '../tensors.mjs';
import { startPeer } from './peer-process.mjs';

const PROGRAM = fileURLToPath(new URL('litserve_server.py', import.meta.url));

/** @type {import('./peer.mjs').Peer} */
export const litserve = {
  name: 'LitServe',
  packages: ['litserve', 'onnxruntime', 'numpy'],
  seesSystemPackages: false,
  warmUpMs: 1_500,
  missing: () => undefined,
  request(handler) {
    // A body that is not JSON does not reach its model.
    if (handler === 'echo') return undefined;
    if (handler !== 'mlp') return requestText('/predict');
    return post('/predict', ['content-type: application/json'], Buffer.from(JSON.stringify({ input: levels() })));
  },
  async start({ handler, batchSize, delayMs, workers }, { environment, room, network }) {
    const [port] = await freePorts(1);
    return startPeer({
      name: 'LitServe',
      command: join(environment, 'bin', 'python'),
      args: [PROGRAM, handler, String(port), String(batchSize), String(delayMs / 1000), String(workers), network],
      cwd: room,
      env: { TMPDIR: room },
      port,
      readyPath: '/health',
    });
  },
};
