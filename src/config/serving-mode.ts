// How a model's requests belong together: sequences, batches that jobs join and leave, requests that may not wait. From the keys of
// model-config.yaml to the fields of a ModelSpec.
import { ServingError } from '../core/errors.ts';
import type { ModelSpec, RuntimeName } from '../core/model-spec.ts';
import type { SequenceHeaderNames } from '../core/sequence-headers.ts';

/** What an archive says about it; undefined where it says nothing. */
export interface ServingKeys {
  readonly sequenceBatching: boolean | undefined;
  readonly continuousBatching: boolean | undefined;
  readonly asyncCommunication: boolean | undefined;
  readonly useJobTicket: boolean | undefined;
  readonly sequenceMaxIdleMSec: number | undefined;
  readonly sequenceTimeoutMSec: number | undefined;
  readonly maxSequenceJobQueueSize: number | undefined;
  readonly maxNumSequence: number | undefined;
}

/** What an archive says that says nothing. */
export const NO_SERVING_KEYS: ServingKeys = {
  sequenceBatching: undefined,
  continuousBatching: undefined,
  asyncCommunication: undefined,
  useJobTicket: undefined,
  sequenceMaxIdleMSec: undefined,
  sequenceTimeoutMSec: undefined,
  maxSequenceJobQueueSize: undefined,
  maxNumSequence: undefined,
};

export interface ServingMode extends Pick<ModelSpec, 'sequences' | 'isContinuous' | 'needsIdleWorker'> {
  /** One line each about what was said to no effect. */
  readonly notices: readonly string[];
}

/** Clients that vanish are common: without a word of the archive, a sequence does not keep its place for ever. */
const DEFAULT_MAX_IDLE_MS = 300_000;

const SEQUENCE_KEYS = [
  'sequenceMaxIdleMSec',
  'sequenceTimeoutMSec',
  'maxSequenceJobQueueSize',
  'maxNumSequence',
] as const;

/** Throws MANIFEST_INVALID, where wrong values are refused, for what cannot be had together. */
export function servingMode(
  keys: ServingKeys,
  { runtime, headers, isStrict }: { runtime: RuntimeName; headers: SequenceHeaderNames; isStrict: boolean },
): ServingMode {
  const notices: string[] = [];
  const refuse = (parameter: string, why: string) => {
    const message = `model-config.yaml: ${parameter}: ${why}`;
    if (isStrict) throw new ServingError('MANIFEST_INVALID', message, { parameter, value: 'true' });
    notices.push(`${message}; it has no effect`);
  };
  const wantsContinuous = keys.continuousBatching === true;
  const isContinuous = wantsContinuous && runtime === 'python';
  if (wantsContinuous && !isContinuous) refuse('continuousBatching', 'only Python handlers can have it');
  if (isContinuous && keys.asyncCommunication === true)
    refuse('asyncCommunication', 'it cannot be had together with continuousBatching, which calls one function for all');
  const isStateful = keys.sequenceBatching === true;
  const idle = isStateful ? [] : SEQUENCE_KEYS.filter((key) => keys[key] !== undefined && keys[key] !== 0);
  for (const key of idle) notices.push(`model-config.yaml: "${key}" has no effect without sequenceBatching: true`);
  const sequences = {
    headers,
    maxSequences: keys.maxNumSequence ?? 1,
    maxWaitingJobs: keys.maxSequenceJobQueueSize ?? 1,
    maxIdleMs: keys.sequenceMaxIdleMSec ?? DEFAULT_MAX_IDLE_MS,
    lifetimeMs: keys.sequenceTimeoutMSec ?? 0,
  };
  return {
    sequences: isStateful ? sequences : undefined,
    isContinuous,
    needsIdleWorker: keys.useJobTicket ?? false,
    notices,
  };
}
