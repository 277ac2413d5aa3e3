// A version compiled anew from its url takes the place of the one that serves: both live side by side until the new one has a worker, then
// the registry swaps them in one step, and the old one drains. What fails leaves the old one as it was.
import { ServingError } from '../core/errors.ts';
import type { ModelVersion } from '../core/model-version.ts';
import type { WorkerPool } from '../core/ports.ts';
import type { Registry } from '../core/registry.ts';

export interface ReloadOptions {
  readonly registry: Registry;
  /** Ends a version and all that belongs to it; what is queued and in hand may take `drainMs`. */
  end(version: ModelVersion, drainMs: number): Promise<void>;
  /** Follows what nobody waits for; a failure of it belongs in the log. */
  watch(change: Promise<void>, version: ModelVersion, message: string): void;
}

export class ModelReload {
  readonly #options: ReloadOptions;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<ModelVersion>>();

  constructor(options: ReloadOptions) {
    this.#options = options;
  }

  /**
   * Replaces `former` by what `prepare` makes; resolves with it once it is the one that answers. The former's requests may take `drainMs`
   * more. Fails with the reason when nothing can be made, when its first worker does not start, when `former` is gone meanwhile, and with the
   * signal's reason when that is aborted; then nothing has changed.
   */
  replace(
    former: ModelVersion,
    prepare: () => Promise<ModelVersion>,
    drainMs: number,
    signal: AbortSignal,
  ): Promise<ModelVersion> {
    const anySignal = AbortSignal.any([signal, this.#closing.signal]);
    const running = this.#replace(former, prepare, drainMs, anySignal);
    this.#running.add(running);
    const forget = () => this.#running.delete(running);
    running.then(forget, forget);
    return running;
  }

  /** Gives up what is under way; resolves when it has ended. Later reloads fail. */
  async close(): Promise<void> {
    this.#closing.abort(
      new ServingError('SERVER_STOPPING', 'The server is shutting down; no model is reloaded.', { retryAfterSec: 1 }),
    );
    await Promise.allSettled(this.#running);
  }

  async #replace(
    former: ModelVersion,
    prepare: () => Promise<ModelVersion>,
    drainMs: number,
    signal: AbortSignal,
  ): Promise<ModelVersion> {
    const { registry, end, watch } = this.#options;
    signal.throwIfAborted();
    const next = await prepare();
    const workers = workersFor(next, former);
    try {
      // One worker is enough to answer; the others of the new version start when those of the old one are on their way out.
      await firstWorker(next.pool, workers.maxWorkers, signal);
      registry.replace(former, next);
    } catch (error) {
      await end(next, 0);
      throw error;
    }
    watch(end(former, drainMs), former, 'a replaced version did not end well');
    if (workers.maxWorkers > 1) {
      const scaling = next.pool.scale({ ...workers, numberGpu: undefined, drainMs: 0, onFailure: 'keep' });
      watch(scaling, next, 'workers of a reloaded model did not start');
    }
    return next;
  }
}

/** Resolves when the pool's first worker is ready, at once when none is wanted. */
async function firstWorker(pool: WorkerPool, maxWorkers: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (maxWorkers === 0) return;
  let giveUp = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    giveUp = () => reject(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
  });
  try {
    const one = { minWorkers: 1, maxWorkers: 1, numberGpu: undefined, drainMs: 0, onFailure: 'keep' } as const;
    await Promise.race([pool.scale(one), aborted]);
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

/** What somebody scaled since the registration stays; otherwise the new version's own settings count. */
function workersFor(next: ModelVersion, { pool, spec }: ModelVersion): { minWorkers: number; maxWorkers: number } {
  const { minWorkers, maxWorkers } = pool;
  if (minWorkers !== spec.initialMinWorkers || maxWorkers !== spec.initialMaxWorkers) return { minWorkers, maxWorkers };
  return { minWorkers: next.spec.initialMinWorkers, maxWorkers: next.spec.initialMaxWorkers };
}
