// The server's settings, resolved: typed, with units in their names, and nothing left that means "default". load-config makes it;
// everybody else only reads it.
import type { AllowedUrls } from '../core/allowed-urls.ts';
import type { MetricsSettings } from '../core/listed-metrics.ts';
import type { SequenceHeaderNames } from '../core/sequence-headers.ts';
import type { SettingOrigin } from './config-error.ts';
import type { Dialect } from './dialect.ts';
import type { ListenAddress } from './listen-address.ts';
import type { LoadModels } from './load-models-setting.ts';
import type { ConfiguredModels } from './models-setting.ts';
import type { AppliedKey, ServiceEnvelope } from './server-settings.ts';

/** What clients of every listener have to keep to. */
export interface ClientSettings {
  readonly headerTimeoutSec: number;
  /** How far a body may fall behind `minBytesPerSec`. */
  readonly bodyTimeoutSec: number;
  /** The rate at which a client has to send its body, and to take its answer. */
  readonly minBytesPerSec: number;
  readonly keepAliveTimeoutSec: number;
  readonly maxConnections: number;
  /** Connections that are kept for a client's next request. */
  readonly maxIdleConnections: number;
}

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
  /** Where what was made once is kept for the next start: an absolute path, which needs not exist. openCacheFolder makes it usable. */
  readonly cacheDir: string;
  /** Most bytes of unpacked archives that no model uses; 0 keeps none. */
  readonly cacheBytes: number;
  /** Where archives may be fetched from. */
  readonly allowedUrls: AllowedUrls;
  readonly downloadTimeoutSec: number;
  readonly maxDownloadBytes: number;
  /** What the operator wants for single versions; see models-setting. */
  readonly models: ConfiguredModels;
  /** 0 leaves the number to the moment: none for a registration, one for each GPU or CPU for a model loaded at start. */
  readonly defaultWorkersPerModel: number;
  readonly jobQueueSize: number;
  readonly defaultResponseTimeoutSec: number;
  readonly defaultStartupTimeoutSec: number;
  readonly unregisterModelTimeoutSec: number;
  readonly maxRequestBytes: number;
  /** Most bytes of request bodies in memory at a time. */
  readonly maxBufferedBytes: number;
  readonly maxResponseBytes: number;
  readonly decodeInputRequest: boolean;
  /** The interpreter of Python workers: a path, or a name to look for on PATH. */
  readonly python: string;
  /** Whether the packages that an archive's requirements file names are installed for its workers. */
  readonly installPyDepPerModel: boolean;
  /** The only place where pip then looks for packages: a folder as an absolute path; undefined for pip's own configuration. */
  readonly pythonWheels: string | undefined;
  readonly environmentTimeoutSec: number;
  /** At most so many GPUs are used; undefined for all that are found. */
  readonly numberOfGpu: number | undefined;
  readonly enableModelApi: boolean;
  /** The handler of Python models for which neither registration nor manifest names one. */
  readonly defaultServiceHandler: string | undefined;
  /** Wrapped around every Python handler. */
  readonly serviceEnvelope: ServiceEnvelope | undefined;
  /** Whether Pillow's limit of image sizes stays on in handlers of pictures. */
  readonly limitMaxImagePixels: boolean;
  /** Whether a variable of the server's environment is kept from workers and from pip. */
  readonly isHiddenFromWorkers: (name: string) => boolean;
  /** Intel's extension for PyTorch, on CPUs and on GPUs. */
  /** The headers by which requests of stateful models name their sequences. */
  readonly sequenceHeaders: SequenceHeaderNames;
  readonly ipex: { readonly isEnabled: boolean; readonly isEnabledOnGpu: boolean };
  /** Workers are numbered from here. */
  readonly firstWorkerId: number;
  readonly enableMetricsApi: boolean;
  readonly metrics: MetricsSettings;
  /** Between the signal to stop and the first refusal. */
  readonly preStopDelaySec: number;
  /** How long what was accepted may take once the server refuses the rest. */
  readonly shutdownTimeoutSec: number;
  readonly clients: ClientSettings;
  /** Whether each request gets a line in the log. */
  readonly hasAccessLog: boolean;
  /** Whether somebody chose that the management API may be open to the network; see start-rules. */
  readonly insecure: boolean;
  /** Where the value of each applied key came from. */
  readonly origins: ReadonlyMap<AppliedKey, SettingOrigin>;
  /** One line each about what was set without (full) effect, to be logged at start. */
  readonly notices: readonly string[];
}
