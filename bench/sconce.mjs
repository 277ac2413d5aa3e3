// Starts and stops a Sconce server, on ports and in a folder of its own, and asks its management API for models.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ask } from './ask.mjs';

export const MODEL_STORE = fileURLToPath(new URL('models', import.meta.url));
const PING_EVERY_MS = 4;
const PATIENCE_MS = 120_000;

/**
 * Starts the server and resolves at its first 200 of /ping.
 * @param {string} main the built command
 * @param {string} name what the report calls it
 * @param {string} modelStore the folder of its models
 * @param {Readonly<Record<string, string>>} more further settings
 */
export async function startSconce(main, name, modelStore = MODEL_STORE, more = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'sconce-bench-'));
  const [port, managementPort, metricsPort] = await freePorts(3);
  const settings = join(folder, 'config.properties');
  await writeFile(
    settings,
    [
      `inference_address=http://127.0.0.1:${port}`,
      `management_address=http://127.0.0.1:${managementPort}`,
      `metrics_address=http://127.0.0.1:${metricsPort}`,
      `model_store=${modelStore}`,
      `cache_dir=${join(folder, 'cache')}`,
      ...Object.entries(more).map(([key, value]) => `${key}=${value}`),
    ].join('\n'),
  );
  const startedAt = performance.now();
  const child = spawn(process.execPath, [main, 'serve', '--ts-config', settings], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = once(child, 'exit');
  const end = () => child.kill('SIGKILL');
  process.on('exit', end);
  while ((await ask('GET', port, '/ping'))?.status !== 200) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode} instead of starting`);
    if (performance.now() - startedAt > PATIENCE_MS) throw new Error(`${name} did not answer /ping in time`);
    await sleep(PING_EVERY_MS);
  }
  const startMs = performance.now() - startedAt;
  return {
    name,
    pid: child.pid,
    port,
    managementPort,
    startMs,
    /**
     * Registers a model under a name; its workers are ready then.
     * @param {string} model
     * @param {string} settings more parameters of the registration
     * @param {string} url its folder in the model store
     * @param {number} workers
     */
    async register(model, settings, url = 'noop', workers = 1) {
      const query = `url=${url}&model_name=${model}&initial_workers=${workers}&synchronous=true&${settings}`;
      const answer = await ask('POST', managementPort, `/models?${query}`);
      if (answer?.status !== 200) throw new Error(`the registration of ${model} failed: ${answer?.text}`);
    },
    async stop() {
      child.kill('SIGTERM');
      await exited;
      process.off('exit', end);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Ports that nobody used a moment ago. */
export async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
