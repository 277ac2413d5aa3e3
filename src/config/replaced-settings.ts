// Keys of TorchServe's properties that tune what this server does not have, or switch on what it always has. They are accepted, so that old
// files work, and told at start in one line, each with what is there in its place.

export interface ReplacedSetting {
  readonly env: string | undefined;
  /** A value that changes nothing here; it is not told. */
  readonly defaultText: string;
  /** Why the key has no effect, or what has it. */
  readonly instead: string;
}

const NO_THREADS = 'threads and buffers are those of Node.js and need no tuning';
const NO_LAUNCHER = 'the server starts workers itself and shares the cores out among them';

export const REPLACED_SETTINGS: Readonly<Record<string, ReplacedSetting>> = {
  number_of_netty_threads: { env: 'TS_NUMBER_OF_NETTY_THREADS', defaultText: '0', instead: NO_THREADS },
  netty_client_threads: { env: 'TS_NETTY_CLIENT_THREADS', defaultText: '0', instead: NO_THREADS },
  prefer_direct_buffer: { env: 'TS_PREFER_DIRECT_BUFFER', defaultText: 'false', instead: NO_THREADS },
  use_native_io: { env: undefined, defaultText: 'true', instead: NO_THREADS },
  io_ratio: { env: undefined, defaultText: '50', instead: NO_THREADS },
  vmargs: { env: undefined, defaultText: '', instead: 'there is no Java' },
  plugins_path: { env: undefined, defaultText: '', instead: 'Java plug-ins are not loaded' },
  model_server_home: {
    env: 'TS_MODEL_SERVER_HOME',
    defaultText: '',
    instead: 'handlers import the package ts that comes with this server',
  },
  cpp_log_config: { env: 'TS_CPP_LOG_CONFIG', defaultText: '', instead: 'there are no C++ workers' },
  cpu_launcher_enable: { env: 'TS_CPU_LAUNCHER_ENABLE', defaultText: 'false', instead: NO_LAUNCHER },
  cpu_launcher_args: { env: 'TS_CPU_LAUNCHER_ARGS', defaultText: '', instead: NO_LAUNCHER },
  initial_distribution_port: {
    env: 'TS_INITIAL_DISTRIBUTION_PORT',
    defaultText: '29500',
    instead: 'a worker is one process and needs no ports',
  },
  async_logging: { env: 'TS_ASYNC_LOGGING', defaultText: 'true', instead: 'the log is always written asynchronously' },
  ts_open_inference_protocol: {
    env: 'TS_OPEN_INFERENCE_PROTOCOL',
    defaultText: 'true',
    instead: 'the paths below /v2 are always there',
  },
};

/** One line about those of the given keys and values that have no effect; undefined when there are none. */
export function replacedNotice(given: Iterable<{ readonly key: string; readonly value: string }>): string | undefined {
  const keysOf = new Map<string, string[]>();
  for (const { key, value } of given) {
    const replaced = Object.hasOwn(REPLACED_SETTINGS, key) ? REPLACED_SETTINGS[key] : undefined;
    if (replaced === undefined || value.toLowerCase() === replaced.defaultText) continue;
    keysOf.set(replaced.instead, [...(keysOf.get(replaced.instead) ?? []), key]);
  }
  if (keysOf.size === 0) return undefined;
  const parts = [...keysOf].map(([instead, keys]) => `${keys.join(', ')} (${instead})`);
  return `settings that have no effect here: ${parts.join('; ')}`;
}
