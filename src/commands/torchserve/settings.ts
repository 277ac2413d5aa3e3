// What `torchserve` makes of its flags, its variables and the properties file before anything is started: the settings of the server, or the
// reason why there is none, and what is accepted without effect.
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ConfigError } from '../../config/config-error.ts';
import { loadConfig } from '../../config/load-config.ts';
import type { ServerConfig } from '../../config/server-config.ts';
import type { TorchserveFlags } from './flags.ts';

/** Set for the server in the background by the command that starts it, and for nobody else. */
export const BACKGROUND_MARK = 'SCONCE_TORCHSERVE_BACKGROUND';

/** Where and under which variables the command was run. */
export interface TorchserveRun {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** A start that TorchServe's launcher refuses, too. Its message is TorchServe's. */
export class LauncherRefusal extends Error {}

/**
 * The settings of the server; their notices include those about flags and variables.
 * @throws LauncherRefusal, ConfigError
 */
export async function torchserveSettings(flags: TorchserveFlags, run: TorchserveRun): Promise<ServerConfig> {
  const { env, cwd } = run;
  const tsConfig = env['TS_CONFIG_FILE'] || flags.tsConfig;
  await requireFile('--ts-config', tsConfig, cwd);
  await requireFile('--log-config', flags.logConfig, cwd);
  await requireFile('--cpp-log-config', flags.cppLogConfig, cwd);
  await requireFolder('--model-store', flags.modelStore, cwd);
  await requireFolder('--workflow-store', flags.workflowStore, cwd);
  const temporary = resolve(cwd, env['TEMP'] || '.');
  if (!(await isFolder(temporary))) throw new ConfigError(`TEMP=${env['TEMP']}: there is no such folder; create it`);
  const config = await loadConfig({ flags, env, cwd, command: 'torchserve' });
  if (config.modelStore === undefined) throw new LauncherRefusal('Missing mandatory parameter --model-store');
  return { ...config, notices: [...config.notices, ...(await launcherNotices(flags, run, config))] };
}

/** Where the log of a server in the background is. */
export function logFolder({ env, cwd }: TorchserveRun): string {
  return resolve(cwd, env['LOG_LOCATION'] || 'logs');
}

async function launcherNotices(flags: TorchserveFlags, run: TorchserveRun, config: ServerConfig): Promise<string[]> {
  const { env } = run;
  const notices: string[] = [];
  if (config.origins.get('disable_token_authorization') === 'default') {
    notices.push(
      'tokens: this release has none, so requests are answered without one and key_file.json is not written; ' +
        '--disable-token-auth says that this is meant',
    );
  }
  if (flags.logConfig !== undefined) {
    notices.push('--log-config: log4j2 files have no effect; the log is one JSON object a line');
  }
  if (flags.cppLogConfig !== undefined) notices.push('--cpp-log-config has no effect: there are no C++ workers');
  if (flags.pluginsPath !== undefined) notices.push('--plugins-path has no effect: Java plug-ins are not loaded');
  if (flags.workflowStore !== undefined) notices.push('--workflow-store has no effect: workflows are not served yet');
  if (env['METRICS_LOCATION']) {
    notices.push('METRICS_LOCATION has no effect: metrics are not written to files but served on the metrics address');
  }
  const snapshot = await lastSnapshot(flags, run);
  if (snapshot !== undefined) {
    notices.push(
      `${snapshot}: TorchServe would restore this snapshot; there are no snapshots yet, so name the models with --models or ` +
        'load_models (--ncs says that no snapshot is wanted)',
    );
  }
  return notices;
}

/** The snapshot that TorchServe would start from. */
async function lastSnapshot(flags: TorchserveFlags, run: TorchserveRun): Promise<string | undefined> {
  if (flags.isWithoutSnapshots || run.env['TS_CONFIG_FILE'] || flags.tsConfig !== undefined) return undefined;
  const folder = join(logFolder(run), 'config');
  const names = await readdir(folder).catch(() => []);
  const last = names
    .filter((name) => /^\d{17}-\w+\.cfg$/.test(name))
    .sort()
    .at(-1);
  return last === undefined ? undefined : join(folder, last);
}

async function requireFile(flag: string, path: string | undefined, cwd: string): Promise<void> {
  if (path === undefined) return;
  const isThere = await stat(resolve(cwd, path)).then(
    (status) => status.isFile(),
    () => false,
  );
  if (!isThere) throw new LauncherRefusal(`${flag} file not found: ${path}`);
}

async function requireFolder(flag: string, path: string | undefined, cwd: string): Promise<void> {
  if (path !== undefined && !(await isFolder(resolve(cwd, path)))) {
    throw new LauncherRefusal(`${flag} directory not found: ${path}`);
  }
}

function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
}
