// The one table of every key that config.properties may hold: which are applied, under which environment variable, with which default
// and how they are read. docs/reference/settings.md is tested against it; load-config reads files by it.
import { DIALECTS, type Dialect, type DialectName } from './dialect.ts';
import type { ListenAddress } from './listen-address.ts';
import { type LoadModels, parseLoadModels } from './load-models-setting.ts';
import { type ModelsSetting, parseModelsSetting } from './models-setting.ts';
import {
  address,
  MAX_TIMER_SEC,
  oneOf,
  optional,
  parseBoolean,
  parseText,
  type SettingParser,
  wholeNumber,
} from './setting-parsers.ts';

/** One known key. */
export interface KnownSetting {
  /** Whether this release acts on it; the others are only told at start. */
  readonly isApplied: boolean;
  /** The variable that counts with `enable_envvars_config=true`, undefined when the environment cannot set the key. */
  readonly env: string | undefined;
  /** The default as somebody would write it, empty for none. */
  readonly defaultText: (dialect: Dialect) => string;
}

/** A key that this release acts on. */
export interface AppliedSetting<T> extends KnownSetting {
  readonly isApplied: true;
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
  readonly models: ModelsSetting;
  readonly default_workers_per_model: number;
  readonly job_queue_size: number;
  readonly default_response_timeout: number;
  readonly default_startup_timeout: number;
  readonly unregister_model_timeout: number;
  readonly max_request_size: number;
  readonly max_response_size: number;
  readonly decode_input_request: boolean;
  readonly python: string;
  readonly number_of_gpu: number | undefined;
  readonly enable_model_api: boolean;
  readonly disable_token_authorization: boolean;
}

export type AppliedKey = keyof SettingValues;

function applied<T>(
  env: string | undefined,
  defaultText: string | ((dialect: Dialect) => string),
  parse: SettingParser<T>,
): AppliedSetting<T> {
  return {
    isApplied: true,
    env,
    defaultText: typeof defaultText === 'string' ? () => defaultText : defaultText,
    parse,
  };
}

function later(env: string | undefined, defaultText = ''): KnownSetting {
  return { isApplied: false, env, defaultText: () => defaultText };
}

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
  models: applied(undefined, '', parseModelsSetting),
  default_workers_per_model: applied('TS_DEFAULT_WORKERS_PER_MODEL', '0', wholeNumber(0)),
  job_queue_size: applied('TS_JOB_QUEUE_SIZE', '100', wholeNumber(1)),
  default_response_timeout: applied('TS_DEFAULT_RESPONSE_TIMEOUT', '120', wholeNumber(1, MAX_TIMER_SEC)),
  default_startup_timeout: applied('TS_DEFAULT_STARTUP_TIMEOUT', '120', wholeNumber(1, MAX_TIMER_SEC)),
  unregister_model_timeout: applied('TS_UNREGISTER_MODEL_TIMEOUT', '120', wholeNumber(0, MAX_TIMER_SEC)),
  max_request_size: applied('TS_MAX_REQUEST_SIZE', (dialect) => `${dialect.defaults.maxRequestBytes}`, wholeNumber(1)),
  max_response_size: applied(
    'TS_MAX_RESPONSE_SIZE',
    (dialect) => `${dialect.defaults.maxResponseBytes}`,
    wholeNumber(1),
  ),
  decode_input_request: applied('TS_DECODE_INPUT_REQUEST', 'true', parseBoolean),
  python: applied(undefined, 'python3', parseText),
  number_of_gpu: applied('TS_NUMBER_OF_GPU', '', optional(wholeNumber(0))),
  enable_model_api: applied('TS_ENABLE_MODEL_API', (dialect) => `${dialect.defaults.enableModelApi}`, parseBoolean),
  // TorchServe's default is false. Without tokens only true can be kept, and a false by hand is refused in start-rules.
  disable_token_authorization: applied('TS_DISABLE_TOKEN_AUTHORIZATION', 'true', parseBoolean),
};

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
  number_of_netty_threads: later('TS_NUMBER_OF_NETTY_THREADS', '0'),
  netty_client_threads: later('TS_NETTY_CLIENT_THREADS', '0'),
  prefer_direct_buffer: later('TS_PREFER_DIRECT_BUFFER', 'false'),
  use_native_io: later(undefined, 'true'),
  io_ratio: later(undefined, '50'),
  initial_worker_port: later('TS_INITIAL_WORKER_PORT', '9000'),
  initial_distribution_port: later('TS_INITIAL_DISTRIBUTION_PORT', '29500'),
  default_service_handler: later('TS_DEFAULT_SERVICE_HANDLER'),
  service_envelope: later('TS_SERVICE_ENVELOPE'),
  limit_max_image_pixels: later('TS_LIMIT_MAX_IMAGE_PIXELS', 'true'),
  install_py_dep_per_model: later('TS_INSTALL_PY_DEP_PER_MODEL', 'false'),
  allowed_urls: later('TS_ALLOWED_URLS'),
  use_env_allowed_urls: later(undefined, 'false'),
  blacklist_env_vars: later('TS_BLACKLIST_ENV_VARS'),
  model_server_home: later('TS_MODEL_SERVER_HOME'),
  cpp_log_config: later('TS_CPP_LOG_CONFIG'),
  ipex_enable: later('TS_IPEX_ENABLE', 'false'),
  ipex_gpu_enable: later('TS_IPEX_GPU_ENABLE', 'false'),
  cpu_launcher_enable: later('TS_CPU_LAUNCHER_ENABLE', 'false'),
  cpu_launcher_args: later('TS_CPU_LAUNCHER_ARGS'),
  debug: later('TS_DEBUG', 'false'),
  token_expiration_min: later('TS_TOKEN_EXPIRATION_TIME_MIN', '60'),
  ts_open_inference_protocol: later('TS_OPEN_INFERENCE_PROTOCOL', 'false'),
  ts_header_key_sequence_id: later('TS_HEADER_KEY_SEQUENCE_ID', 'ts_request_sequence_id'),
  ts_header_key_sequence_start: later('TS_HEADER_KEY_SEQUENCE_START', 'ts_request_sequence_start'),
  ts_header_key_sequence_end: later('TS_HEADER_KEY_SEQUENCE_END', 'ts_request_sequence_end'),
  enable_metrics_api: later('TS_ENABLE_METRICS_API', 'true'),
  metrics_config: later('TS_METRICS_CONFIG'),
  metrics_mode: later('TS_METRICS_MODE', 'log'),
  model_metrics_auto_detect: later('TS_MODEL_METRICS_AUTO_DETECT', 'false'),
  disable_system_metrics: later('TS_DISABLE_SYSTEM_METRICS', 'false'),
  metric_time_interval: later(undefined, '60'),
  system_metrics_cmd: later(undefined),
  async_logging: later('TS_ASYNC_LOGGING', 'false'),
  workflow_store: later('TS_WORKFLOW_STORE'),
  model_snapshot: later(undefined),
  version: later(undefined),
  tsConfigFile: later(undefined),
  vmargs: later(undefined),
  plugins_path: later(undefined),
};

/** Every known key, the applied ones first. */
export const KNOWN_SETTINGS: ReadonlyMap<string, KnownSetting> = new Map([
  ...Object.entries<KnownSetting>(APPLIED_SETTINGS),
  ...Object.entries(LATER_SETTINGS),
]);

/** Whether this release acts on a key. */
export function isAppliedKey(key: string): key is AppliedKey {
  return Object.hasOwn(APPLIED_SETTINGS, key);
}
