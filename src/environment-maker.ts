// Gives registrations the Python environments that their models ask for. What builds them is loaded with the first model that asks.
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerConfig } from './config/server-config.ts';
import type { LoadProgress } from './core/load-progress.ts';
import type { ModelSpec, PythonEnvironment } from './core/model-spec.ts';
import type { Clock } from './core/ports.ts';
import type { Log } from './telemetry/logger.ts';
import type { OrphanGuard } from './workers/orphan-guard.ts';
import type { PythonEnvironments } from './workers/python-environments.ts';
import { workerEnv } from './workers/worker-env.ts';

export interface EnvironmentParts {
  readonly config: ServerConfig;
  readonly log: Log;
  readonly clock: Clock;
  readonly orphanGuard: OrphanGuard;
}

/** Installs what a model needs, as the phase `environment` of its registration; undefined when it needs nothing of its own. */
export type PrepareEnvironment = (
  spec: ModelSpec,
  progress: LoadProgress,
  signal: AbortSignal,
) => Promise<PythonEnvironment | undefined>;

export function environmentMaker(parts: EnvironmentParts): PrepareEnvironment {
  let opening: Promise<PythonEnvironments> | undefined;
  return async (spec, progress, signal) => {
    if (spec.requirementsFile === undefined && !spec.useVenv) return undefined;
    return progress.during('environment', async () => {
      opening ??= openEnvironments(parts);
      const environments = await opening.catch(async (error: unknown) => {
        // The disk may have room again for the next one who asks.
        opening = undefined;
        const { diskFailure } = await import('./workers/environment-build.ts');
        throw diskFailure(spec.name, error);
      });
      return environments.prepare(spec, signal);
    });
  };
}

async function openEnvironments({ config, log, clock, orphanGuard }: EnvironmentParts): Promise<PythonEnvironments> {
  const { HEARTBEAT_MS, isGone, newOwner, sayAlive } = await import('./archive/cache-owner.ts');
  const { PythonEnvironments } = await import('./workers/python-environments.ts');
  const folder = join(config.cacheDir, 'environments');
  const owners = join(folder, 'builders');
  await mkdir(owners, { recursive: true, mode: 0o700 });
  for (const other of await readdir(owners)) {
    if (await isGone(owners, other)) await rm(join(owners, other), { force: true });
  }
  const name = await newOwner();
  await sayAlive(owners, name);
  setInterval(() => {
    sayAlive(owners, name).catch((error: unknown) =>
      log.warn({ error: String(error) }, 'environments in cache_dir cannot be written'),
    );
  }, HEARTBEAT_MS).unref();
  return new PythonEnvironments({
    folder,
    builder: { name, isGone: (other) => isGone(owners, other) },
    python: config.python,
    wheels: config.pythonWheels,
    timeoutSec: config.environmentTimeoutSec,
    env: workerEnv(process.env, config.isHiddenFromWorkers),
    clock,
    orphanGuard,
    log: (level, message, details) => log[level]({ ...details }, message),
  });
}
