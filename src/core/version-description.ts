// A model version as a plain record: what describe knows, before any dialect has worded it.
import type { ModelSignature } from './model-signature.ts';
import type { ModelSpec } from './model-spec.ts';
import type { WorkerDescription } from './worker-state.ts';

export interface VersionDescription {
  readonly spec: ModelSpec;
  readonly isDefault: boolean;
  readonly minWorkers: number;
  readonly maxWorkers: number;
  readonly workers: readonly WorkerDescription[];
  /** Inputs and outputs of the model, where they are known. */
  readonly signature: ModelSignature | undefined;
  /** Requests that wait, and how many more may. */
  readonly waiting: number;
  readonly remainingCapacity: number;
}
