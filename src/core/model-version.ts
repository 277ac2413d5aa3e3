// One registered version of a model while it lives: its settings, its scheduler, its workers, and what must be released with it.
import type { LoadProgress } from './load-progress.ts';
import type { ModelSpec } from './model-spec.ts';
import type { WorkerPool } from './ports.ts';
import type { Scheduler } from './scheduler.ts';

export interface ModelVersion {
  readonly spec: ModelSpec;
  readonly scheduler: Scheduler;
  readonly pool: WorkerPool;
  /** How it came to be loaded, and how far that has got. */
  readonly progress: LoadProgress;
  /** Gives back the unpacked archive; called once, after the last worker has ended. */
  releaseArchive(): Promise<void>;
}
