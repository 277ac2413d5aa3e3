// Workers that others take the place of: the new one is ready before the old one drains, as far as the version may have one worker more for
// that; else the old one drains first. It decides the order; the pool starts and dismisses.
import type { ServingError } from '../core/errors.ts';
import type { Clock } from '../core/ports.ts';
import type { PoolMember } from './pool-member.ts';

/** A worker, as far as it matters here. */
export type Replaceable = Pick<PoolMember, 'isReady' | 'isFailing' | 'ended' | 'note'> & {
  readonly worker: Pick<PoolMember['worker'], 'id' | 'startFailure'>;
};

/** What the pool does for its replacements. */
export interface Crew<M extends Replaceable> {
  /** How many more processes there may be now; negative when there are too many. */
  freePlaces(): number;
  /** Starts a worker like `former`, at once or once `after` has ended. It is none of the version's workers yet. */
  startLike(former: M, after: Promise<void> | undefined): M;
  /** Puts `next` in the place of `former`, which finishes what it has and ends. */
  swap(former: M, next: M): void;
  /** Ends a worker that came to nothing. */
  discard(next: M): void;
  /** Why nothing came of a replacement: the version is stopping, or was scaled. */
  overtaken(): ServingError;
  log(level: 'info' | 'warn', worker: M, message: string, details: object): void;
}

export interface ReplacementsOptions<M extends Replaceable> {
  readonly crew: Crew<M>;
  readonly clock: Clock;
  /** How many workers more than it may have the version can have meanwhile; with 0 the old one drains first. */
  readonly maxSurge: number;
}

interface Replacement<M extends Replaceable> {
  readonly former: M;
  readonly reason: string;
  next: M | undefined;
  /** Whether `next` is the version's worker already, though it may not be ready. */
  hasSwapped: boolean;
  readonly done: Promise<M>;
  resolve(next: M): void;
  reject(error: ServingError): void;
}

/** After a replacement that could not start, none is tried unasked for so long; each further failure doubles it. */
const FIRST_PAUSE_MS = 60_000;
const MAX_PAUSE_MS = 1_800_000;

export class Replacements<M extends Replaceable> {
  readonly #options: ReplacementsOptions<M>;
  /** In the order in which they were asked for. */
  readonly #pending = new Set<Replacement<M>>();
  #isReviewing = false;
  #failures = 0;
  #pausedUntil = -Infinity;

  constructor(options: ReplacementsOptions<M>) {
    this.#options = options;
  }

  /** Workers that are to take the place of others, and are none of the version's yet. */
  get spares(): M[] {
    return [...this.#pending].flatMap(({ next, hasSwapped }) => (next === undefined || hasSwapped ? [] : [next]));
  }

  /**
   * Has a worker replaced; resolves with the new one when it is ready and the old one has ended. Fails with the reason when the new one does not
   * start (the old one stays, unless it had to drain first), and when the version is scaled or stopped meanwhile.
   */
  replace(former: M, reason: string): Promise<M> {
    const known = [...this.#pending].find((one) => one.former === former);
    if (known !== undefined) return known.done;
    let settle: Pick<Replacement<M>, 'resolve' | 'reject'> = { resolve: () => {}, reject: () => {} };
    const done = new Promise<M>((resolve, reject) => {
      settle = { resolve, reject };
    });
    // Nobody need wait for it.
    done.catch(() => {});
    former.note = `it is to be replaced: ${reason}`;
    this.#pending.add({ former, reason, next: undefined, hasSwapped: false, done, ...settle });
    this.review();
    return done;
  }

  /**
   * Has a worker replaced that nobody asked to replace; not while as many are on their way as may be, and for a while not after one that could not
   * start. Whoever sees a reason for it tells that again.
   */
  retire(former: M, reason: string): void {
    const isTooSoon = this.#options.clock.now() < this.#pausedUntil;
    if (!isTooSoon && this.#pending.size < this.#mostUnderWay) void this.replace(former, reason).catch(() => {});
  }

  /** Goes on as far as it can; called after anything has changed. */
  review(): void {
    // Starting and dismissing workers changes something.
    if (this.#isReviewing) return;
    this.#isReviewing = true;
    try {
      for (const replacement of this.#pending) {
        if (replacement.next === undefined) this.#begin(replacement);
        else if (replacement.next.isReady) this.#finish(replacement, replacement.next);
        else if (replacement.next.isFailing) this.#fail(replacement, replacement.next);
      }
    } finally {
      this.#isReviewing = false;
    }
  }

  /** The worker is not wanted any more: nothing takes its place. */
  forget(member: M): void {
    const { crew } = this.#options;
    for (const replacement of this.#pending) {
      const { former, next, hasSwapped } = replacement;
      if (hasSwapped ? next !== member : former !== member) continue;
      this.#pending.delete(replacement);
      if (next !== undefined && !hasSwapped) crew.discard(next);
      replacement.reject(crew.overtaken());
    }
  }

  #begin(replacement: Replacement<M>): void {
    const { crew, maxSurge } = this.#options;
    const { former, reason } = replacement;
    if (this.#underWay() >= this.#mostUnderWay) return;
    const hasPlace = crew.freePlaces() > 0;
    if (!hasPlace && maxSurge > 0) return;
    const next = crew.startLike(former, hasPlace ? undefined : former.ended);
    replacement.next = next;
    former.note = `it is being replaced by worker ${next.worker.id}: ${reason}`;
    next.note = `it replaces worker ${former.worker.id}: ${reason}`;
    crew.log('info', former, 'worker is replaced', { reason, by: next.worker.id });
    if (hasPlace) return;
    replacement.hasSwapped = true;
    crew.swap(former, next);
  }

  /** Limits that many workers reach together must not have them all replaced at once, whatever places there are. */
  get #mostUnderWay(): number {
    return Math.max(1, this.#options.maxSurge);
  }

  #underWay(): number {
    let count = 0;
    for (const { next } of this.#pending) if (next !== undefined) count += 1;
    return count;
  }

  #finish(replacement: Replacement<M>, next: M): void {
    const { former } = replacement;
    this.#pending.delete(replacement);
    this.#failures = 0;
    next.note = '';
    if (!replacement.hasSwapped) this.#options.crew.swap(former, next);
    void former.ended.then(() => replacement.resolve(next));
  }

  #fail(replacement: Replacement<M>, next: M): void {
    const { crew, clock } = this.#options;
    const { former, hasSwapped } = replacement;
    this.#pending.delete(replacement);
    const pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#pausedUntil = clock.now() + pauseMs;
    const error = next.worker.startFailure ?? crew.overtaken();
    if (!hasSwapped) {
      former.note = '';
      const details = { reason: error.message, nextTrySec: pauseMs / 1000 };
      crew.log('warn', former, 'worker stays: the one that was to replace it did not start', details);
      crew.discard(next);
    }
    replacement.reject(error);
  }
}
