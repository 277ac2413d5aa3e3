// A model version as a plain record: what describe knows, before any dialect has worded it.
import type { ServingError } from './errors.ts';
import type { PhaseReport } from './load-progress.ts';
import type { ModelSignature } from './model-signature.ts';
import type { ModelSpec } from './model-spec.ts';
import type { ScalingReport } from './scale-policy.ts';
import type { StartFailure } from './start-failure.ts';
import type { WorkerDescription } from './worker-state.ts';

export interface VersionDescription {
  readonly spec: ModelSpec;
  readonly isDefault: boolean;
  readonly minWorkers: number;
  readonly maxWorkers: number;
  readonly workers: readonly WorkerDescription[];
  /** How the workers follow the load; undefined where their number is fixed. */
  readonly scaling: ScalingReport | undefined;
  /** Inputs and outputs of the model, where they are known. */
  readonly signature: ModelSignature | undefined;
  /** The phases of its way to a ready worker, in their order. */
  readonly loading: readonly PhaseReport[];
  /** The latest start of a worker that failed, also when others have succeeded since. */
  readonly lastError: StartFailure | undefined;
  /** Requests that wait, and how many more may. */
  readonly waiting: number;
  readonly remainingCapacity: number;
  /** What the handler says of itself; undefined when nobody asked it. */
  readonly customized: CustomizedDescription | undefined;
}

/** The handler's own description: an object, or nothing, or the reason why there is none. */
export type CustomizedDescription = { readonly metadata: object | undefined } | { readonly failure: ServingError };

/** A registration that has no version yet: its archive or its environment is still on the way. */
export interface PendingDescription {
  /** As asked for or, as long as the archive has not been opened, guessed from the url. */
  readonly name: string;
  readonly url: string;
  readonly loading: readonly PhaseReport[];
}
