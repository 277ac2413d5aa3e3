// Whether the server serves what it was asked to serve, and if not, why.
import type { Dialect } from '../config/dialect.ts';
import type { ModelVersion } from '../core/model-version.ts';
import type { Registry } from '../core/registry.ts';

export interface Readiness {
  readonly isReady: boolean;
  /** One line for each thing that is missing. */
  readonly reasons: readonly string[];
}

export class HealthService {
  readonly #registry: Registry;
  readonly #health: Dialect['health'];
  /** Archives of load_models that could not be registered, by their url. */
  readonly #missing = new Map<string, string>();
  #phase: 'starting' | 'serving' | 'stopping' = 'starting';

  constructor(registry: Registry, health: Dialect['health']) {
    this.#registry = registry;
    this.#health = health;
  }

  /** All models named at start have been registered. */
  started(): void {
    this.#phase = 'serving';
  }

  /** A model that the server was told to load at start is not there. A later registration of the same archive makes it good. */
  missing(url: string, reason: string): void {
    this.#missing.set(url, reason);
  }

  stopping(): void {
    this.#phase = 'stopping';
  }

  /** The answer to `/ping`, by the dialect's rule. */
  isHealthy(): boolean {
    if (this.#phase === 'stopping') return false;
    if (this.#health === 'every-version') return this.#registry.all().every(hasItsWorkers);
    return this.#registry.defaults().every(({ pool }) => !pool.isBeyondRetryWindow());
  }

  /** Whether every version has the workers that it asks for, all of them ready. */
  readiness(): Readiness {
    const reasons = this.#registry
      .all()
      .filter(({ pool }) => pool.readyWorkers() < pool.minWorkers)
      .map(
        ({ spec, pool }) =>
          `model ${spec.name} version ${spec.version}: ${pool.readyWorkers()} of ${pool.minWorkers} workers ready`,
      );
    const urls = new Set(this.#registry.all().map(({ spec }) => spec.url));
    for (const [url, reason] of this.#missing) {
      if (!urls.has(url)) reasons.push(`load_models: ${url} is not loaded: ${reason}`);
    }
    if (this.#phase === 'starting') reasons.unshift('the server is starting');
    if (this.#phase === 'stopping') reasons.unshift('the server is shutting down');
    return { isReady: reasons.length === 0, reasons };
  }
}

function hasItsWorkers({ pool }: ModelVersion): boolean {
  return pool.healthyWorkers() >= pool.minWorkers;
}
