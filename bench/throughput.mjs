// Requests a second, latency and CPU time a request of several subjects that take turns: A B A B …, so that what else the machine does falls
// on all of them. Rounds that other processes disturbed are measured again, within reason.
import { availableParallelism } from 'node:os';
import { requestText } from './exchange.mjs';
import { median } from './median.mjs';
import { machineMicroseconds, treeMicroseconds } from './process-tree.mjs';

/** What other processes may use of the machine in a round that counts as quiet. */
const QUIET_SHARE = 0.05;
/** So many more rounds than wanted are measured at most; then the quietest count. */
const EXTRA_ROUNDS = 3;

/**
 * @typedef {object} Sample
 * @property {number} ratePerSec
 * @property {number} p50Ms
 * @property {number} p99Ms
 * @property {number} cpuMicroseconds CPU time a request, of the subject's whole process tree
 * @property {number} othersShare what processes that are not the bench's used of the machine's CPU time
 *
 * @typedef {object} Contender
 * @property {Pick<import('./floor.mjs').Subject, 'pid' | 'port'>} subject
 * @property {string} [path] what it is asked
 * @property {string} [request] the bytes of a request of its own instead
 * @property {number} [connections] instead of the plan's
 * @property {Pick<import('./load.mjs').Load, 'run'>} [load] what makes it work instead of the load generator
 */

/**
 * The medians of each contender, in their order.
 * @typedef {Sample & { shares: number[] }} Outcome `shares`: its rate beside that of each contender in the same round
 *
 * @param {import('./load.mjs').Load} load
 * @param {readonly Contender[]} contenders
 * @param {{ connections?: number, rounds: number, durationMs: number, isPatient?: boolean }} plan `isPatient`: whether disturbed rounds are
 *   measured again
 * @returns {Promise<Outcome[]>}
 */
export async function compare(load, contenders, plan) {
  const rounds = await quietestRounds(load, contenders, plan);
  const of = (index, value) => median(rounds.map((round) => value(round[index], round)));
  return contenders.map((_, index) => ({
    ratePerSec: of(index, (own) => own.ratePerSec),
    p50Ms: of(index, (own) => own.p50Ms),
    p99Ms: of(index, (own) => own.p99Ms),
    cpuMicroseconds: of(index, (own) => own.cpuMicroseconds),
    othersShare: of(index, (own) => own.othersShare),
    shares: contenders.map((_, beside) => of(index, (own, round) => own.ratePerSec / round[beside].ratePerSec)),
  }));
}

/** @returns {Promise<Sample[][]>} one list of samples a round, in the order of the contenders */
async function quietestRounds(load, contenders, { connections, rounds, durationMs, isPatient = true }) {
  const measured = [];
  const disturbance = (round) => Math.max(...round.map(({ othersShare }) => othersShare));
  const atMost = rounds + (isPatient ? EXTRA_ROUNDS : 0);
  let quiet = 0;
  while (quiet < rounds && measured.length < atMost) {
    const round = [];
    for (const contender of contenders)
      round.push(await sample(contender.load ?? load, contender, contender.connections ?? connections, durationMs));
    measured.push(round);
    if (disturbance(round) <= QUIET_SHARE) quiet += 1;
  }
  return measured.sort((one, other) => disturbance(one) - disturbance(other)).slice(0, rounds);
}

async function sample(load, { subject, path, request = requestText(path) }, connections, durationMs) {
  const before = { own: treeMicroseconds(subject.pid), bench: benchMicroseconds(), machine: machineMicroseconds() };
  const result = await load.run({ port: subject.port, request, connections, durationMs });
  const own = treeMicroseconds(subject.pid) - before.own;
  const others = machineMicroseconds() - before.machine - (benchMicroseconds() - before.bench);
  return {
    ratePerSec: result.answers / (result.elapsedMs / 1000),
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    cpuMicroseconds: own / result.answers,
    othersShare: Math.max(0, others / (result.elapsedMs * 1000 * availableParallelism())),
  };
}

/** The bench, its load generators and all subjects, be they asked or idle. */
function benchMicroseconds() {
  return treeMicroseconds(process.pid);
}
