// One sequence of a stateful model: what is known of it. What follows from that is decided in sequence-queue.
import type { Job } from './job.ts';
import type { BatchWorker, Timer } from './ports.ts';
import type { SequenceEnd } from './sequence-refusals.ts';

/** Requests that one worker is to have, one after the other. */
export interface Sequence {
  /** Undefined for a job that belongs to no sequence: a line of its own. */
  readonly id: string | undefined;
  /** Whether its client says when it begins one, and so can be told that it did not. */
  readonly isAnnounced: boolean;
  readonly waiting: Job[];
  /** The job that was given to a worker last. */
  current: Job | undefined;
  owner: BatchWorker | undefined;
  /** Whether a handler has seen any of it: from then on its state is with the owner. */
  hasBegun: boolean;
  /** Set once no further request may join, with what is to be said to those who ask. */
  ending: SequenceEnd | undefined;
  isClosed: boolean;
  idleTimer: Timer | undefined;
  lifetimeTimer: Timer | undefined;
}

/** `id` and `isAnnounced` as in Sequence. */
export function newSequence(id: string | undefined, isAnnounced: boolean): Sequence {
  return {
    id,
    isAnnounced,
    waiting: [],
    current: undefined,
    owner: undefined,
    hasBegun: false,
    ending: undefined,
    isClosed: false,
    idleTimer: undefined,
    lifetimeTimer: undefined,
  };
}

/** Whether a worker has a job of it that is not over. */
export function isUnderWay({ current }: Sequence): boolean {
  return current !== undefined && current.state !== 'ended';
}

/** Whether its worker still has a job that nobody waits for any more: the next one must not overtake it. */
export function isInHand({ owner, current }: Sequence): boolean {
  return owner !== undefined && current !== undefined && owner.holds(current);
}

/** Sorts by the age of the jobs that are next. */
export function byHead(one: Sequence, other: Sequence): number {
  return (one.waiting[0]?.id ?? 0) - (other.waiting[0]?.id ?? 0);
}
