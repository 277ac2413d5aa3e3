// The sums of each model version that the server ever had, and the queues whose lengths are asked for when metrics are collected.
import type { BatchTime } from '../core/batch-time.ts';

/** What can be asked about a version when metrics are collected. */
export interface QueueGauge {
  readonly waiting: number;
  readonly running: number;
  /** What its batches cost; undefined as long as too little is known. */
  readonly batchTime: BatchTime | undefined;
}

/** Sums of one model version; hot paths only add to them. */
export interface VersionSums {
  accepted: number;
  answered: number;
  queueMicroseconds: number;
  totalMicroseconds: number;
  readonly failures: Map<string, number>;
  /** More than one while a version takes the place of another. */
  readonly queues: Set<QueueGauge>;
}

export interface VersionEntry {
  readonly name: string;
  readonly version: string;
  readonly sums: VersionSums;
}

export class VersionTable {
  readonly #entries = new Map<string, VersionEntry>();

  /** The entry of a version, made when it is asked for first; sums go on when a version is registered again. */
  of(name: string, version: string): VersionEntry {
    const key = `${name}\n${version}`;
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const sums: VersionSums = {
      accepted: 0,
      answered: 0,
      queueMicroseconds: 0,
      totalMicroseconds: 0,
      failures: new Map(),
      queues: new Set(),
    };
    const added = { name, version, sums };
    this.#entries.set(key, added);
    return added;
  }

  all(): Iterable<VersionEntry> {
    return this.#entries.values();
  }
}
