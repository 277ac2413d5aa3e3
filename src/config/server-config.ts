// The server's settings, resolved: typed, with units in their names, and nothing left that means "default". load-config makes it;
// everybody else only reads it.
import type { SettingOrigin } from './config-error.ts';
import type { Dialect } from './dialect.ts';
import type { ListenAddress } from './listen-address.ts';
import type { LoadModels } from './load-models-setting.ts';
import type { ConfiguredModels } from './models-setting.ts';
import type { AppliedKey } from './server-settings.ts';

/** Everything that the server was told, or not told, when it started. */
export interface ServerConfig {
  /** The properties file that was read: an absolute path, undefined when there was none. */
  readonly configFile: string | undefined;
  readonly dialect: Dialect;
  readonly inferenceAddress: ListenAddress;
  /** May be the inference address: then one listener answers both. */
  readonly managementAddress: ListenAddress;
  readonly metricsAddress: ListenAddress;
  /** An existing folder as an absolute path, undefined when none is configured. */
  readonly modelStore: string | undefined;
  readonly loadModels: LoadModels;
  /** What the operator wants for single versions; see models-setting. */
  readonly models: ConfiguredModels;
  /** 0 leaves the number to the moment: none for a registration, one for each GPU or CPU for a model loaded at start. */
  readonly defaultWorkersPerModel: number;
  readonly jobQueueSize: number;
  readonly defaultResponseTimeoutSec: number;
  readonly defaultStartupTimeoutSec: number;
  readonly unregisterModelTimeoutSec: number;
  readonly maxRequestBytes: number;
  readonly maxResponseBytes: number;
  readonly decodeInputRequest: boolean;
  /** The interpreter of Python workers: a path, or a name to look for on PATH. */
  readonly python: string;
  /** At most so many GPUs are used; undefined for all that are found. */
  readonly numberOfGpu: number | undefined;
  readonly enableModelApi: boolean;
  /** Whether --insecure was given: the management API may then be open to the network. */
  readonly insecure: boolean;
  /** Where the value of each applied key came from. */
  readonly origins: ReadonlyMap<AppliedKey, SettingOrigin>;
  /** One line each about what was set without (full) effect, to be logged at start. */
  readonly notices: readonly string[];
}
