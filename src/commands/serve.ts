// Serving in the foreground: the server is started, and stopped on a signal. `sconce serve` is here whole, its flags being declared in
// ../main.ts; `torchserve` brings its own settings along. What they mean is decided in ../config/load-config.ts.
import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { ConfigError } from '../config/config-error.ts';
import { loadConfig } from '../config/load-config.ts';
import type { ServerConfig } from '../config/server-config.ts';
import type { RunningServer } from '../server.ts';
import type { ServerHooks } from '../server-hooks.ts';
import type { ServerLog } from '../telemetry/logger.ts';
import { failureText } from './terminal/failure.ts';

/** How long the last lines of the log may take to be read: a log that nobody reads must not hold up the end, least of all a hurried one. */
const LAST_LINES_MS = 1_000;
const HURRIED_LAST_LINES_MS = 200;

/** What was written behind `sconce serve`, as commander names it. */
export interface ServeFlags {
  readonly tsConfig?: string;
  readonly modelStore?: string;
  readonly models?: string[];
  readonly python?: string;
  readonly apiDialect?: string;
  readonly insecure?: boolean;
}

/** What a command that serves in the foreground brings along. */
export interface ServingCommand {
  /** Its name, for whoever reads why a start failed. */
  readonly name: string;
  readonly version: string;
  readonly hooks?: ServerHooks;
  configure(): Promise<ServerConfig>;
  /** The server answers, and the log says so. */
  started(server: RunningServer, serverLog: ServerLog): Promise<void>;
}

/** `sconce serve`, from its flags to its end. */
export async function serve(model: string | undefined, flags: ServeFlags, version: string): Promise<void> {
  return serveUntilSignal({
    name: 'sconce',
    version,
    hooks: model !== undefined && process.stderr.isTTY ? await progressHooks() : {},
    configure: () => configOf(model, flags),
    started: async (server) => {
      if (model !== undefined) await showFirstSteps(server);
    },
  });
}

/** Serves until a signal comes. A start that fails says why on stderr and leaves exit status 1; it does not throw. */
export async function serveUntilSignal(command: ServingCommand): Promise<void> {
  const { openLog } = await import('../telemetry/logger.ts');
  const { startServer } = await import('../server.ts');
  const serverLog = openLog();
  const giveUp = new AbortController();
  try {
    const config = await command.configure();
    const starting = startServer(config, serverLog, command.version, giveUp.signal, command.hooks);
    // From the first moment on: what a start has unpacked by now would stay behind.
    let server: RunningServer | undefined;
    stopOnSignal(serverLog, {
      stop: async () => {
        giveUp.abort();
        server ??= await starting.catch(() => undefined);
        await server?.stop();
      },
      requestsUnderWay: () => server?.requestsUnderWay() ?? 0,
    });
    server = await starting;
    serverLog.log.info(
      { ...server.addresses, dialect: config.dialect.name, modelStore: config.modelStore },
      'Model server started.',
    );
    await command.started(server, serverLog);
  } catch (error) {
    if (giveUp.signal.aborted) return;
    await serverLog.flush();
    process.stderr.write(`${command.name}: ${failureText(error)}\n`);
    process.exitCode = 1;
  }
}

/** Whoever named one model waits for it. */
async function progressHooks(): Promise<ServerHooks> {
  const { LoadLine } = await import('./terminal/load-line.ts');
  const line = new LoadLine(process.stderr, () => performance.now());
  return { onLoadPhase: (model, report) => line.hear(model, report) };
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
  const { firstSteps } = await import('../first-steps.ts');
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
function stopOnSignal(serverLog: ServerLog, server: Pick<RunningServer, 'stop' | 'requestsUnderWay'>): void {
  let isStopping = false;
  const exitAfterLog = async (code: number, patienceMs: number) => {
    setTimeout(() => process.exit(code), patienceMs);
    await serverLog.flush();
    process.exit(code);
  };
  const onSignal = async (signal: NodeJS.Signals) => {
    if (isStopping) {
      const requests = server.requestsUnderWay();
      serverLog.access?.flush();
      const cut = requests === 1 ? '1 request was cut' : `${requests} requests were cut`;
      serverLog.log.warn({ signal, requests }, `ended at once by a second signal: ${cut}`);
      await exitAfterLog(1, HURRIED_LAST_LINES_MS);
    }
    isStopping = true;
    serverLog.log.info({ signal, requests: server.requestsUnderWay() }, 'stopping: finishing the requests at hand');
    await server.stop();
    serverLog.access?.flush();
    serverLog.log.info('stopped');
    await exitAfterLog(0, LAST_LINES_MS);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}
