// Puts the server together, starts it, and stops it again: the stop is the start in reverse, one step a line.
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArchiveStore } from './archive/archive-store.ts';
import { isSameAddress } from './config/listen-address.ts';
import type { ServerConfig } from './config/server-config.ts';
import type { ModelSpec } from './core/model-spec.ts';
import type { ModelVersion } from './core/model-version.ts';
import type { Clock } from './core/ports.ts';
import { Registry } from './core/registry.ts';
import { Scheduler } from './core/scheduler.ts';
import { describedOperations } from './http/description-routes.ts';
import type { ExchangeContext } from './http/exchange.ts';
import { pingOperation, probeOperations } from './http/health-routes.ts';
import { HttpServer } from './http/http-server.ts';
import { inferenceOperations } from './http/inference-routes.ts';
import { managementOperations } from './http/management-routes.ts';
import { metricsOperation } from './http/metrics-routes.ts';
import { openInferenceOperations } from './http/open-inference-routes.ts';
import type { Operation } from './http/operation.ts';
import { HealthService } from './services/health-service.ts';
import { InferenceService } from './services/inference-service.ts';
import { ManagementService } from './services/management-service.ts';
import { OpenInferenceService } from './services/open-inference-service.ts';
import { type ServerLog, workerLog } from './telemetry/logger.ts';
import { ServerMetrics } from './telemetry/server-metrics.ts';
import { Devices, detectGpus } from './workers/devices.ts';
import { OrphanGuard } from './workers/orphan-guard.ts';
import { workerLauncher } from './workers/worker-launcher.ts';
import { Pool } from './workers/worker-pool.ts';

/** How long queued and running requests have when the server stops. */
const SHUTDOWN_GRACE_MS = 30_000;
/** Worker ids count up from here, as TorchServe's do. */
const FIRST_WORKER_ID = 9000;

/** A server that answers. */
export interface RunningServer {
  /** Where each API listens; inference and management may be the same. */
  readonly addresses: { readonly inference: string; readonly management: string; readonly metrics: string };
  /** Drains and ends everything that was started; resolves when all of it is over. */
  stop(): Promise<void>;
}

const monotonicClock: Clock = {
  now: () => performance.now(),
  after: (delayMs, callback) => {
    // A timer beyond what Node can count would fire at once.
    const timer = setTimeout(callback, Math.min(delayMs, 2 ** 31 - 1));
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Starts a server. Fails, leaving nothing behind, when a listener cannot be opened, or when `signal` is aborted before it answers. */
export async function startServer(
  config: ServerConfig,
  serverLog: ServerLog,
  version: string,
  signal: AbortSignal,
): Promise<RunningServer> {
  const { log } = serverLog;
  const { dialect } = config;
  for (const notice of config.notices) log.warn(notice);

  const gpuIds = await detectGpus(config.numberOfGpu);
  const workDir = await mkdtemp(join(tmpdir(), 'sconce-'));
  const registry = new Registry();
  const metrics = new ServerMetrics(serverLog.droppedLines);
  const archives = new ArchiveStore({ modelStore: config.modelStore, workDir });
  const inference = new InferenceService(registry, monotonicClock);
  const health = new HealthService(registry, dialect.health);
  const management = new ManagementService({
    registry,
    archives,
    config,
    machine: { gpuCount: gpuIds.length, cpuCount: availableParallelism() },
    createVersion: versionFactory({ config, serverLog, metrics, devices: new Devices(gpuIds), workDir, version }),
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
    health,
    metrics,
    openInference: new OpenInferenceService(registry),
    version,
  });
  const stop = async () => {
    isStopping = true;
    health.stopping();
    inference.close();
    for (const listener of listeners.all) listener.stopListening();
    await management.close(SHUTDOWN_GRACE_MS);
    await Promise.all(listeners.all.map((listener) => listener.close()));
    await rm(workDir, { recursive: true, force: true });
  };

  // Unpacking is the one step of a start that can take long.
  signal.addEventListener('abort', () => void archives.close(), { once: true });
  try {
    await loadAtStart(config, archives, management, health, signal);
    const inferenceAddress = await listeners.inference.listen();
    const managementAddress =
      listeners.management === listeners.inference ? inferenceAddress : await listeners.management.listen();
    const addresses = {
      inference: inferenceAddress,
      management: managementAddress,
      metrics: await listeners.metrics.listen(),
    };
    health.started();
    return { addresses, stop };
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
  readonly workDir: string;
  readonly version: string;
}

/** Makes what belongs to one version: its queue and its pool, bound to the devices and ids of the whole server. */
function versionFactory(parts: VersionParts) {
  const { config, serverLog, metrics, devices, workDir, version: serverVersion } = parts;
  const log = workerLog(serverLog.log);
  const orphanGuard = new OrphanGuard(workDir);
  let nextWorkerId = FIRST_WORKER_ID;
  const settings = {
    python: config.python,
    decodeInput: config.decodeInputRequest,
    env: process.env,
    maxResponseBytes: config.maxResponseBytes,
    serverVersion,
  };
  return (spec: ModelSpec, releaseArchive: () => Promise<void>): ModelVersion => {
    const scheduler = new Scheduler({
      model: spec.name,
      batchSize: spec.batchSize,
      maxBatchDelayMs: spec.maxBatchDelayMs,
      queueSize: spec.queueSize,
      clock: monotonicClock,
      observer: metrics.observerFor(spec.name, spec.version),
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
      onHandlerTime: (handlerMs) => metrics.handlerTook(spec.name, handlerMs),
    });
    const nextId = () => String(nextWorkerId++);
    const pool: Pool = new Pool({
      spec,
      scheduler,
      launcher,
      devices,
      clock: monotonicClock,
      log,
      nextWorkerId: nextId,
    });
    metrics.watchQueue(spec.name, spec.version, scheduler);
    return { spec, scheduler, pool, releaseArchive };
  };
}

interface ListenerParts {
  readonly config: ServerConfig;
  readonly context: ExchangeContext;
  readonly management: ManagementService;
  readonly inference: InferenceService;
  readonly health: HealthService;
  readonly metrics: ServerMetrics;
  readonly openInference: OpenInferenceService;
  readonly version: string;
}

function createListeners(parts: ListenerParts) {
  const { config, context, health, metrics } = parts;
  const isCombined = isSameAddress(config.inferenceAddress, config.managementAddress);
  const describe = (description: string, operations: readonly Operation[]) =>
    describedOperations(operations, {
      serverVersion: parts.version,
      description,
      checkModel: (name, label) => parts.inference.check(name, label),
    });
  const openInference = openInferenceOperations({
    inference: parts.inference,
    models: parts.openInference,
    health,
    dialect: config.dialect,
    serverVersion: parts.version,
  });
  const inferenceOnes = [
    ...openInference,
    pingOperation(health),
    ...inferenceOperations({ inference: parts.inference, dialect: config.dialect, isCombined }),
  ];
  const managementOnes = managementOperations({
    management: parts.management,
    dialect: config.dialect,
    isModelApiEnabled: config.enableModelApi,
  });
  const probes = probeOperations(health);
  const inference = new HttpServer({
    address: config.inferenceAddress,
    context,
    isManagement: isCombined,
    operations: isCombined
      ? describe('Inference and Management API', [...inferenceOnes, ...managementOnes, ...probes])
      : describe('Inference API', [...inferenceOnes, ...probes]),
  });
  const management = isCombined
    ? inference
    : new HttpServer({
        address: config.managementAddress,
        context,
        isManagement: true,
        operations: describe('Management API', [...managementOnes, ...probes]),
      });
  const metricsListener = new HttpServer({
    address: config.metricsAddress,
    context,
    isManagement: false,
    operations: describe('Metrics API', [metricsOperation(metrics)]),
  });
  return {
    inference,
    management,
    metrics: metricsListener,
    all: [...new Set([inference, management, metricsListener])],
  };
}

/** Registers what load_models names. One that fails is left out: the server starts without it, and is not ready. */
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
      health.missing(url, error instanceof Error ? error.message : String(error));
    }
  }
}
