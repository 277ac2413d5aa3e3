// From a live version to a plain record of what it is and how it is doing.
import type { ModelVersion } from '../core/model-version.ts';
import type { Registry } from '../core/registry.ts';
import type { VersionDescription } from '../core/version-description.ts';

export async function describeVersion(registry: Registry, version: ModelVersion): Promise<VersionDescription> {
  const { spec, pool, scheduler, progress } = version;
  return {
    spec,
    isDefault: registry.isDefault(version),
    minWorkers: pool.minWorkers,
    maxWorkers: pool.maxWorkers,
    workers: await pool.describe(),
    scaling: pool.scaling(),
    signature: pool.signature(),
    loading: progress.report(),
    lastError: pool.lastError(),
    waiting: scheduler.waiting,
    remainingCapacity: scheduler.remainingCapacity,
    customized: undefined,
  };
}
