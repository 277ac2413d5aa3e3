// What becomes of the jobs that a dead worker had: which of them another worker may have, and which are over. A job that ends one worker
// after the other must not end all of them.
import type { ServingError } from './errors.ts';
import type { Job } from './job.ts';
import { endedTwoWorkers, workersDied } from './refusals.ts';

/** How often a job may come back from workers that died before they had begun with it. */
const MAX_TIMES_GIVEN_BACK = 2;

export interface LossRules {
  readonly model: string;
  /** Whether a job that a dead worker had begun with may go to another one, once. */
  readonly retriesOnWorkerDeath: boolean;
}

export interface SortedLosses {
  /** Held by nobody and not over: they go back into the queue. */
  readonly back: readonly Job[];
  /** Over, because they were computed when two workers died. */
  readonly poison: readonly Job[];
}

/** `death` is what a job that was begun with ends with. */
export function sortLosses(jobs: readonly Job[], death: ServingError, rules: LossRules): SortedLosses {
  const back: Job[] = [];
  const poison: Job[] = [];
  for (const job of jobs) {
    if (job.state === 'held') {
      job.timesGivenBack += 1;
      if (job.timesGivenBack > MAX_TIMES_GIVEN_BACK) job.fail(workersDied(rules.model, job));
      else back.push(job);
    } else if (job.state === 'started') {
      const isPoison = job.isSuspect;
      if (isPoison) {
        job.fail(endedTwoWorkers(rules.model, job, death));
        poison.push(job);
      } else if (rules.retriesOnWorkerDeath && mayBeginAnew(job)) {
        job.lose();
        back.push(job);
      } else job.fail(death);
    }
  }
  return { back, poison };
}

/** A reader that has a part of the answer cannot have it from the beginning; who wants a description can ask again. */
function mayBeginAnew(job: Job): boolean {
  return !job.hasAnswered && job.request.kind !== 'describe';
}
