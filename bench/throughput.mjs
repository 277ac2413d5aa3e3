// Requests a second, latency and CPU time a request of several subjects that take turns: A B A B …, so that what else the machine does falls
// on all of them.
import { requestText } from './exchange.mjs';
import { median } from './median.mjs';
import { cpuMicroseconds, treeOf } from './process-tree.mjs';

/**
 * @typedef {object} Sample
 * @property {number} ratePerSec
 * @property {number} p50Ms
 * @property {number} p99Ms
 * @property {number} cpuMicroseconds CPU time a request, of the subject's whole process tree
 *
 * @typedef {object} Contender
 * @property {import('./floor.mjs').Subject} subject
 * @property {string} path what it is asked
 */

/**
 * The median sample of each contender, in their order, and the median of each one's rate as a share of the first one's in the same round.
 * @param {import('./load.mjs').Load} load
 * @param {readonly Contender[]} contenders
 * @param {{ connections: number, rounds: number, durationMs: number }} plan
 * @returns {Promise<(Sample & { share: number })[]>}
 */
export async function compare(load, contenders, { connections, rounds, durationMs }) {
  const samples = contenders.map(() => /** @type {Sample[]} */ ([]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, contender] of contenders.entries())
      samples[index].push(await sample(load, contender, connections, durationMs));
  }
  return samples.map((own) => ({
    ratePerSec: median(own.map(({ ratePerSec }) => ratePerSec)),
    p50Ms: median(own.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(own.map(({ p99Ms }) => p99Ms)),
    cpuMicroseconds: median(own.map((one) => one.cpuMicroseconds)),
    share: median(own.map(({ ratePerSec }, round) => ratePerSec / samples[0][round].ratePerSec)),
  }));
}

async function sample(load, { subject, path }, connections, durationMs) {
  const pids = treeOf(subject.pid);
  const before = cpuMicroseconds(pids);
  const result = await load.run({ port: subject.port, request: requestText(path), connections, durationMs });
  const spent = cpuMicroseconds(pids) - before;
  return {
    ratePerSec: result.answers / (result.elapsedMs / 1000),
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    cpuMicroseconds: spent / result.answers,
  };
}
