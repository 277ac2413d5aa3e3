// From what everybody said about a model to the one ModelSpec that the rest of the server trusts: names, runtime, devices, and the
// settings that setting-precedence chose. It opens no archive and registers nothing.
import { ServingError } from '../core/errors.ts';
import { isModelName, isModelVersion, MODEL_NAME_RULE, MODEL_VERSION_RULE } from '../core/model-name.ts';
import type { DeviceType, ModelSpec, RuntimeName } from '../core/model-spec.ts';
import type { Dialect } from './dialect.ts';
import { type ModelConfig, NO_MODEL_CONFIG, parseModelConfig } from './model-config.ts';
import type { ConfiguredModel } from './models-setting.ts';
import type { RegisterParameters } from './register-parameters.ts';
import { findRuntime, RUNTIME_WORDS } from './runtime-name.ts';
import type { ServerConfig } from './server-config.ts';
import { servingMode } from './serving-mode.ts';
import { archiveFirst, type RuntimeChoice, requestFirst } from './setting-precedence.ts';
import { workerLifetime } from './worker-lifetime.ts';

/** The fields of MANIFEST.json that matter here; undefined where the manifest says nothing. */
export interface ManifestFields {
  readonly modelName: string | undefined;
  readonly modelVersion: string | undefined;
  readonly handler: string | undefined;
  readonly runtime: string | undefined;
  readonly serializedFile: string | undefined;
  readonly requirementsFile: string | undefined;
}

/** The settings of the server that a model can inherit. */
export type ServerDefaults = Pick<
  ServerConfig,
  | 'models'
  | 'defaultWorkersPerModel'
  | 'jobQueueSize'
  | 'defaultResponseTimeoutSec'
  | 'defaultStartupTimeoutSec'
  | 'installPyDepPerModel'
  | 'defaultServiceHandler'
  | 'sequenceHeaders'
>;

/** Everything that was said about one version. */
export interface ModelSpecInputs {
  readonly manifest: ManifestFields;
  /** The text of `model-config.yaml`, undefined when the archive has none. */
  readonly configText: string | undefined;
  readonly request: RegisterParameters;
  readonly server: ServerDefaults;
  readonly dialect: Dialect;
  /** What the machine has: GPUs that may be used, and CPUs. */
  readonly machine: { readonly gpuCount: number; readonly cpuCount: number };
  /** The unpacked archive: an absolute path. */
  readonly modelDir: string;
  readonly url: string;
  readonly loadedAtStartup: boolean;
}

/** A spec, and one line each about what was said to no effect. */
export interface CompiledModelSpec {
  readonly spec: ModelSpec;
  readonly notices: readonly string[];
}

const DEFAULT_VERSION = '1.0';
const DEFAULT_MAX_RETRY_TIMEOUT_SEC = 300;

/**
 * Resolves every setting of a version that is about to be registered.
 * @throws ServingError MANIFEST_INVALID when the archive is at fault; INVALID_RUNTIME or INVALID_PARAMETER when the request is
 */
export async function compileModelSpec(inputs: ModelSpecInputs): Promise<CompiledModelSpec> {
  const { manifest, request, server, dialect, machine } = inputs;
  const isStrict = dialect.parameters.policy === 'strict';
  const name = modelName(inputs);
  const version = modelVersion(manifest, name);
  const { config, record, notices } =
    inputs.configText === undefined
      ? NO_MODEL_CONFIG
      : await parseModelConfig(inputs.configText, isStrict ? 'refuse' : 'ignore');
  const operator = server.models.get(name);

  const choose = dialect.precedence === 'request-first' ? requestFirst : archiveFirst;
  const chosen = choose({
    request,
    archive: config,
    manifestRuntime: manifest.runtime,
    operator: operator?.get(version) ?? NOTHING_CONFIGURED,
    defaults: {
      responseTimeoutSec: server.defaultResponseTimeoutSec,
      startupTimeoutSec: server.defaultStartupTimeoutSec,
      workers: defaultWorkers(inputs),
    },
    loadedAtStartup: inputs.loadedAtStartup,
  });
  const devices = resolveDevices(config, machine.gpuCount, isStrict);
  const runtime = isNetworkAlone(inputs) ? 'onnx' : resolveRuntime(chosen.runtime, dialect);
  const packages = resolvePackages(inputs, config, runtime);
  const mode = servingMode(config.serving, { runtime, headers: server.sequenceHeaders, isStrict });
  const spec: ModelSpec = {
    name,
    version,
    url: inputs.url,
    runtime,
    handler: request.handler ?? manifest.handler ?? (runtime === 'python' ? server.defaultServiceHandler : undefined),
    modelDir: inputs.modelDir,
    modelFile: manifest.serializedFile,
    modelConfig: record,
    requirementsFile: packages.requirementsFile,
    useVenv: packages.useVenv,
    environment: undefined,
    batchSize: chosen.batchSize,
    maxBatchDelayMs: chosen.maxBatchDelayMs,
    batching: chosen.batching,
    responseTimeoutSec: chosen.responseTimeoutSec,
    startupTimeoutSec: chosen.startupTimeoutSec,
    queueSize: config.jobQueueSize || server.jobQueueSize,
    maxRetryTimeoutSec: config.maxRetryTimeoutSec ?? DEFAULT_MAX_RETRY_TIMEOUT_SEC,
    clientTimeoutMs: config.clientTimeoutMs ?? 0,
    deviceType: devices.deviceType,
    deviceIds: devices.deviceIds,
    initialMinWorkers: chosen.minWorkers,
    initialMaxWorkers: chosen.maxWorkers,
    ...workerLifetime(config.lifetime, { maxSurge: chosen.maxSurge, deviceType: devices.deviceType }),
    loadedAtStartup: inputs.loadedAtStartup,
    sequences: mode.sequences,
    isContinuous: mode.isContinuous,
    needsIdleWorker: mode.needsIdleWorker,
    retriesOnWorkerDeath: config.retryOnWorkerDeath === true && mode.sequences === undefined,
    warmup: config.warmup,
  };
  return {
    spec,
    notices: [
      ...notices,
      ...devices.notices,
      ...packages.notices,
      ...mode.notices,
      ...missedRetry(config, mode),
      ...missedEntry(operator, name, version),
    ],
  };
}

const NOTHING_CONFIGURED: ConfiguredModel = {
  minWorkers: undefined,
  maxWorkers: undefined,
  batchSize: undefined,
  maxBatchDelayMs: undefined,
  responseTimeoutSec: undefined,
  startupTimeoutSec: undefined,
  runtime: undefined,
};

/** The request's name, else the manifest's, else (for a model loaded at start only) one made from the archive's file name. */
function modelName({ manifest, request, url, loadedAtStartup }: ModelSpecInputs): string {
  if (request.modelName !== undefined && request.modelName !== '') {
    if (isModelName(request.modelName)) return request.modelName;
    throw new ServingError('INVALID_PARAMETER', `model_name: ${NAME_RULE}`, {
      parameter: 'model_name',
      value: request.modelName,
    });
  }
  const name = manifest.modelName || (loadedAtStartup ? nameFromUrl(url) : '');
  if (name === '') {
    const message = `Model name is not defined. ${NAMELESS}`;
    throw new ServingError('MANIFEST_INVALID', message, { url, parameter: 'model_name', hint: NAMELESS });
  }
  if (isModelName(name)) return name;
  throw new ServingError('MANIFEST_INVALID', `MANIFEST.json: model.modelName: ${NAME_RULE}`, { url, value: name });
}

const NAMELESS = 'The archive has no MANIFEST.json that names the model: register it with model_name=….';

const NAME_RULE = `expected ${MODEL_NAME_RULE}; register the model with such a model_name`;

/** TorchServe's rule: without the ending of a .mar or .model file, and "_" for what is no letter, digit or "_". */
function nameFromUrl(url: string): string {
  const file = url
    .replace(/[?#].*$/, '')
    .replace(/\/+$/, '')
    .replace(/^.*\//, '');
  const stem = file.includes('.mar') || file.includes('.model') ? file.slice(0, file.lastIndexOf('.')) : file;
  return stem.replace(/\W/g, '_');
}

function modelVersion(manifest: ManifestFields, model: string): string {
  const version = manifest.modelVersion ?? DEFAULT_VERSION;
  // In the management API `all` asks for every version.
  if (isModelVersion(version) && version !== 'all') return version;
  throw new ServingError(
    'MANIFEST_INVALID',
    `MANIFEST.json: model.modelVersion: expected ${MODEL_VERSION_RULE}, and not "all"; pack the archive again with such a version`,
    { model, value: version },
  );
}

/** An ONNX file without a handler needs no Python, whatever the archiver wrote as its runtime; only the request may ask otherwise. */
function isNetworkAlone({ manifest, request }: ModelSpecInputs): boolean {
  const isNetwork = manifest.serializedFile?.endsWith('.onnx') === true;
  return isNetwork && manifest.handler === undefined && request.handler === undefined && request.runtime === undefined;
}

function resolveRuntime(choice: RuntimeChoice, dialect: Dialect): RuntimeName {
  if (choice === undefined) return 'python';
  const { word, by } = choice;
  const runtime = findRuntime(word, dialect.isRuntimeCaseSensitive);
  if (runtime !== undefined) return runtime;
  const details = { parameter: 'runtime', value: word };
  if (by === 'manifest') {
    throw new ServingError(
      'MANIFEST_INVALID',
      `Runtime is not defined or invalid: MANIFEST.json names ${JSON.stringify(word)}; this server has ${RUNTIME_WORDS}.`,
      details,
    );
  }
  throw new ServingError(
    'INVALID_RUNTIME',
    `Invalid RuntimeType value: ${word}. This server has ${RUNTIME_WORDS}.`,
    details,
  );
}

/** A registration that asks for no workers gets what is configured, literally; a model loaded at start gets at least one. */
function defaultWorkers({ server, machine, loadedAtStartup }: ModelSpecInputs): number {
  if (server.defaultWorkersPerModel > 0 || !loadedAtStartup) return server.defaultWorkersPerModel;
  return machine.gpuCount > 0 ? machine.gpuCount : machine.cpuCount;
}

interface Packages {
  readonly requirementsFile: string | undefined;
  readonly useVenv: boolean;
  readonly notices: readonly string[];
}

/** Only Python has packages of its own; and who runs the server decides whether models may install any. */
function resolvePackages({ manifest, server }: ModelSpecInputs, config: ModelConfig, runtime: RuntimeName): Packages {
  if (runtime !== 'python') return { requirementsFile: undefined, useVenv: false, notices: [] };
  const { requirementsFile } = manifest;
  const useVenv = config.useVenv ?? false;
  if (requirementsFile === undefined || server.installPyDepPerModel) return { requirementsFile, useVenv, notices: [] };
  const notice = `MANIFEST.json: the packages of ${requirementsFile} are not installed; set install_py_dep_per_model=true for that`;
  return { requirementsFile: undefined, useVenv, notices: [notice] };
}

interface Devices {
  readonly deviceType: DeviceType;
  readonly deviceIds: readonly number[] | undefined;
  readonly notices: readonly string[];
}

/** An archive that asks for a GPU is served on the CPU of a machine that has none. */
function resolveDevices({ deviceType, deviceIds }: ModelConfig, gpuCount: number, isStrict: boolean): Devices {
  if (gpuCount === 0 || deviceType === 'cpu') {
    const isMissed = deviceType === 'gpu' || (deviceType === undefined && deviceIds !== undefined);
    const notices = isMissed
      ? ['model-config.yaml: the model asks for a GPU; none is there, so it runs on the CPU']
      : [];
    return { deviceType: 'cpu', deviceIds: undefined, notices };
  }
  const absent = deviceIds?.find((id) => id >= gpuCount);
  if (absent === undefined) return { deviceType: 'gpu', deviceIds, notices: [] };
  const message = `model-config.yaml: deviceIds: there is no device ${absent}; this machine offers 0 to ${gpuCount - 1}`;
  if (isStrict) throw new ServingError('MANIFEST_INVALID', message, { parameter: 'deviceIds', value: `${absent}` });
  return { deviceType: 'gpu', deviceIds: undefined, notices: [`${message}; the list is ignored`] };
}

/** A second worker has nothing of the state that the first one had when it died. */
function missedRetry(
  { retryOnWorkerDeath }: ModelConfig,
  { sequences }: Pick<ModelSpec, 'sequences'>,
): readonly string[] {
  if (retryOnWorkerDeath !== true || sequences === undefined) return [];
  return [
    'model-config.yaml: "retryOnWorkerDeath" has no effect with sequenceBatching: what a sequence has come to ends with its worker',
  ];
}

/** An entry for another version is the usual reason why `models` seems to do nothing. */
function missedEntry(
  versions: ReadonlyMap<string, ConfiguredModel> | undefined,
  name: string,
  version: string,
): readonly string[] {
  if (versions === undefined || versions.size === 0 || versions.has(version)) return [];
  return [`models: "${name}" has settings for version ${[...versions.keys()].join(', ')}, but none for ${version}`];
}
