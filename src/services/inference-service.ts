// Predictions, explanations and customized descriptions: finds the version, decides how long the caller may wait, and queues the job.
import { randomUUID } from 'node:crypto';
import { ServingError } from '../core/errors.ts';
import type { Job, JobRequest } from '../core/job.ts';
import type { ModelSpec } from '../core/model-spec.ts';
import type { Clock } from '../core/ports.ts';
import type { Registry } from '../core/registry.ts';
import { withSequenceMarks } from '../core/sequence-headers.ts';

/** What a transport hands in. */
export interface InferenceRequest extends JobRequest {
  readonly model: string;
  /** The caller's own limit in milliseconds, undefined for none. */
  readonly timeoutMs: number | undefined;
}

export class InferenceService {
  readonly #registry: Registry;
  readonly #clock: Clock;
  #isClosed = false;

  constructor(registry: Registry, clock: Clock) {
    this.#registry = registry;
    this.#clock = clock;
  }

  /** Whether a model of this name is registered. */
  knows(model: string): boolean {
    return this.#registry.has(model);
  }

  /** Fails as `infer` would for this model and version, before a body has been read. */
  check(model: string, version: string | undefined): void {
    this.#registry.resolve(model, version);
  }

  /** Queues the request; the answer is read from the job, part by part. Throws a ServingError when it is refused. */
  infer(request: InferenceRequest): Job {
    if (this.#isClosed) throw new ServingError('SERVER_STOPPING', 'The server is shutting down.', { retryAfterSec: 1 });
    const { spec, scheduler } = this.#registry.resolve(request.model, request.requestedVersion);
    const modelLimitMs = spec.clientTimeoutMs > 0 ? spec.clientTimeoutMs : Infinity;
    const allowedMs = Math.min(request.timeoutMs ?? Infinity, modelLimitMs);
    return scheduler.submit(
      withSequence(request, spec),
      allowedMs === Infinity ? Infinity : this.#clock.now() + allowedMs,
    );
  }

  /** The name to use when the caller names none: the only model there is. */
  onlyModel(): string | undefined {
    const [only, ...others] = this.#registry.defaults();
    return others.length === 0 ? only?.spec.name : undefined;
  }

  /** From now on every request is refused; what was accepted goes on. */
  close(): void {
    this.#isClosed = true;
  }
}

/** A request of a stateful model belongs to a sequence: to the one that it names, or to a new one. */
function withSequence(request: InferenceRequest, { sequences }: ModelSpec): InferenceRequest {
  if (sequences === undefined || request.kind === 'describe') return request;
  const headers = withSequenceMarks(request.headers, sequences.headers, () => `ts-seq-${randomUUID()}`);
  return { ...request, headers };
}
