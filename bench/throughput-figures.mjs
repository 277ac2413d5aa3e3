// The rows that every comparison has: rate, latencies and CPU time a request, each beside the floor's.

/**
 * @typedef {object} Goals
 * @property {import('./report.mjs').Target} [share] of the floor's rate
 * @property {import('./report.mjs').Target} [cpuMicroseconds] a request
 * @property {boolean} [hasNoLatencyFloor] whether the floor's latencies are of something else
 */

/**
 * The rows of one way of asking.
 * @param {string} name
 * @param {import('./throughput.mjs').Outcome} floor the first contender of the comparison
 * @param {readonly import('./throughput.mjs').Outcome[]} builds this one and, where there is one, the other
 * @param {Goals} [goals]
 * @returns {import('./report.mjs').Figure[]}
 */
export function throughputFigures(name, floor, [own, other], goals = {}) {
  const row = (label, unit, value, more) => ({
    name: label,
    value: value(own),
    unit,
    floor: value(floor),
    ...(other && { other: value(other) }),
    ...more,
  });
  const latency = goals.hasNoLatencyFloor === true ? { floor: undefined } : {};
  return [
    row(`${name}: rate`, 'req/s', ({ ratePerSec }) => ratePerSec, {
      ratio: own.shares[0],
      ...(goals.share && { target: { ...goals.share, isOfRatio: true } }),
    }),
    row('  p50', 'ms', ({ p50Ms }) => p50Ms, latency),
    row('  p99', 'ms', ({ p99Ms }) => p99Ms, latency),
    row('  CPU a request', 'µs', ({ cpuMicroseconds }) => cpuMicroseconds, {
      ...(goals.cpuMicroseconds && { target: goals.cpuMicroseconds }),
    }),
  ];
}

/**
 * Asks a floor and the builds for the same with one number of connections after the other.
 * @param {import('./bench-run.mjs').BenchRun} bench
 * @param {readonly import('./throughput.mjs').Contender[]} contenders the floor first
 * @param {readonly number[]} connections
 * @param {Readonly<Record<number, Goals>>} [goals] by the number of connections
 */
export async function sweep(bench, contenders, connections, goals = {}) {
  const figures = [];
  for (const count of connections) {
    const [floor, ...builds] = await bench.compare(contenders, { connections: count });
    figures.push(...throughputFigures(connectionsText(count), floor, builds, goals[count]));
  }
  return figures;
}

/** @param {number} count */
export function connectionsText(count) {
  return `${count} connection${count === 1 ? '' : 's'}`;
}
