// Latencies as counts in buckets: constant memory and no sorting while requests are under way.

const BUCKET_MS = 0.005;
const BUCKETS = 200_000;

/** Exact to 5 µs up to one second; what takes longer counts as one second. */
export class LatencyHistogram {
  #counts = new Uint32Array(BUCKETS);
  count = 0;

  /** @param {number} latencyMs */
  add(latencyMs) {
    this.#counts[Math.min(BUCKETS - 1, Math.floor(latencyMs / BUCKET_MS))] += 1;
    this.count += 1;
  }

  /**
   * The latency in milliseconds that `share` percent of all stay below, 0 when there are none.
   * @param {number} share
   */
  percentile(share) {
    let left = Math.ceil((this.count * share) / 100);
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      left -= this.#counts[bucket];
      if (left <= 0) return (bucket + 1) * BUCKET_MS;
    }
    return BUCKETS * BUCKET_MS;
  }
}
