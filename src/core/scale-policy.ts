// How many workers the load of a version asks for, between its bounds. Pure: the caller hands in what it sees, several times a second, and
// the time. It adds workers for requests that wait too long, and takes some away when even the busiest moment of the last minute had no use
// for them.

/** Why so many: for the log and for describe. */
export interface ScaleDecision {
  readonly workers: number;
  readonly reason: string;
}

/** Why a version has as many workers as it has. */
export interface ScalingReport {
  /** What the load says now. */
  readonly reason: string;
  /** When the load changed the number last; undefined when it has not yet. */
  readonly lastChange:
    | { readonly from: number; readonly to: number; readonly reason: string; readonly at: Date }
    | undefined;
}

/** What the policy looks at. */
export interface PoolLoad {
  readonly minWorkers: number;
  readonly maxWorkers: number;
  /** Workers that there are, also those that are still starting. */
  readonly workers: number;
  /** Those that take requests. */
  readonly ready: number;
  /** A worker that cannot start, by its id; undefined when there is none. */
  readonly failing: string | undefined;
  /** How many workers the requests in hand fill, for instance 1.5 when three are half full. */
  readonly busy: number;
  /** Whether a ready worker could begin with something at once. */
  readonly hasRoom: boolean;
  /** Requests that wait for a worker. */
  readonly waiting: number;
  /** Requests that workers have finished since the last look. */
  readonly finished: number;
}

export interface ScaleLimits {
  /** How long a request may wait for a worker before there should be more of them. */
  readonly targetQueueMs: number;
  /** Whether requests are refused, and do not wait, while every worker is busy. */
  readonly isRefusedWhenBusy: boolean;
}

/** So long the load has to be too much: a burst that is over sooner would be over before a further worker had started. */
const SUSTAINED_MS = 500;
/** After workers have been added, what they change is awaited for so long. Adding doubles at most, so this is quick all the same. */
const UP_COOL_DOWN_MS = 1_000;
/** So long the workers have to be too many: loads that come every few seconds, or once in half a minute, must not start and end them. */
const CALM_MS = 60_000;
/** The load of a moment is the mean over so long, so that single requests do not look like a full worker. */
const MOMENT_MS = 5_000;
/**
 * How full the workers that stay may become. Further ones are added at about 100 %, so there is far to go between taking one away and adding
 * one.
 */
const CALM_FILL = 0.6;
/** After so long, what was learned of a request's cost counts half: a batch of many costs less a request than the lone one before it. */
const COST_HALF_LIFE_MS = 5_000;

/** The mean load of a stretch of time. */
interface Moment {
  readonly startedAt: number;
  busySum: number;
  looks: number;
  /** Whether requests waited too long in it. */
  isPressed: boolean;
}

export class ScalePolicy {
  readonly #limits: ScaleLimits;
  readonly #moments: Moment[] = [];
  #lookedAt: number | undefined;
  /** Since when the load has been too much, without a break. */
  #pressedSince: number | undefined;
  #addedAt = -Infinity;
  /** Work done, in worker time, and what it was done for; both fade. */
  #workMs = 0;
  #finished = 0;

  constructor(limits: ScaleLimits) {
    this.#limits = limits;
  }

  /** Decides how many there should be; mostly as many as there are. Calls that come late count no more than others. */
  next(load: PoolLoad, now: number): ScaleDecision {
    // What was finished before the first look took a time that nobody knows.
    if (this.#lookedAt !== undefined) this.#learn(load, now - this.#lookedAt);
    this.#lookedAt = now;
    const queueMs = this.#queueMs(load);
    const isPressed = this.#isPressed(load, queueMs);
    if (!isPressed) this.#pressedSince = undefined;
    else this.#pressedSince ??= now;
    const moment = this.#note(load, isPressed, now);
    return isPressed ? this.#more(load, queueMs, now) : this.#fewer(load, moment, now);
  }

  /** How long a request that comes now would wait, with the workers that are there or on their way. */
  #queueMs(load: PoolLoad): number {
    if (load.waiting === 0 || load.workers === 0) return 0;
    return (load.waiting * this.#requestMs()) / load.workers;
  }

  /** What a request costs in worker time: at least what was spent on the one that is not over yet. */
  #requestMs(): number {
    return this.#workMs / Math.max(1, this.#finished);
  }

  #isPressed(load: PoolLoad, queueMs: number): boolean {
    // As long as no worker is ready, nothing is known but that all wait for the first.
    if (load.ready === 0 || load.hasRoom) return false;
    return this.#limits.isRefusedWhenBusy || queueMs > this.#limits.targetQueueMs;
  }

  #more(load: PoolLoad, queueMs: number, now: number): ScaleDecision {
    const { targetQueueMs, isRefusedWhenBusy } = this.#limits;
    const trouble = isRefusedWhenBusy
      ? 'every worker is busy, and requests may not wait'
      : `${counted(load.waiting, 'waiting request')}, about ${Math.round(queueMs)} ms of work for each worker, above the target of ${targetQueueMs} ms`;
    const stay = (why: string) => ({ workers: load.workers, reason: `${trouble}${why}` });
    if (load.workers >= load.maxWorkers) return stay(`; maxWorkers is ${load.maxWorkers}`);
    if (load.failing !== undefined) return stay(`; no worker is added while worker ${load.failing} cannot start`);
    if (now - (this.#pressedSince ?? now) < SUSTAINED_MS || now - this.#addedAt < UP_COOL_DOWN_MS) return stay('');
    const needed = isRefusedWhenBusy ? 0 : Math.ceil((load.waiting * this.#requestMs()) / targetQueueMs);
    this.#addedAt = now;
    return {
      workers: Math.min(load.maxWorkers, load.workers * 2, Math.max(needed, load.workers + 1)),
      reason: trouble,
    };
  }

  #fewer(load: PoolLoad, moment: Moment, now: number): ScaleDecision {
    const stay = {
      workers: load.workers,
      reason: `the requests in hand fill ${meanOf(moment).toFixed(1)} of ${counted(load.workers, 'worker')}`,
    };
    const since = Math.max(this.#moments[0]?.startedAt ?? now, this.#addedAt);
    if (now - since < CALM_MS || this.#moments.some(({ isPressed }) => isPressed)) return stay;
    const busiest = Math.max(...this.#moments.map(meanOf));
    // The last worker is not for load to take: a version without one refuses its requests.
    const workers = Math.max(1, load.minWorkers, Math.ceil(busiest / CALM_FILL));
    if (workers >= load.workers) return stay;
    const reason = `the busiest moment of the last ${CALM_MS / 1000} s filled ${busiest.toFixed(1)} of ${counted(load.workers, 'worker')}`;
    return { workers, reason };
  }

  #learn(load: PoolLoad, passedMs: number): void {
    const kept = 0.5 ** (passedMs / COST_HALF_LIFE_MS);
    this.#workMs = this.#workMs * kept + load.busy * passedMs;
    this.#finished = this.#finished * kept + load.finished;
  }

  /** Takes the look down, and gives the moment that it belongs to. */
  #note(load: PoolLoad, isPressed: boolean, now: number): Moment {
    let moment = this.#moments.at(-1);
    if (moment === undefined || now - moment.startedAt >= MOMENT_MS) {
      moment = { startedAt: now, busySum: 0, looks: 0, isPressed: false };
      this.#moments.push(moment);
    }
    moment.busySum += load.busy;
    moment.looks += 1;
    moment.isPressed ||= isPressed;
    while ((this.#moments[1]?.startedAt ?? Infinity) <= now - CALM_MS) this.#moments.shift();
    return moment;
  }
}

function meanOf({ busySum, looks }: Moment): number {
  return busySum / looks;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
