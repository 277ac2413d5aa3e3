// Whether a version takes requests, by what its workers are like: opens the door of its scheduler, or closes it with the reason.
import type { JobRequest } from '../core/job.ts';
import type { ModelSpec } from '../core/model-spec.ts';
import type { Scheduler } from '../core/scheduler.ts';
import type { PoolMember } from './pool-member.ts';
import { noWorker, stopping, unavailable } from './pool-refusals.ts';

/** A pool, as far as it matters here. */
export interface DoorView {
  readonly spec: ModelSpec;
  /** Those that are wanted. */
  readonly members: readonly PoolMember[];
  readonly maxWorkers: number;
  readonly isStopped: boolean;
}

/** To be called after anything has changed. What waits stays as long as somebody is there, or on the way, who could take it. */
export function tendDoor(scheduler: Scheduler, { spec, members, maxWorkers, isStopped }: DoorView): void {
  const failing = failingOf(members);
  if (isStopped) scheduler.refuse(() => stopping(spec));
  else if (maxWorkers === 0 || members.length === 0) {
    const refusal = (request: JobRequest) => noWorker(spec, request);
    scheduler.refuse(refusal);
    // Workers that are to go finish what waits.
    if (members.length === 0) scheduler.failWaiting(refusal);
  } else if (failing === undefined) scheduler.refuse(undefined);
  else {
    const refusal = (request: JobRequest) => unavailable(spec, request, failing.worker);
    scheduler.refuse(refusal);
    scheduler.failWaiting(refusal);
  }
}

/** One of these that says why none is ready, nor on its way without a known failure; undefined while there is hope. */
export function failingOf(members: readonly PoolMember[]): PoolMember | undefined {
  if (members.some(({ worker }) => worker.isReady || worker.isHopeful)) return undefined;
  // Between a death and a start that follows at once nothing is known to be wrong yet.
  return members.find(({ isFailing }) => isFailing);
}
