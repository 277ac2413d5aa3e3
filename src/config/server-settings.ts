// The one table of every key that config.properties may hold: which are applied, under which environment variable, with which default
// and how they are read. docs/reference/settings.md is tested against it; load-config reads files by it.
import type { MetricsMode } from '../core/listed-metrics.ts';
import { SEQUENCE_HEADERS } from '../core/sequence-headers.ts';
import { DIALECTS, type Dialect, type DialectName } from './dialect.ts';
import type { ListenAddress } from './listen-address.ts';
import { type LoadModels, parseLoadModels } from './load-models-setting.ts';
import { type ModelsSetting, parseModelsSetting } from './models-setting.ts';
import { REPLACED_SETTINGS } from './replaced-settings.ts';
import {
  address,
  MAX_TIMER_SEC,
  oneOf,
  optional,
  parseBoolean,
  parseHeaderName,
  parseText,
  type SettingParser,
  wholeNumber,
} from './setting-parsers.ts';
import { UnusableValue } from './unusable-value.ts';
import { parsePatternList } from './url-patterns.ts';

/** Whether this release acts on a key, has something else in its place, or will act on it: only told at start. */
export type SettingStatus = 'applied' | 'replaced' | 'later';

/** One known key. */
export interface KnownSetting {
  readonly status: SettingStatus;
  /** The variable that counts with `enable_envvars_config=true`, undefined when the environment cannot set the key. */
  readonly env: string | undefined;
  /** The default as somebody would write it, empty for none. */
  readonly defaultText: (dialect: Dialect) => string;
}

/** A key that this release acts on. */
export interface AppliedSetting<T> extends KnownSetting {
  readonly status: 'applied';
  readonly parse: SettingParser<T>;
}

/** The applied keys with the type of their values. */
export interface SettingValues {
  readonly api_dialect: DialectName;
  readonly enable_envvars_config: boolean;
  readonly inference_address: ListenAddress;
  readonly management_address: ListenAddress;
  readonly metrics_address: ListenAddress;
  readonly model_store: string | undefined;
  readonly load_models: LoadModels;
  readonly cache_dir: string | undefined;
  readonly cache_size: number;
  readonly allowed_urls: readonly string[];
  readonly use_env_allowed_urls: boolean;
  readonly download_timeout: number;
  readonly max_download_size: number;
  readonly models: ModelsSetting;
  readonly default_workers_per_model: number;
  readonly job_queue_size: number;
  readonly default_response_timeout: number;
  readonly default_startup_timeout: number;
  readonly unregister_model_timeout: number;
  readonly max_request_size: number;
  readonly max_buffered_size: number | undefined;
  readonly max_response_size: number;
  readonly decode_input_request: boolean;
  readonly python: string;
  readonly install_py_dep_per_model: boolean;
  readonly python_wheels: string | undefined;
  readonly environment_timeout: number;
  readonly number_of_gpu: number | undefined;
  readonly enable_model_api: boolean;
  readonly disable_token_authorization: boolean;
  readonly default_service_handler: string | undefined;
  readonly service_envelope: ServiceEnvelope | undefined;
  readonly limit_max_image_pixels: boolean;
  readonly blacklist_env_vars: string | undefined;
  readonly ipex_enable: boolean;
  readonly ipex_gpu_enable: boolean;
  readonly initial_worker_port: number;
  readonly debug: boolean;
  readonly enable_metrics_api: boolean;
  readonly metrics_config: string | undefined;
  readonly metrics_mode: MetricsMode;
  readonly model_metrics_auto_detect: boolean | undefined;
  readonly ts_header_key_sequence_id: string;
  readonly ts_header_key_sequence_start: string;
  readonly ts_header_key_sequence_end: string;
  readonly preStopDelay: number;
  readonly shutdownTimeout: number;
  readonly client_header_timeout: number;
  readonly client_body_timeout: number;
  readonly client_min_rate: number;
  readonly keep_alive_timeout: number;
  readonly max_connections: number;
  readonly max_idle_connections: number;
  readonly access_log: boolean;
}

export type AppliedKey = keyof SettingValues;

function applied<T>(
  env: string | undefined,
  defaultText: string | ((dialect: Dialect) => string),
  parse: SettingParser<T>,
): AppliedSetting<T> {
  return {
    status: 'applied',
    env,
    defaultText: typeof defaultText === 'string' ? () => defaultText : defaultText,
    parse,
  };
}

function later(env: string | undefined, defaultText = ''): KnownSetting {
  return { status: 'later', env, defaultText: () => defaultText };
}

/** What can be wrapped around the rows and results of every Python handler. */
const SERVICE_ENVELOPES = ['body', 'json', 'kserve', 'kservev2', 'kfserving', 'kfservingv2'] as const;
export type ServiceEnvelope = (typeof SERVICE_ENVELOPES)[number];

const METRICS_MODES: readonly MetricsMode[] = ['prometheus', 'log', 'legacy'];

const dialectNames = Object.keys(DIALECTS).filter((name): name is DialectName => Object.hasOwn(DIALECTS, name));

/** The keys that this release acts on. */
export const APPLIED_SETTINGS: { readonly [K in AppliedKey]: AppliedSetting<SettingValues[K]> } = {
  api_dialect: applied('TS_API_DIALECT', 'documented', oneOf(dialectNames)),
  enable_envvars_config: applied(undefined, 'false', parseBoolean),
  inference_address: applied('TS_INFERENCE_ADDRESS', 'http://127.0.0.1:8080', address(80)),
  management_address: applied('TS_MANAGEMENT_ADDRESS', 'http://127.0.0.1:8081', address(8081)),
  metrics_address: applied('TS_METRICS_ADDRESS', 'http://127.0.0.1:8082', address(8082)),
  model_store: applied('TS_MODEL_STORE', '', optional(parseText)),
  load_models: applied('TS_LOAD_MODELS', '', parseLoadModels),
  cache_dir: applied('TS_CACHE_DIR', '', optional(parseText)),
  cache_size: applied('TS_CACHE_SIZE', '107374182400', wholeNumber(0)),
  // Only a text that somebody wrote is a list: without one, the dialect says what is allowed.
  allowed_urls: applied('TS_ALLOWED_URLS', '', parsePatternList),
  use_env_allowed_urls: applied(undefined, 'false', parseBoolean),
  download_timeout: applied('TS_DOWNLOAD_TIMEOUT', '3600', wholeNumber(1, MAX_TIMER_SEC)),
  max_download_size: applied('TS_MAX_DOWNLOAD_SIZE', '53687091200', wholeNumber(1)),
  models: applied(undefined, '', parseModelsSetting),
  default_workers_per_model: applied('TS_DEFAULT_WORKERS_PER_MODEL', '0', wholeNumber(0)),
  job_queue_size: applied('TS_JOB_QUEUE_SIZE', '100', wholeNumber(1)),
  default_response_timeout: applied('TS_DEFAULT_RESPONSE_TIMEOUT', '120', wholeNumber(1, MAX_TIMER_SEC)),
  default_startup_timeout: applied('TS_DEFAULT_STARTUP_TIMEOUT', '120', wholeNumber(1, MAX_TIMER_SEC)),
  unregister_model_timeout: applied('TS_UNREGISTER_MODEL_TIMEOUT', '120', wholeNumber(0, MAX_TIMER_SEC)),
  max_request_size: applied('TS_MAX_REQUEST_SIZE', (dialect) => `${dialect.defaults.maxRequestBytes}`, wholeNumber(1)),
  max_buffered_size: applied('TS_MAX_BUFFERED_SIZE', '', optional(wholeNumber(1))),
  max_response_size: applied(
    'TS_MAX_RESPONSE_SIZE',
    (dialect) => `${dialect.defaults.maxResponseBytes}`,
    wholeNumber(1),
  ),
  decode_input_request: applied('TS_DECODE_INPUT_REQUEST', 'true', parseBoolean),
  python: applied(undefined, 'python3', parseText),
  install_py_dep_per_model: applied('TS_INSTALL_PY_DEP_PER_MODEL', 'false', parseBoolean),
  python_wheels: applied('TS_PYTHON_WHEELS', '', optional(parseText)),
  environment_timeout: applied('TS_ENVIRONMENT_TIMEOUT', '1800', wholeNumber(1, MAX_TIMER_SEC)),
  number_of_gpu: applied('TS_NUMBER_OF_GPU', '', optional(wholeNumber(0))),
  enable_model_api: applied('TS_ENABLE_MODEL_API', (dialect) => `${dialect.defaults.enableModelApi}`, parseBoolean),
  // TorchServe's default is false. Without tokens only true can be kept, and a false by hand is refused in start-rules.
  disable_token_authorization: applied('TS_DISABLE_TOKEN_AUTHORIZATION', 'true', parseBoolean),
  default_service_handler: applied('TS_DEFAULT_SERVICE_HANDLER', '', optional(parseText)),
  service_envelope: applied('TS_SERVICE_ENVELOPE', '', optional(oneOf(SERVICE_ENVELOPES))),
  limit_max_image_pixels: applied('TS_LIMIT_MAX_IMAGE_PIXELS', 'true', parseBoolean),
  blacklist_env_vars: applied('TS_BLACKLIST_ENV_VARS', '', optional(parseText)),
  ipex_enable: applied('TS_IPEX_ENABLE', 'false', parseBoolean),
  ipex_gpu_enable: applied('TS_IPEX_GPU_ENABLE', 'false', parseBoolean),
  initial_worker_port: applied('TS_INITIAL_WORKER_PORT', '9000', wholeNumber(0)),
  debug: applied('TS_DEBUG', 'false', parseDebug),
  enable_metrics_api: applied('TS_ENABLE_METRICS_API', 'true', parseBoolean),
  metrics_config: applied('TS_METRICS_CONFIG', '', optional(parseText)),
  // TorchServe's default is log, which leaves /metrics empty.
  metrics_mode: applied('TS_METRICS_MODE', 'prometheus', oneOf(METRICS_MODES)),
  model_metrics_auto_detect: applied('TS_MODEL_METRICS_AUTO_DETECT', '', optional(parseBoolean)),
  ts_header_key_sequence_id: applied('TS_HEADER_KEY_SEQUENCE_ID', SEQUENCE_HEADERS.id, parseHeaderName),
  ts_header_key_sequence_start: applied('TS_HEADER_KEY_SEQUENCE_START', SEQUENCE_HEADERS.start, parseHeaderName),
  ts_header_key_sequence_end: applied('TS_HEADER_KEY_SEQUENCE_END', SEQUENCE_HEADERS.end, parseHeaderName),
  preStopDelay: applied('TS_PRE_STOP_DELAY', '0', wholeNumber(0, MAX_TIMER_SEC)),
  shutdownTimeout: applied('TS_SHUTDOWN_TIMEOUT', '30', wholeNumber(0, MAX_TIMER_SEC)),
  client_header_timeout: applied('TS_CLIENT_HEADER_TIMEOUT', '30', wholeNumber(1, MAX_TIMER_SEC)),
  client_body_timeout: applied('TS_CLIENT_BODY_TIMEOUT', '30', wholeNumber(1, MAX_TIMER_SEC)),
  client_min_rate: applied('TS_CLIENT_MIN_RATE', '1024', wholeNumber(1)),
  keep_alive_timeout: applied('TS_KEEP_ALIVE_TIMEOUT', '75', wholeNumber(1, MAX_TIMER_SEC)),
  max_connections: applied('TS_MAX_CONNECTIONS', '32768', wholeNumber(1)),
  max_idle_connections: applied('TS_MAX_IDLE_CONNECTIONS', '16384', wholeNumber(1)),
  access_log: applied('TS_ACCESS_LOG', 'true', parseBoolean),
};

/** TorchServe's debug mode attaches to a worker that somebody else started. */
function parseDebug(text: string): boolean {
  if (!parseBoolean(text)) return false;
  throw new UnusableValue(
    'the server always starts its workers itself; to step through a handler, run sconce dev MODEL --debugpy (Python) or --inspect (TypeScript)',
  );
}

const LATER_SETTINGS: Readonly<Record<string, KnownSetting>> = {
  grpc_inference_address: later('TS_GRPC_INFERENCE_ADDRESS', '127.0.0.1'),
  grpc_management_address: later('TS_GRPC_MANAGEMENT_ADDRESS', '127.0.0.1'),
  grpc_inference_port: later('TS_GRPC_INFERENCE_PORT', '7070'),
  grpc_management_port: later('TS_GRPC_MANAGEMENT_PORT', '7071'),
  grpc_inference_max_connection_age_ms: later('TS_GRPC_INFERENCE_MAX_CONNECTION_AGE_MS'),
  grpc_management_max_connection_age_ms: later('TS_GRPC_MANAGEMENT_MAX_CONNECTION_AGE_MS'),
  grpc_inference_max_connection_age_grace_ms: later('TS_GRPC_INFERENCE_MAX_CONNECTION_AGE_GRACE_MS'),
  grpc_management_max_connection_age_grace_ms: later('TS_GRPC_MANAGEMENT_MAX_CONNECTION_AGE_GRACE_MS'),
  enable_grpc_ssl: later('TS_ENABLE_GRPC_SSL', 'false'),
  keystore: later('TS_KEYSTORE'),
  keystore_pass: later('TS_KEYSTORE_PASS', 'changeit'),
  keystore_type: later('TS_KEYSTORE_TYPE', 'PKCS12'),
  private_key_file: later('TS_PRIVATE_KEY_FILE'),
  certificate_file: later('TS_CERTIFICATE_FILE'),
  cors_allowed_origin: later('TS_CORS_ALLOWED_ORIGIN'),
  cors_allowed_methods: later('TS_CORS_ALLOWED_METHODS'),
  cors_allowed_headers: later('TS_CORS_ALLOWED_HEADERS'),
  token_expiration_min: later('TS_TOKEN_EXPIRATION_TIME_MIN', '60'),
  disable_system_metrics: later('TS_DISABLE_SYSTEM_METRICS', 'false'),
  metric_time_interval: later(undefined, '60'),
  system_metrics_cmd: later(undefined),
  workflow_store: later('TS_WORKFLOW_STORE'),
  model_snapshot: later(undefined),
  version: later(undefined),
  tsConfigFile: later(undefined),
};

const replacedSettings = Object.entries(REPLACED_SETTINGS).map(
  ([key, { env, defaultText }]): [string, KnownSetting] => [
    key,
    { status: 'replaced', env, defaultText: () => defaultText },
  ],
);

/** Every known key, the applied ones first. */
export const KNOWN_SETTINGS: ReadonlyMap<string, KnownSetting> = new Map([
  ...Object.entries<KnownSetting>(APPLIED_SETTINGS),
  ...replacedSettings,
  ...Object.entries(LATER_SETTINGS),
]);

/** Whether this release acts on a key. */
export function isAppliedKey(key: string): key is AppliedKey {
  return Object.hasOwn(APPLIED_SETTINGS, key);
}
