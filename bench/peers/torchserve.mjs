// TorchServe 0.12: the same model folders and the same requests as Sconce, and the handler for the MLP beside them.
import { spawnSync } from 'node:child_process';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ask } from '../ask.mjs';
import { echoRequest } from '../echo.mjs';
import { requestText } from '../exchange.mjs';
import { freePorts, MODEL_STORE } from '../sconce.mjs';
import { jsonLevels } from '../tensors.mjs';
import { startPeer } from './peer-process.mjs';

const MLP = fileURLToPath(new URL('mlp', import.meta.url));

/** @type {import('./peer.mjs').Peer} */
export const torchserve = {
  name: 'TorchServe',
  packages: ['torchserve==0.12.0', 'onnxruntime'],
  seesSystemPackages: true,
  warmUpMs: 6_000,
  missing() {
    const hasJava = spawnSync('java', ['-version']).status === 0;
    return hasJava ? undefined : 'it needs Java 17 or later: apt-get install openjdk-17-jre-headless';
  },
  request(handler, { bodyBytes }) {
    if (handler === 'echo') return echoRequest(bodyBytes);
    return handler === 'mlp' ? jsonLevels('/predictions/mlp') : requestText(`/predictions/${handler}`);
  },
  async start({ handler, batchSize, delayMs, workers }, { environment, room, network, queueSize }) {
    const [port, managementPort, metricsPort, grpcPort, grpcManagementPort] = await freePorts(5);
    const store = join(room, 'store');
    const temporary = join(room, 'tmp');
    await mkdir(temporary);
    await cp(handler === 'mlp' ? MLP : join(MODEL_STORE, handler), join(store, handler), { recursive: true });
    if (handler === 'mlp') await cp(network, join(store, handler, 'network.onnx'));
    const settings = [
      `inference_address=http://127.0.0.1:${port}`,
      `management_address=http://127.0.0.1:${managementPort}`,
      `metrics_address=http://127.0.0.1:${metricsPort}`,
      `grpc_inference_port=${grpcPort}`,
      `grpc_management_port=${grpcManagementPort}`,
      `job_queue_size=${queueSize}`,
      // Both sides may take and give as much as an echo of 600 kB needs.
      'max_request_size=104857600',
      'max_response_size=104857600',
      // Else Java leaves files of its own in the folder for temporary ones.
      `vmargs=-Djava.io.tmpdir=${temporary} -XX:-UsePerfData`,
    ];
    await writeFile(join(room, 'config.properties'), settings.join('\n'));
    const bin = join(environment, 'bin');
    const started = await startPeer({
      name: 'TorchServe',
      command: join(bin, 'torchserve'),
      args: [
        ...['--start', '--foreground', '--no-config-snapshots', '--disable-token-auth', '--enable-model-api'],
        ...['--ts-config', join(room, 'config.properties'), '--model-store', store],
      ],
      cwd: room,
      env: { PATH: `${bin}:${process.env.PATH}`, TMPDIR: temporary, TEMP: temporary },
      port,
      readyPath: '/ping',
    });
    const query = `url=${handler}&model_name=${handler}&batch_size=${batchSize}&max_batch_delay=${delayMs}`;
    const answer = await ask('POST', managementPort, `/models?${query}&initial_workers=${workers}&synchronous=true`);
    if (answer?.status === 200) return started;
    await started.stop();
    throw new Error(`TorchServe did not register ${handler}: ${answer?.text}`);
  },
};
