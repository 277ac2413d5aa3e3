// From flags, environment and config.properties to a ServerConfig, once, at start: which file, which value wins, and whether the start
// is allowed. The keys themselves are described in server-settings.
import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { AllowedUrls } from '../core/allowed-urls.ts';
import { ConfigError, type GivenSetting, type SettingOrigin } from './config-error.ts';
import { DIALECTS, type Dialect, type DialectName } from './dialect.ts';
import { defaultBufferedBytes } from './machine-memory.ts';
import { decodeProperties, parseProperties, substituteEnvironment } from './properties.ts';
import type { ServerConfig } from './server-config.ts';
import { APPLIED_SETTINGS, type AppliedKey, isAppliedKey, type SettingValues } from './server-settings.ts';
import { gatherSettings, type PropertiesFile, type SettingFlag } from './setting-sources.ts';
import { checkStart } from './start-rules.ts';
import { UnusableValue } from './unusable-value.ts';
import { compilePatterns } from './url-patterns.ts';

/** The flags of `serve` that set something; undefined where a flag was not given. */
export interface ConfigFlags {
  readonly tsConfig?: string | undefined;
  readonly modelStore?: string | undefined;
  /** `[name=]url` each, or `all`. */
  readonly models?: readonly string[] | undefined;
  readonly python?: string | undefined;
  readonly apiDialect?: string | undefined;
  readonly enableModelApi?: boolean | undefined;
  readonly disableTokenAuth?: boolean | undefined;
  readonly insecure?: boolean | undefined;
}

/** What depends on the command that starts the server. */
interface CommandManner {
  /** The dialect, when nobody names one. */
  readonly dialect: DialectName;
  /** The flag that allows a management API which is open to the network. */
  readonly openingFlag: string;
  /** Whether switching tokens off by hand allows that, too: TorchServe's users write it for just this purpose. */
  readonly isOpenWithoutTokens: boolean;
}

const COMMANDS = {
  sconce: { dialect: 'documented', openingFlag: '--insecure', isOpenWithoutTokens: false },
  torchserve: { dialect: 'torchserve', openingFlag: '--disable-token-auth', isOpenWithoutTokens: true },
} as const satisfies Readonly<Record<string, CommandManner>>;

/** Where the server was started, and how. */
export interface ConfigInputs {
  readonly flags: ConfigFlags;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative paths start here. */
  readonly cwd: string;
  /** `sconce` when not given. */
  readonly command?: keyof typeof COMMANDS;
}

/**
 * Reads the settings of a server that is about to start.
 * @throws ConfigError when a setting cannot be used or the start is refused
 */
export async function loadConfig({ flags, env, cwd, command = 'sconce' }: ConfigInputs): Promise<ServerConfig> {
  const manner: CommandManner = COMMANDS[command];
  const source = findConfigFile(flags, env, cwd);
  const file = await readConfigFile(source, env);
  const { given, notices } = gatherSettings(file, settingFlags(flags), env);

  const settingIn = (key: AppliedKey, defaults: Dialect): GivenSetting =>
    given.get(key) ?? defaultSetting(key, APPLIED_SETTINGS[key].defaultText(defaults));
  const dialect =
    DIALECTS[parse('api_dialect', given.get('api_dialect') ?? defaultSetting('api_dialect', manner.dialect))];
  const settingOf = (key: AppliedKey): GivenSetting => settingIn(key, dialect);
  const value = <K extends AppliedKey>(key: K): SettingValues[K] => parse(key, settingOf(key));

  const inferenceAddress = value('inference_address');
  const managementAddress = value('management_address');
  const metricsAddress = value('metrics_address');
  const isWithMetricsApi = value('enable_metrics_api');
  const isWithoutTokens = value('disable_token_authorization');
  const isOpenByChoice = manner.isOpenWithoutTokens && given.has('disable_token_authorization') && isWithoutTokens;
  const insecure = flags.insecure ?? isOpenByChoice;
  const warnings = checkStart({
    inferenceAddress,
    managementAddress,
    metricsAddress: isWithMetricsApi ? metricsAddress : undefined,
    isTokenAuthorizationDisabled: isWithoutTokens,
    insecure,
    openingFlag: manner.openingFlag,
    given: settingOf,
  });
  const modelStore = await existingFolder(value('model_store'), settingOf('model_store'), cwd, 'archives');
  const loadModels = value('load_models');
  if (modelStore === undefined && (loadModels === 'all' || loadModels.length > 0)) {
    throw new ConfigError(
      'there is no model store to load from; set model_store or --model-store',
      settingOf('load_models'),
    );
  }
  // Only false passes.
  value('debug');
  const metricsPath = value('metrics_config');
  const metricsConfig =
    metricsPath === undefined
      ? undefined
      : await (await import('./metrics-config.ts')).readMetricsConfig(
          resolve(cwd, metricsPath),
          settingOf('metrics_config'),
        );
  const models = value('models');
  const urls = settingOf('allowed_urls');
  const patterns = urls.origin === 'default' ? undefined : await compilePatterns(value('allowed_urls'), urls);
  const openUrls =
    patterns === undefined && dialect.defaults.unlistedUrls === 'all'
      ? [
          'allowed_urls is not set: archives may come from any URL, from private networks and files of this machine, too',
        ]
      : [];

  return {
    configFile: file === undefined ? undefined : source.path,
    dialect,
    inferenceAddress,
    managementAddress,
    metricsAddress,
    modelStore,
    loadModels,
    cacheDir: resolve(cwd, value('cache_dir') ?? defaultCacheDir(env)),
    cacheBytes: value('cache_size'),
    allowedUrls: new AllowedUrls(patterns, dialect.defaults.unlistedUrls),
    downloadTimeoutSec: value('download_timeout'),
    maxDownloadBytes: value('max_download_size'),
    models: models.models,
    defaultWorkersPerModel: value('default_workers_per_model'),
    jobQueueSize: value('job_queue_size'),
    defaultResponseTimeoutSec: value('default_response_timeout'),
    defaultStartupTimeoutSec: value('default_startup_timeout'),
    unregisterModelTimeoutSec: value('unregister_model_timeout'),
    maxRequestBytes: value('max_request_size'),
    maxBufferedBytes: value('max_buffered_size') ?? defaultBufferedBytes(),
    maxResponseBytes: value('max_response_size'),
    decodeInputRequest: value('decode_input_request'),
    python: value('python'),
    installPyDepPerModel: value('install_py_dep_per_model'),
    pythonWheels: await existingFolder(value('python_wheels'), settingOf('python_wheels'), cwd, 'Python packages'),
    environmentTimeoutSec: value('environment_timeout'),
    numberOfGpu: value('number_of_gpu'),
    enableModelApi: value('enable_model_api'),
    defaultServiceHandler: value('default_service_handler'),
    serviceEnvelope: value('service_envelope'),
    limitMaxImagePixels: value('limit_max_image_pixels'),
    isHiddenFromWorkers: await hiddenNames(value('blacklist_env_vars'), settingOf('blacklist_env_vars')),
    ipex: { isEnabled: value('ipex_enable'), isEnabledOnGpu: value('ipex_gpu_enable') },
    sequenceHeaders: {
      id: value('ts_header_key_sequence_id'),
      start: value('ts_header_key_sequence_start'),
      end: value('ts_header_key_sequence_end'),
    },
    firstWorkerId: value('initial_worker_port'),
    enableMetricsApi: isWithMetricsApi,
    metrics: {
      mode: value('metrics_mode'),
      listed: metricsConfig?.listed,
      // Without a list there is nothing that a metric could be missing from.
      isAutoDetecting: value('model_metrics_auto_detect') ?? metricsConfig === undefined,
    },
    preStopDelaySec: value('preStopDelay'),
    shutdownTimeoutSec: value('shutdownTimeout'),
    clients: {
      headerTimeoutSec: value('client_header_timeout'),
      bodyTimeoutSec: value('client_body_timeout'),
      minBytesPerSec: value('client_min_rate'),
      keepAliveTimeoutSec: value('keep_alive_timeout'),
      maxConnections: value('max_connections'),
      maxIdleConnections: value('max_idle_connections'),
    },
    hasAccessLog: value('access_log'),
    insecure,
    origins: new Map(
      Object.keys(APPLIED_SETTINGS)
        .filter(isAppliedKey)
        .map((key): [AppliedKey, SettingOrigin] => [key, settingOf(key).origin]),
    ),
    notices: [...notices, ...models.notices, ...warnings, ...openUrls, ...(metricsConfig?.notices ?? [])],
  };
}

/** The file to read. Only one that somebody named must exist. */
interface ConfigFileSource {
  readonly path: string;
  readonly name: string;
  /** The variable or flag that named the file, undefined for the one that is merely looked for. */
  readonly namedBy: string | undefined;
}

function findConfigFile(flags: ConfigFlags, env: ConfigInputs['env'], cwd: string): ConfigFileSource {
  const fromEnvironment = env['TS_CONFIG_FILE'];
  if (fromEnvironment !== undefined && fromEnvironment !== '') {
    return { path: resolve(cwd, fromEnvironment), name: fromEnvironment, namedBy: 'TS_CONFIG_FILE' };
  }
  if (flags.tsConfig !== undefined) {
    return { path: resolve(cwd, flags.tsConfig), name: flags.tsConfig, namedBy: '--ts-config' };
  }
  return { path: resolve(cwd, 'config.properties'), name: 'config.properties', namedBy: undefined };
}

async function readConfigFile(source: ConfigFileSource, env: ConfigInputs['env']): Promise<PropertiesFile | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(source.path);
  } catch (error) {
    const isMissing = systemCode(error) === 'ENOENT';
    if (isMissing && source.namedBy === undefined) return undefined;
    const setting = source.namedBy === undefined ? source.name : `${source.namedBy} ${source.name}`;
    const problem = isMissing
      ? 'there is no such file'
      : `the file cannot be read (${systemCode(error) ?? 'unknown error'})`;
    throw new ConfigError(`${setting}: ${problem}; correct the path or its permissions`, undefined, error);
  }
  const pairs = parseProperties(decodeProperties(bytes), source.name);
  return { name: source.name, pairs: substituteEnvironment(pairs, env, source.name) };
}

function settingFlags(flags: ConfigFlags): SettingFlag[] {
  const models = flags.models === undefined || flags.models.length === 0 ? undefined : flags.models.join(',');
  const candidates = [
    { key: 'model_store', flag: '--model-store', value: flags.modelStore },
    { key: 'load_models', flag: '--models', value: models },
    { key: 'python', flag: '--python', value: flags.python },
    { key: 'api_dialect', flag: '--api-dialect', value: flags.apiDialect },
    { key: 'enable_model_api', flag: '--enable-model-api', value: switchText(flags.enableModelApi) },
    { key: 'disable_token_authorization', flag: '--disable-token-auth', value: switchText(flags.disableTokenAuth) },
  ];
  return candidates.flatMap(({ key, flag, value }) => (value === undefined ? [] : [{ key, flag, value }]));
}

/** A switch can only be thrown; leaving it out says nothing. */
function switchText(isThrown: boolean | undefined): string | undefined {
  return isThrown === true ? 'true' : undefined;
}

function defaultSetting(key: string, value: string): GivenSetting {
  return { key, value, origin: 'default', where: 'default' };
}

function parse<K extends AppliedKey>(key: K, setting: GivenSetting): SettingValues[K] {
  try {
    return APPLIED_SETTINGS[key].parse(setting.value);
  } catch (error) {
    if (error instanceof UnusableValue) throw new ConfigError(error.message, setting, error);
    throw error;
  }
}

/** Which variables are hidden from workers: those whose whole name fits. */
async function hiddenNames(expression: string | undefined, setting: GivenSetting): Promise<(name: string) => boolean> {
  if (expression === undefined) return () => false;
  const { compileExpression } = await import('./expression.ts');
  return compileExpression(expression, setting, { isCaseSensitive: true });
}

/** Where the user's caches are; a relative XDG_CACHE_HOME does not count. */
function defaultCacheDir(env: ConfigInputs['env']): string {
  const caches = env['XDG_CACHE_HOME'] ?? '';
  return isAbsolute(caches) ? join(caches, 'sconce') : join(env['HOME'] ?? homedir(), '.cache', 'sconce');
}

async function existingFolder(
  path: string | undefined,
  setting: GivenSetting,
  cwd: string,
  content: string,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const folder = resolve(cwd, path);
  try {
    if ((await stat(folder)).isDirectory()) return folder;
  } catch (error) {
    const problem = systemCode(error) === 'ENOENT' ? 'there is no such folder' : 'the folder cannot be reached';
    throw new ConfigError(`${problem}; create it, or name the folder that holds your ${content}`, setting, error);
  }
  throw new ConfigError(`this is not a folder; name the folder that holds your ${content}`, setting);
}

function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
