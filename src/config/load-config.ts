// From flags, environment and config.properties to a ServerConfig, once, at start: which file, which value wins, and whether the start
// is allowed. The keys themselves are described in server-settings.
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ConfigError, type GivenSetting, type SettingOrigin } from './config-error.ts';
import { DIALECTS, type Dialect } from './dialect.ts';
import { decodeProperties, parseProperties, substituteEnvironment } from './properties.ts';
import type { ServerConfig } from './server-config.ts';
import { APPLIED_SETTINGS, type AppliedKey, isAppliedKey, type SettingValues } from './server-settings.ts';
import { gatherSettings, type PropertiesFile, type SettingFlag } from './setting-sources.ts';
import { checkStart } from './start-rules.ts';
import { UnusableValue } from './unusable-value.ts';

/** The flags of `serve` that set something; undefined where a flag was not given. */
export interface ConfigFlags {
  readonly tsConfig?: string | undefined;
  readonly modelStore?: string | undefined;
  /** `[name=]url` each, or `all`. */
  readonly models?: readonly string[] | undefined;
  readonly python?: string | undefined;
  readonly apiDialect?: string | undefined;
  readonly insecure?: boolean | undefined;
}

/** Where the server was started, and how. */
export interface ConfigInputs {
  readonly flags: ConfigFlags;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative paths start here. */
  readonly cwd: string;
}

/**
 * Reads the settings of a server that is about to start.
 * @throws ConfigError when a setting cannot be used or the start is refused
 */
export async function loadConfig({ flags, env, cwd }: ConfigInputs): Promise<ServerConfig> {
  const source = findConfigFile(flags, env, cwd);
  const file = await readConfigFile(source, env);
  const { given, notices } = gatherSettings(file, settingFlags(flags), env);

  const settingIn = (key: AppliedKey, defaults: Dialect): GivenSetting =>
    given.get(key) ?? defaultSetting(key, APPLIED_SETTINGS[key].defaultText(defaults));
  const dialect = DIALECTS[parse('api_dialect', settingIn('api_dialect', DIALECTS.documented))];
  const settingOf = (key: AppliedKey): GivenSetting => settingIn(key, dialect);
  const value = <K extends AppliedKey>(key: K): SettingValues[K] => parse(key, settingOf(key));

  const inferenceAddress = value('inference_address');
  const managementAddress = value('management_address');
  const metricsAddress = value('metrics_address');
  const insecure = flags.insecure ?? false;
  const warnings = checkStart({
    inferenceAddress,
    managementAddress,
    metricsAddress,
    isTokenAuthorizationDisabled: value('disable_token_authorization'),
    insecure,
    given: settingOf,
  });
  const modelStore = await existingFolder(value('model_store'), settingOf('model_store'), cwd);
  const loadModels = value('load_models');
  if (modelStore === undefined && (loadModels === 'all' || loadModels.length > 0)) {
    throw new ConfigError(
      'there is no model store to load from; set model_store or --model-store',
      settingOf('load_models'),
    );
  }
  const models = value('models');

  return {
    configFile: file === undefined ? undefined : source.path,
    dialect,
    inferenceAddress,
    managementAddress,
    metricsAddress,
    modelStore,
    loadModels,
    models: models.models,
    defaultWorkersPerModel: value('default_workers_per_model'),
    jobQueueSize: value('job_queue_size'),
    defaultResponseTimeoutSec: value('default_response_timeout'),
    defaultStartupTimeoutSec: value('default_startup_timeout'),
    unregisterModelTimeoutSec: value('unregister_model_timeout'),
    maxRequestBytes: value('max_request_size'),
    maxResponseBytes: value('max_response_size'),
    decodeInputRequest: value('decode_input_request'),
    python: value('python'),
    numberOfGpu: value('number_of_gpu'),
    enableModelApi: value('enable_model_api'),
    insecure,
    origins: new Map(
      Object.keys(APPLIED_SETTINGS)
        .filter(isAppliedKey)
        .map((key): [AppliedKey, SettingOrigin] => [key, settingOf(key).origin]),
    ),
    notices: [...notices, ...models.notices, ...warnings],
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
  ];
  return candidates.flatMap(({ key, flag, value }) => (value === undefined ? [] : [{ key, flag, value }]));
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

async function existingFolder(
  path: string | undefined,
  setting: GivenSetting,
  cwd: string,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const folder = resolve(cwd, path);
  try {
    if ((await stat(folder)).isDirectory()) return folder;
  } catch (error) {
    const problem = systemCode(error) === 'ENOENT' ? 'there is no such folder' : 'the folder cannot be reached';
    throw new ConfigError(`${problem}; create it, or name the folder that holds your archives`, setting, error);
  }
  throw new ConfigError('this is not a folder; name the folder that holds your archives', setting);
}

function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
