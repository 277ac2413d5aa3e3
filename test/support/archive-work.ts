// An archive store for unit tests: it does in the test's own thread what a server does in threads of their own, which need the built files.
import { ArchiveStore, type ArchiveStoreOptions, type OpenOptions } from '../../src/archive/archive-store.ts';
import type { CacheWork } from '../../src/archive/archive-threads.ts';
import { CACHE_JOBS } from '../../src/archive/cache-jobs.ts';
import { LoadProgress } from '../../src/core/load-progress.ts';
import { FakeClock } from './fake-clock.ts';

/** Does the jobs where it is called. */
export const WORK_HERE: CacheWork = {
  run: async (name, argument, { signal, onProgress }) => {
    signal.throwIfAborted();
    const job = CACHE_JOBS[name] as (argument: unknown, control: object) => Promise<never>;
    const control = { throwIfAborted: () => signal.throwIfAborted(), progress: onProgress };
    return job(argument, control);
  },
  close: async () => undefined,
};

/** A store whose cache is below `folder`. */
export function archiveStore(folder: string, options: Partial<ArchiveStoreOptions> = {}): ArchiveStore {
  const defaults = { modelStore: folder, cacheDir: folder, cacheBytes: Number.MAX_SAFE_INTEGER, work: WORK_HERE };
  return new ArchiveStore({ ...defaults, ...options });
}

/** What a registration says that asks for nothing special. */
export function openOptions(changes: Partial<OpenOptions> = {}): OpenOptions {
  return { sha256: undefined, s3SseKms: false, progress: new LoadProgress(new FakeClock()), ...changes };
}
