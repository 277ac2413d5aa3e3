// How long a worker needs from its spawn until it is ready: started as the server starts it, with the bench at the other end of its channels.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Connection } from '../dist/protocol/connection.js';
import { PROTOCOL_VERSION } from '../dist/protocol/messages.js';
import { launchFor } from '../dist/workers/runtimes.js';

/**
 * Milliseconds until `ready`, which include the creation of the model's session.
 * @param {string} modelDir a folder with one network
 */
export async function workerStartMs(modelDir) {
  const launch = launchFor({ runtime: 'onnx', modelDir }, { env: process.env });
  const startedAt = performance.now();
  const child = spawn(launch.command, launch.args, {
    cwd: launch.cwd,
    env: launch.env,
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  const [, , , data, control] = child.stdio;
  const silent = { maxPartBytes: 0, onFrame: () => {}, onClose: () => {} };
  const ready = new Promise((resolve, reject) => {
    const onFrame = (header) =>
      header.type === 'ready' ? resolve(performance.now() - startedAt) : reject(new Error(JSON.stringify(header)));
    const channel = new Connection(data, { ...silent, onFrame, onClose: () => reject(new Error('the worker ended')) });
    channel.send({ ...LOAD, modelDir });
  });
  const stop = new Connection(control, silent);
  const startMs = await ready;
  stop.send({ type: 'stop' });
  await exited;
  return startMs;
}

const LOAD = {
  type: 'load',
  protocol: PROTOCOL_VERSION,
  modelName: 'model',
  modelVersion: '1.0',
  handler: null,
  modelFile: null,
  threads: 1,
  batchSize: 1,
  gpuId: null,
  envelope: null,
  limitMaxImagePixels: true,
  decodeInput: true,
  modelConfig: null,
  maxResponseBytes: 0,
  creditBytes: 1 << 18,
  serverVersion: '',
  rank: 0,
  worldSize: 1,
};
