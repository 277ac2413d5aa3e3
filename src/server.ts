// Puts the server together, starts it, and stops it again: the stop is the start in reverse, one step a line.
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArchiveStore } from './archive/archive-store.ts';
import { openCacheFolder } from './archive/cache-folder.ts';
import { ConfigError } from './config/config-error.ts';
import type { ServerConfig } from './config/server-config.ts';
import { ServingError } from './core/errors.ts';
import { LoadProgress } from './core/load-progress.ts';
import type { ModelSpec } from './core/model-spec.ts';
import type { ModelVersion } from './core/model-version.ts';
import type { Clock } from './core/ports.ts';
import { queueFor } from './core/queue-for.ts';
import { Registry } from './core/registry.ts';
import { Scheduler } from './core/scheduler.ts';
import { openDownloads } from './download-maker.ts';
import { environmentMaker } from './environment-maker.ts';
import type { ExchangeContext } from './http/exchange.ts';
import { createListeners } from './listeners.ts';
import { bothObservers, type ServerHooks } from './server-hooks.ts';
import { CustomizedDescribe } from './services/customized-describe.ts';
import { HealthService } from './services/health-service.ts';
import { InferenceService } from './services/inference-service.ts';
import { ManagementService } from './services/management-service.ts';
import { OpenInferenceService } from './services/open-inference-service.ts';
import { loadLog } from './telemetry/load-log.ts';
import { type ServerLog, workerLog } from './telemetry/logger.ts';
import { metricLines } from './telemetry/metric-lines.ts';
import { ServerMetrics } from './telemetry/server-metrics.ts';
import { serverMetricNotices } from './telemetry/torchserve-metrics.ts';
import { Devices, detectGpus } from './workers/devices.ts';
import { OrphanGuard } from './workers/orphan-guard.ts';
import { workerEnv } from './workers/worker-env.ts';
import { workerLauncher } from './workers/worker-launcher.ts';
import { Pool } from './workers/worker-pool.ts';

/** How long queued and running requests have when the server stops. */
const SHUTDOWN_GRACE_MS = 30_000;

/** A server that answers. */
export interface RunningServer {
  /** Where each API listens; inference and management may be the same. */
  readonly addresses: {
    readonly inference: string;
    readonly management: string;
    /** Undefined with `enable_metrics_api=false`. */
    readonly metrics: string | undefined;
  };
  /** For commands that have a server in their own process. */
  readonly management: ManagementService;
  readonly inference: InferenceService;
  /** Drains for at most `graceMs` and ends everything that was started; resolves when all of it is over. */
  stop(graceMs?: number): Promise<void>;
}

const monotonicClock: Clock = {
  now: () => performance.now(),
  after: (delayMs, callback) => {
    // A timer beyond what Node can count would fire at once.
    const timer = setTimeout(callback, Math.min(delayMs, 2 ** 31 - 1));
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Starts a server, with `hooks` in the process of a command. Fails, leaving nothing behind, when a listener cannot be opened, or when `signal` is aborted before it answers. */
export async function startServer(
  config: ServerConfig,
  serverLog: ServerLog,
  version: string,
  signal: AbortSignal,
  hooks: ServerHooks = {},
): Promise<RunningServer> {
  const { log } = serverLog;
  const { dialect } = config;
  for (const notice of config.notices) log.warn(notice);

  const gpuIds = await detectGpus(config.numberOfGpu);
  const workDir = await mkdtemp(join(tmpdir(), 'sconce-'));
  const registry = new Registry();
  if (config.metrics.listed !== undefined)
    for (const notice of serverMetricNotices(config.metrics.listed)) log.warn(notice);
  const metrics = new ServerMetrics({
    droppedLogLines: serverLog.droppedLines,
    settings: config.metrics,
    write: metricLines(config.metrics.mode, log),
    onTrouble: (message) => log.warn(message),
  });
  const orphanGuard = new OrphanGuard(workDir);
  const hasTrustedFolders = hooks.hasTrustedFolders ?? false;
  const cache = await openCacheFolder(config.cacheDir, workDir);
  if (cache.notice !== undefined) log.warn(cache.notice);
  const downloads = await openDownloads(config, log);
  const archives = new ArchiveStore({
    modelStore: config.modelStore,
    downloads,
    cacheDir: cache.path,
    cacheBytes: config.cacheBytes,
    hasTrustedFolders,
    onTrouble: (message) => log.warn(message),
  });
  const inference = new InferenceService(registry, monotonicClock);
  const health = new HealthService(registry, dialect.health);
  const management = new ManagementService({
    registry,
    archives,
    config,
    machine: { gpuCount: gpuIds.length, cpuCount: availableParallelism() },
    newProgress: (nameOf, url) => {
      const writeDown = loadLog(log, monotonicClock, () => ({ model: nameOf(), url }));
      return new LoadProgress(monotonicClock, (report) => {
        writeDown(report);
        hooks.onLoadPhase?.(nameOf(), report);
      });
    },
    prepareEnvironment: environmentMaker({
      config: { ...config, cacheDir: cache.path },
      log,
      clock: monotonicClock,
      orphanGuard,
    }),
    createVersion: versionFactory({
      config,
      serverLog,
      metrics,
      devices: new Devices(gpuIds),
      orphanGuard,
      version,
      hooks,
    }),
    onUnregistered: ({ spec, scheduler }) => metrics.unwatchQueue(spec.name, spec.version, scheduler),
    log: (level, message, details) => log[level]({ ...details }, message),
  });

  let isStopping = false;
  const context: ExchangeContext = {
    dialect,
    maxRequestBytes: config.maxRequestBytes,
    log,
    metrics,
    isStopping: () => isStopping,
  };
  const listeners = createListeners({
    config,
    context,
    management,
    inference,
    customized: new CustomizedDescribe(inference, (message, details) => log.warn(details, message)),
    health,
    metrics,
    openInference: new OpenInferenceService(registry),
    version,
  });
  const stop = async (graceMs = SHUTDOWN_GRACE_MS) => {
    isStopping = true;
    health.stopping();
    inference.close();
    for (const listener of listeners.all) listener.stopListening();
    await archives.keep();
    await management.close(graceMs);
    await downloads.close();
    await Promise.all(listeners.all.map((listener) => listener.close()));
    await rm(workDir, { recursive: true, force: true });
  };

  // Fetching, unpacking and installing are the steps of a start that can take long.
  signal.addEventListener('abort', () => void management.giveUpPending(), { once: true });
  try {
    await loadAtStart(config, archives, management, health, signal);
    const inferenceAddress = await listeners.inference.listen();
    const managementAddress =
      listeners.management === listeners.inference ? inferenceAddress : await listeners.management.listen();
    const addresses = {
      inference: inferenceAddress,
      management: managementAddress,
      metrics: await listeners.metrics?.listen(),
    };
    health.started();
    archives.sweep().catch((thrown: unknown) => log.warn(`leftovers in the cache: ${thrown}`));
    return { addresses, management, inference, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface VersionParts {
  readonly config: ServerConfig;
  readonly serverLog: ServerLog;
  readonly metrics: ServerMetrics;
  readonly devices: Devices;
  readonly orphanGuard: OrphanGuard;
  readonly version: string;
  readonly hooks: ServerHooks;
}

/** Makes what belongs to one version: its queue and its pool, bound to the devices and ids of the whole server. */
function versionFactory(parts: VersionParts) {
  const { config, serverLog, metrics, devices, orphanGuard, version: serverVersion, hooks } = parts;
  const log = workerLog(serverLog.log);
  let nextWorkerId = config.firstWorkerId;
  const settings = {
    python: config.python,
    decodeInput: config.decodeInputRequest,
    env: { ...workerEnv(process.env, config.isHiddenFromWorkers), ...hooks.workerEnv },
    ipex: config.ipex,
    sequenceHeaders: config.sequenceHeaders,
    envelope: config.serviceEnvelope,
    limitMaxImagePixels: config.limitMaxImagePixels,
    modelMetrics: config.metrics.listed?.model,
    workerDebugger: hooks.workerDebugger,
    maxResponseBytes: config.maxResponseBytes,
    serverVersion,
  };
  return (compiled: ModelSpec, progress: LoadProgress, releaseArchive: () => Promise<void>): ModelVersion => {
    const spec = hooks.adjustSpec?.(compiled) ?? compiled;
    const observer = metrics.observerFor(spec.name, spec.version);
    const scheduler = new Scheduler({
      model: spec.name,
      batchSize: spec.batchSize,
      maxBatchDelayMs: spec.maxBatchDelayMs,
      queue: queueFor(spec, monotonicClock),
      needsIdleWorker: spec.needsIdleWorker,
      clock: monotonicClock,
      observer: hooks.observer === undefined ? observer : bothObservers(observer, hooks.observer),
    });
    const onMetric = metrics.modelMetric.bind(metrics);
    const poolSize = (): number => pool.maxWorkers;
    const launcher = workerLauncher({
      spec,
      settings,
      clock: monotonicClock,
      log,
      orphanGuard,
      poolSize,
      onMetric,
      onHandlerTime: (handlerMs) => {
        metrics.handlerTook(spec.name, handlerMs);
        hooks.onHandlerTime?.(handlerMs);
      },
    });
    const nextId = () => String(nextWorkerId++);
    const pool: Pool = new Pool({
      spec,
      scheduler,
      launcher,
      devices,
      clock: monotonicClock,
      log,
      progress,
      nextWorkerId: nextId,
    });
    metrics.watchQueue(spec.name, spec.version, scheduler);
    return { spec, scheduler, pool, progress, releaseArchive };
  };
}

/**
 * Registers what load_models names. One that fails is left out: the server starts without it, and is not ready. Throws ConfigError for one that
 * another one of them has the name and version of.
 */
async function loadAtStart(
  config: ServerConfig,
  archives: ArchiveStore,
  management: ManagementService,
  health: HealthService,
  signal: AbortSignal,
): Promise<void> {
  const wanted =
    config.loadModels === 'all' ? (await archives.list()).map((url) => ({ name: undefined, url })) : config.loadModels;
  for (const { name, url } of wanted) {
    try {
      await management.register({ url, modelName: name, synchronous: false }, true);
    } catch (error) {
      signal.throwIfAborted();
      // As in TorchServe: which of the two is wanted is not for the server to guess.
      if (error instanceof ServingError && error.code === 'MODEL_ALREADY_REGISTERED') {
        throw new ConfigError(`load_models: ${url}: ${error.message}; name each version of a model once`);
      }
      health.missing(url, error instanceof Error ? error.message : String(error));
    }
  }
}
