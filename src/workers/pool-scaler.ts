// Has a pool whose bounds differ follow the load between them: looks at it, asks the policy, and keeps what was decided for describe.
import type { Clock } from '../core/ports.ts';
import { type PoolLoad, type ScaleLimits, ScalePolicy, type ScalingReport } from '../core/scale-policy.ts';
import { Ticks } from './ticks.ts';

/** Often enough that a burst is answered within a second, and nothing beside the work of serving it. */
const LOOK_EVERY_MS = 200;

export interface ScalerOptions {
  readonly clock: Clock;
  readonly limits: ScaleLimits;
  load(): PoolLoad;
  resize(workers: number, reason: string): void;
}

export class PoolScaler {
  readonly #options: ScalerOptions;
  readonly #ticks: Ticks;
  #policy: ScalePolicy;
  #reason: string | undefined;
  #lastChange: ScalingReport['lastChange'];

  constructor(options: ScalerOptions) {
    this.#options = options;
    this.#policy = new ScalePolicy(options.limits);
    this.#ticks = new Ticks(options.clock, LOOK_EVERY_MS, () => this.#look());
  }

  /** Somebody has changed the bounds, or the number between them: what was seen before is no reason for anything any more. */
  start(): void {
    this.#policy = new ScalePolicy(this.#options.limits);
    this.#ticks.start();
  }

  /** The number of workers is fixed, or the version ends. */
  stop(): void {
    this.#ticks.stop();
    this.#reason = undefined;
    this.#lastChange = undefined;
  }

  /** Undefined for a fixed pool. */
  report(): ScalingReport | undefined {
    return this.#reason === undefined ? undefined : { reason: this.#reason, lastChange: this.#lastChange };
  }

  #look(): void {
    const { clock, load, resize } = this.#options;
    const seen = load();
    if (seen.workers === 0) return;
    const { workers, reason } = this.#policy.next(seen, clock.now());
    this.#reason = reason;
    if (workers === seen.workers) return;
    this.#lastChange = { from: seen.workers, to: workers, reason, at: new Date() };
    resize(workers, reason);
  }
}
