// In which words a version's scheduler turns a job away, or gives it up.
import { ServingError } from './errors.ts';
import type { Job, JobRequest } from './job.ts';

/** The model, and the version where the caller named one, as error details. */
export function namesOf(
  model: string,
  request: Pick<JobRequest, 'requestedVersion'>,
): { model: string; version?: string } {
  return request.requestedVersion === undefined ? { model } : { model, version: request.requestedVersion };
}

export function queueFull(model: string, request: JobRequest, capacity: number, retryAfterSec: number): ServingError {
  const message = `The queue of model ${model} is full: ${capacity} requests wait already. Try again later, add workers, or raise job_queue_size.`;
  return new ServingError('QUEUE_FULL', message, { ...namesOf(model, request), retryAfterSec });
}

export function noIdleWorker(model: string, request: JobRequest, retryAfterSec: number): ServingError {
  const message = `Every worker of model ${model} is busy, and its useJobTicket lets no request wait. Try again later, or add workers.`;
  return new ServingError('NO_IDLE_WORKER', message, { ...namesOf(model, request), retryAfterSec });
}

/** At the present rate the answer would come too late. */
export function waitTooLong(
  model: string,
  request: JobRequest,
  times: { readonly allowedMs: number; readonly expectedMs: number; readonly retryAfterSec: number },
): ServingError {
  const { allowedMs, expectedMs, retryAfterSec } = times;
  const message = `The request allows ${Math.round(allowedMs)} ms, and behind those that wait for model ${model} it would take about ${Math.round(expectedMs)} ms. Try again later, allow more time, or add workers.`;
  return new ServingError('WAIT_TOO_LONG', message, { ...namesOf(model, request), retryAfterSec });
}

export function workersDied(model: string, job: Job): ServingError {
  const message = `${job.timesGivenBack} workers of model ${model} died one after the other before they had begun with the request; their log says why.`;
  return new ServingError('WORKER_DIED', message, { ...namesOf(model, job.request), retryAfterSec: 1 });
}

/** No word of when to try again: it would end the next worker, too. */
export function endedTwoWorkers(model: string, { request }: Job, death: ServingError): ServingError {
  const message = `The request was being computed when a worker of model ${model} died, and again when a second one did, so it is not tried a third time. ${death.message}`;
  const { exitCode } = death.details;
  return new ServingError('WORKER_DIED', message, {
    ...namesOf(model, request),
    ...(exitCode !== undefined && { exitCode }),
  });
}

export function deadlineExceeded(model: string, job: Job): ServingError {
  const allowedMs = Math.round(job.deadlineAt - job.arrivedAt);
  const where = job.state === 'queued' ? 'while it waited for a worker' : 'while the model computed it';
  const message = `The request allowed ${allowedMs} ms, and they were over ${where}.`;
  return new ServingError('DEADLINE_EXCEEDED', message, namesOf(model, job.request));
}

/** Its turn has come, and even the quickest answer would be late. */
export function deadlineOutOfReach(
  model: string,
  job: Job,
  { leftMs, neededMs }: { readonly leftMs: number; readonly neededMs: number },
): ServingError {
  const allowedMs = Math.round(job.deadlineAt - job.arrivedAt);
  const message = `The request allowed ${allowedMs} ms. ${Math.floor(leftMs)} ms of them were left when its turn came, and model ${model} takes at least ${Math.ceil(neededMs)} ms.`;
  return new ServingError('DEADLINE_EXCEEDED', message, namesOf(model, job.request));
}
