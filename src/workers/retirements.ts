// Looks after how long the workers of a version serve: those that have come to a limit of the model's are replaced.
import type { Clock } from '../core/ports.ts';
import { isUnlimited, retirementReason, type WorkerLimits } from '../core/retirement.ts';
import type { PoolMember } from './pool-member.ts';
import { Ticks } from './ticks.ts';

/** What a worker leaks between two looks comes on top of its limit; a look costs the reading of one small file for each worker. */
const LOOK_EVERY_MS = 200;

/** A worker, as far as it matters here. */
type Serving = Pick<PoolMember, 'use'>;

export interface RetirementsOptions<M extends Serving> {
  readonly clock: Clock;
  readonly limits: WorkerLimits;
  members(): readonly M[];
  retire(member: M, reason: string): void;
}

export class Retirements<M extends Serving> {
  readonly #options: RetirementsOptions<M>;
  readonly #ticks: Ticks;

  constructor(options: RetirementsOptions<M>) {
    this.#options = options;
    this.#ticks = new Ticks(options.clock, LOOK_EVERY_MS, () => this.#look());
  }

  /** Does nothing where nothing is limited. */
  start(): void {
    if (!isUnlimited(this.#options.limits)) this.#ticks.start();
  }

  stop(): void {
    this.#ticks.stop();
  }

  async #look(): Promise<void> {
    for (const member of this.#options.members()) {
      const seen = await member.use();
      const reason = seen && retirementReason(seen.limits, seen.use);
      // It may have gone while its memory was looked up.
      if (reason !== undefined && this.#options.members().includes(member)) this.#options.retire(member, reason);
    }
  }
}
