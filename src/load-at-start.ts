// What load_models names is registered here, before the server listens. What a registration is, the service knows.
import type { ArchiveStore } from './archive/archive-store.ts';
import { ConfigError } from './config/config-error.ts';
import type { ServerConfig } from './config/server-config.ts';
import { ServingError } from './core/errors.ts';
import type { HealthService } from './services/health-service.ts';
import type { ManagementService } from './services/management-service.ts';

/**
 * Registers what load_models names. One that fails is left out: the server starts without it, and is not ready. Throws ConfigError for one that
 * another one of them has the name and version of.
 */
export async function loadAtStart(
  config: ServerConfig,
  archives: ArchiveStore,
  management: ManagementService,
  health: HealthService,
  signal: AbortSignal,
): Promise<void> {
  const wanted =
    config.loadModels === 'all' ? (await archives.list()).map((url) => ({ name: undefined, url })) : config.loadModels;
  for (const { name, url } of wanted) {
    try {
      await management.register({ url, modelName: name, synchronous: false }, true);
    } catch (error) {
      signal.throwIfAborted();
      // As in TorchServe: which of the two is wanted is not for the server to guess.
      if (error instanceof ServingError && error.code === 'MODEL_ALREADY_REGISTERED') {
        throw new ConfigError(`load_models: ${url}: ${error.message}; name each version of a model once`);
      }
      health.missing(url, error instanceof Error ? error.message : String(error));
    }
  }
}
