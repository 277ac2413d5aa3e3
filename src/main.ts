#!/usr/bin/env node
// The command `sconce`: reads flags, starts the server in the foreground, and stops it on a signal.
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { Command } from 'commander';
import { ConfigError } from './config/config-error.ts';
import { loadConfig } from './config/load-config.ts';
import type { ServerConfig } from './config/server-config.ts';
import type { RunningServer } from './server.ts';
import type { ServerLog } from './telemetry/logger.ts';

const VERSION = readVersion();

interface ServeFlags {
  readonly tsConfig?: string;
  readonly modelStore?: string;
  readonly models?: string[];
  readonly python?: string;
  readonly apiDialect?: string;
  readonly insecure?: boolean;
}

const program = new Command('sconce')
  .description('A model server: TorchServe’s APIs, archives and handlers, maintained and faster')
  .version(VERSION);

program
  .command('serve')
  .description('Serve models in the foreground until Ctrl-C')
  .argument('[model]', 'a model to serve at once: an .onnx file, an archive or a folder')
  .option('--ts-config <file>', 'settings in TorchServe’s config.properties form')
  .option('--model-store <folder>', 'where model archives lie')
  .option('--models <models...>', 'models to load at start: [name=]archive, or all')
  .option('--python <command>', 'interpreter for Python handlers')
  .option('--api-dialect <dialect>', 'documented or torchserve')
  .option('--insecure', 'allow a management address that other machines can reach')
  .action(serve);

await program.parseAsync();

async function serve(model: string | undefined, flags: ServeFlags): Promise<void> {
  const { openLog } = await import('./telemetry/logger.ts');
  const { startServer } = await import('./server.ts');
  const serverLog = openLog();
  const giveUp = new AbortController();
  try {
    const config = await configOf(model, flags);
    const starting = startServer(config, serverLog, VERSION, giveUp.signal);
    // From the first moment on: what a start has unpacked by now would stay behind.
    stopOnSignal(async () => {
      giveUp.abort();
      const server = await starting.catch(() => undefined);
      await server?.stop();
    }, serverLog);
    const server = await starting;
    serverLog.log.info(
      { ...server.addresses, dialect: config.dialect.name, modelStore: config.modelStore },
      'Model server started.',
    );
    if (model !== undefined) await showFirstSteps(server);
  } catch (error) {
    if (giveUp.signal.aborted) return;
    await serverLog.flush();
    process.stderr.write(`sconce: ${startFailure(error)}\n`);
    process.exitCode = 1;
  }
}

/** One model that is named on the command line gets one worker unless something else was asked for. */
async function configOf(model: string | undefined, flags: ServeFlags): Promise<ServerConfig> {
  const inputs = { env: process.env, cwd: process.cwd() };
  if (model === undefined) return loadConfig({ flags, ...inputs });
  const modelFlags = flagsFor(model, flags);
  const isThere = await stat(model).then(
    () => true,
    () => false,
  );
  if (!isThere) throw new ConfigError(`${model}: there is no such file or folder`);
  const config = await loadConfig({ flags: modelFlags, ...inputs });
  return { ...config, defaultWorkersPerModel: config.defaultWorkersPerModel || 1 };
}

/** `serve MODEL` is short for its folder as the model store and its name as the model to load. */
function flagsFor(model: string, flags: ServeFlags): ServeFlags {
  if (flags.modelStore !== undefined || flags.models !== undefined) {
    throw new ConfigError(
      `${model}: a model stands for --model-store and --models together; give it, or them, but not both`,
    );
  }
  const path = resolve(model);
  return { ...flags, modelStore: dirname(path), models: [basename(path)] };
}

async function showFirstSteps(server: RunningServer): Promise<void> {
  const { management } = server.addresses;
  // Nothing of it can be asked over a socket file in one line of curl.
  if (!management.startsWith('http')) return;
  const { firstSteps } = await import('./first-steps.ts');
  const response = await fetch(`${management}/models`);
  const { models } = (await response.json()) as { models: { modelName: string }[] };
  if (models.length === 0) {
    const readiness = await fetch(`${management}/readyz`);
    const { reasons } = (await readiness.json()) as { reasons: string[] };
    process.stderr.write(`\nsconce: ${reasons.join('; ')}\n`);
  }
  for (const { modelName } of models) process.stderr.write(`\n${(await firstSteps(server, modelName)) ?? ''}\n`);
}

/** The first signal drains, a second one ends at once. */
function stopOnSignal(stop: () => Promise<void>, serverLog: ServerLog): void {
  let isStopping = false;
  const onSignal = async (signal: NodeJS.Signals) => {
    if (isStopping) process.exit(1);
    isStopping = true;
    serverLog.log.info({ signal }, 'stopping: finishing the requests at hand');
    await stop();
    serverLog.log.info('stopped');
    await serverLog.flush();
    process.exit(0);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

function startFailure(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  const { code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  // A socket of the file system has a path as its address, and -1 as its port.
  const where = port === undefined || port < 0 ? address : `${address}:${port}`;
  if (code === 'EADDRINUSE')
    return `${where} is in use by another process; stop it, or choose another address (inference_address, management_address, metrics_address)`;
  if (code === 'EACCES') return `${where} may not be opened by this user; choose a port above 1023, or another address`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
