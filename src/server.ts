// Puts the server together, starts it, and stops it again: the stop is the start in reverse, one step a line.
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArchiveStore } from './archive/archive-store.ts';
import { openCacheFolder } from './archive/cache-folder.ts';
import type { ServerConfig } from './config/server-config.ts';
import { ByteBudget } from './core/byte-budget.ts';
import { LoadProgress } from './core/load-progress.ts';
import type { ModelSpec } from './core/model-spec.ts';
import type { ModelVersion } from './core/model-version.ts';
import type { Clock } from './core/ports.ts';
import { queueFor } from './core/queue-for.ts';
import { Registry } from './core/registry.ts';
import { Scheduler } from './core/scheduler.ts';
import { openDownloads } from './download-maker.ts';
import { environmentMaker } from './environment-maker.ts';
import { BodyFiles } from './http/body-files.ts';
import { ClientPace } from './http/client-pace.ts';
import type { ExchangeContext } from './http/exchange-context.ts';
import { openFileLimit } from './http/open-files.ts';
import { createListeners } from './listeners.ts';
import { loadAtStart } from './load-at-start.ts';
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
  /** Requests that have come and whose answers have not ended. */
  requestsUnderWay(): number;
  /**
   * Drains and ends everything that was started; resolves when all of it is over. What was accepted has `graceMs`; without that, it has
   * shutdownTimeout, and the server serves on for preStopDelay before, while it says that it is not ready.
   */
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

/** Resolves at a moment of the clock. */
function until(at: number): Promise<void> {
  return new Promise((resolve) => {
    monotonicClock.after(Math.max(0, at - monotonicClock.now()), resolve);
  });
}

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
  const budget = new ByteBudget(config.maxBufferedBytes);
  const bodyFiles = new BodyFiles(join(workDir, 'bodies'));
  const metrics = new ServerMetrics({
    droppedLogLines: serverLog.droppedLines,
    bodyBytes: { inMemory: () => budget.usedBytes, inFiles: () => bodyFiles.bytes },
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

  const { clients } = config;
  const pace = new ClientPace(
    { bodyTimeoutMs: clients.bodyTimeoutSec * 1000, minBytesPerSec: clients.minBytesPerSec },
    monotonicClock,
  );
  let isStopping = false;
  const context: ExchangeContext = {
    dialect,
    maxRequestBytes: config.maxRequestBytes,
    bodies: { limitBytes: config.maxRequestBytes, budget, files: bodyFiles },
    log,
    metrics,
    pace,
    access: config.hasAccessLog ? serverLog.access : undefined,
    isStopping: () => isStopping,
  };
  const listeners = createListeners({
    config,
    openFileLimit: await openFileLimit(),
    context,
    management,
    inference,
    customized: new CustomizedDescribe(inference, (message, details) => log.warn(details, message)),
    health,
    metrics,
    openInference: new OpenInferenceService(registry),
    version,
  });
  const requestsUnderWay = () => listeners.all.reduce((sum, listener) => sum + listener.requestsUnderWay, 0);
  const tellGivenUp = () => {
    const requests = requestsUnderWay();
    if (requests > 0) log.warn({ requests }, 'the time to finish is over (shutdownTimeout): what is left is given up');
  };
  const stop = async (graceMs?: number) => {
    isStopping = true;
    health.stopping();
    if (graceMs === undefined) await until(monotonicClock.now() + config.preStopDelaySec * 1000);
    const deadlineAt = monotonicClock.now() + (graceMs ?? config.shutdownTimeoutSec * 1000);
    const remainingMs = () => Math.max(0, deadlineAt - monotonicClock.now());
    await Promise.all(listeners.all.map((listener) => listener.stopListening()));
    // A request whose body was on its way has been accepted, too.
    await pace.untilReceived(remainingMs());
    inference.close();
    await archives.keep();
    const deadline = monotonicClock.after(remainingMs(), tellGivenUp);
    await management.close(remainingMs());
    deadline.cancel();
    await downloads.close();
    await Promise.all(listeners.all.map((listener) => listener.close()));
    await bodyFiles.close();
    await rm(workDir, { recursive: true, force: true });
  };

  // Fetching, unpacking and installing are the steps of a start that can take long.
  const giveUpPending = () => void management.giveUpPending();
  signal.addEventListener('abort', giveUpPending, { once: true });
  try {
    await loadAtStart(config, archives, management, health, signal);
    // From here on the workers need their archives until the stop is through with them.
    signal.removeEventListener('abort', giveUpPending);
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
    return { addresses, management, inference, requestsUnderWay, stop };
  } catch (error) {
    await stop(config.shutdownTimeoutSec * 1000);
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
      batching: spec.batching,
      queue: queueFor(spec, monotonicClock),
      needsIdleWorker: spec.needsIdleWorker,
      retriesOnWorkerDeath: spec.retriesOnWorkerDeath,
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
      onHandlerTime: (handlerMs, jobs) => {
        // Where jobs join, the handler's calls are no batches.
        if (!spec.isContinuous) scheduler.computed(jobs, handlerMs);
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
