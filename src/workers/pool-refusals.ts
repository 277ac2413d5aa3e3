// In which words a version whose workers are missing, failing or going turns requests and changes away.
import { ServingError } from '../core/errors.ts';
import type { JobRequest } from '../core/job.ts';
import type { ModelSpec } from '../core/model-spec.ts';
import { namesOf } from '../core/refusals.ts';
import type { Worker } from './worker.ts';

type Named = Pick<ModelSpec, 'name' | 'version'>;
/** What is turned away, as far as its wording depends on it. */
type Asker = Pick<JobRequest, 'requestedVersion'>;

export function noWorker({ name, version }: Named, request: Asker): ServingError {
  const path = request.requestedVersion === undefined ? name : `${name}/${version}`;
  const message = `Model "${name}" has no worker. Add one on the management address: PUT /models/${path}?min_worker=1`;
  return new ServingError('NO_WORKER', message, namesOf(name, request));
}

export function unavailable(
  { name }: Named,
  request: Asker,
  { startFailure, reason, nextRetryAt }: Worker,
): ServingError {
  const why =
    startFailure === undefined
      ? `its worker keeps dying: ${reason}`
      : `its worker cannot start. ${startFailure.message}`;
  const retryAfterSec = Math.max(1, Math.ceil(((nextRetryAt?.getTime() ?? 0) - Date.now()) / 1000));
  const details = { ...namesOf(name, request), retryAfterSec };
  return new ServingError('MODEL_UNAVAILABLE', `Model "${name}" is not available: ${why}`, details, startFailure);
}

export function stopping({ name, version }: Named): ServingError {
  const message = `Version ${version} of model "${name}" is being stopped and takes no more requests.`;
  return new ServingError('MODEL_STOPPING', message, { model: name });
}

export function superseded({ name, version }: Named): ServingError {
  const message = `A later request changed the workers of version ${version} of model "${name}" before this one was done.`;
  return new ServingError('SCALE_SUPERSEDED', message, { model: name });
}

export function noSuchWorker({ name, version }: Named, id: string): ServingError {
  const message = `Version ${version} of model "${name}" has no worker ${id}; GET /models/${name}/${version} lists its workers.`;
  return new ServingError('WORKER_NOT_FOUND', message, { model: name, version, value: id });
}

export function notReadyInTime({ name, version, startupTimeoutSec }: ModelSpec): ServingError {
  const message = `No worker of version ${version} of model "${name}" was ready within its start-up timeout of ${startupTimeoutSec} s.`;
  return new ServingError('STARTUP_TIMEOUT', message, { model: name });
}
