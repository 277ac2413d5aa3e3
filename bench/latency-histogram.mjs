// Latencies as counts in buckets: constant memory and no sorting while requests are under way.

const FINE_MS = 0.005;
const FINE_BUCKETS = 200_000;
const COARSE_MS = 1;
const COARSE_BUCKETS = 60_000;
const COARSE_FROM_MS = FINE_MS * FINE_BUCKETS;

/** Exact to 5 µs up to one second, and to 1 ms up to a minute; what takes longer counts as a minute. */
export class LatencyHistogram {
  #fine = new Uint32Array(FINE_BUCKETS);
  #coarse = new Uint32Array(COARSE_BUCKETS);
  count = 0;

  /** @param {number} latencyMs */
  add(latencyMs) {
    const fine = Math.floor(Math.max(0, latencyMs) / FINE_MS);
    if (fine < FINE_BUCKETS) this.#fine[fine] += 1;
    else this.#coarse[Math.min(COARSE_BUCKETS - 1, Math.floor((latencyMs - COARSE_FROM_MS) / COARSE_MS))] += 1;
    this.count += 1;
  }

  /**
   * The latency in milliseconds that `share` percent of all stay below, 0 when there are none.
   * @param {number} share
   */
  percentile(share) {
    if (this.count === 0) return 0;
    let left = Math.ceil((this.count * share) / 100);
    for (let bucket = 0; bucket < FINE_BUCKETS; bucket += 1) {
      left -= this.#fine[bucket];
      if (left <= 0) return (bucket + 1) * FINE_MS;
    }
    for (let bucket = 0; bucket < COARSE_BUCKETS; bucket += 1) {
      left -= this.#coarse[bucket];
      if (left <= 0) return COARSE_FROM_MS + (bucket + 1) * COARSE_MS;
    }
    return COARSE_FROM_MS + COARSE_BUCKETS * COARSE_MS;
  }
}
