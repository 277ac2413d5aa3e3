// What a command that works with a server in its own process (`sconce dev`, `sconce invoke`) may change about it. A server that serves has none
// of these.
import type { PhaseReport } from './core/load-progress.ts';
import type { ModelSpec } from './core/model-spec.ts';
import type { ServingObserver } from './core/ports.ts';
import type { WorkerDebugger } from './workers/debugger.ts';

export interface ServerHooks {
  /** Whether links in model folders may lead anywhere. */
  readonly hasTrustedFolders?: boolean;
  /** Variables for workers, over those of the server's own environment. */
  readonly workerEnv?: NodeJS.ProcessEnv;
  /** Has the last word on the settings of a version. Throws a ServingError to refuse the model. */
  readonly adjustSpec?: (spec: ModelSpec) => ModelSpec;
  /** Workers start under this debugger. */
  readonly workerDebugger?: WorkerDebugger | undefined;
  /** Follows every request, as the metrics do. */
  readonly observer?: ServingObserver;
  /** Hears of every phase in which a model is loaded: its beginning, its bytes, its end. */
  readonly onLoadPhase?: (model: string, report: PhaseReport) => void;
  /** A handler took so long for a batch. */
  readonly onHandlerTime?: (handlerMs: number) => void;
}

/** An observer that tells both. */
export function bothObservers(first: ServingObserver, second: ServingObserver): ServingObserver {
  return {
    queued: (job) => {
      first.queued(job);
      second.queued(job);
    },
    dispatched: (job, waitedMs) => {
      first.dispatched(job, waitedMs);
      second.dispatched(job, waitedMs);
    },
    finished: (job, failure, tookMs) => {
      first.finished(job, failure, tookMs);
      second.finished(job, failure, tookMs);
    },
  };
}
