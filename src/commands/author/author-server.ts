// A server in the process of a command, for one model of an author: one worker, no bytecode left in the folder, links in it allowed, and a
// debugger where one is wanted. Which addresses it listens on and what is done with it is up to the command.
import { loadConfig } from '../../config/load-config.ts';
import type { ServerConfig } from '../../config/server-config.ts';
import type { ModelSpec } from '../../core/model-spec.ts';
import type { ServingObserver } from '../../core/ports.ts';
import type { RunningServer } from '../../server.ts';
import type { ServerLog } from '../../telemetry/logger.ts';
import { debuggedSpec, type WorkerDebugger } from '../../workers/debugger.ts';
import { checkDebugger, type DebugFlags, debuggerOf } from './debug-flags.ts';
import type { ModelTarget } from './model-target.ts';

/** Flags that `dev` and `invoke` share. */
export interface AuthorFlags extends DebugFlags {
  readonly tsConfig?: string;
  readonly python?: string;
  readonly apiDialect?: string;
}

/** What the flags and the settings come to. */
export interface AuthorSettings {
  readonly config: ServerConfig;
  readonly workerDebugger: WorkerDebugger | undefined;
}

export interface AuthorServerOptions extends AuthorSettings {
  readonly serverLog: ServerLog;
  readonly version: string;
  readonly signal: AbortSignal;
  /** Has the last word on the model's settings. */
  readonly adjustSpec?: (spec: ModelSpec) => ModelSpec;
  readonly observer?: ServingObserver;
  readonly onHandlerTime?: (handlerMs: number) => void;
}

/** Reads the settings as `serve` does, for this model alone. Throws ConfigError, also when the debugger cannot be had. */
export async function authorSettings(target: ModelTarget, flags: AuthorFlags): Promise<AuthorSettings> {
  const { tsConfig, python, apiDialect } = flags;
  const workerDebugger = debuggerOf(flags);
  const config = await loadConfig({
    flags: { tsConfig, python, apiDialect, modelStore: target.modelStore },
    env: process.env,
    cwd: process.cwd(),
  });
  if (workerDebugger !== undefined) await checkDebugger(workerDebugger, config.python);
  return { config: { ...config, loadModels: [] }, workerDebugger };
}

export async function startAuthorServer(options: AuthorServerOptions): Promise<RunningServer> {
  const { config, serverLog, version, signal, workerDebugger, observer, onHandlerTime } = options;
  const { startServer } = await import('../../server.ts');
  return startServer(config, serverLog, version, signal, {
    hasTrustedFolders: true,
    // Python tells two saves within a second apart by their length alone; a stale bytecode file would hide the second one.
    workerEnv: { PYTHONDONTWRITEBYTECODE: '1' },
    workerDebugger,
    adjustSpec: (compiled) => {
      const spec = { ...compiled, initialMinWorkers: 1, initialMaxWorkers: 1 };
      const adjusted = options.adjustSpec?.(spec) ?? spec;
      return workerDebugger === undefined ? adjusted : debuggedSpec(adjusted, workerDebugger);
    },
    ...(observer && { observer }),
    ...(onHandlerTime && { onHandlerTime }),
  });
}
