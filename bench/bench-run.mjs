// What a scenario gets: the builds that are measured, floors beside them, a load generator and the plan. It owns all that it starts, and stops
// it after each scenario.
import { fileURLToPath } from 'node:url';
import { startFloor } from './floor.mjs';
import { Load } from './load.mjs';
import { makeOnnxModels } from './onnx-models.mjs';
import { startSconce } from './sconce.mjs';
import { compare } from './throughput.mjs';

const OWN_MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/**
 * @typedef {object} Plan
 * @property {number} rounds in which the contenders of a comparison take turns
 * @property {number} durationMs of each turn
 * @property {boolean} isQuick whether only to see that everything works
 *
 * @typedef {object} Scenario
 * @property {string} name by which it is chosen
 * @property {string} title what stands above its rows
 * @property {(bench: BenchRun) => Promise<import('./report.mjs').Figure[] | LeftOut>} run
 *
 * @typedef {{ leftOut: string }} LeftOut why a scenario cannot be measured here
 */

export class BenchRun {
  /** @type {Plan} */
  plan;
  /** @type {Load} */
  load = new Load();
  /** What other processes used of the machine, in each comparison since the last `stopAll`. @type {number[]} */
  othersShares = [];
  #against;
  /** @type {{ stop: () => Promise<void> }[]} */
  #started = [];
  /** @type {ReturnType<typeof makeOnnxModels> | undefined} */
  #networks;

  /**
   * @param {Plan} plan
   * @param {string | undefined} against another build's main.js, which takes turns with this one
   */
  constructor(plan, against) {
    this.plan = plan;
    this.#against = against;
  }

  /** Keeps something until the end of the scenario. @template {{ stop: () => Promise<void> }} T @param {T} started @returns {T} */
  keep(started) {
    this.#started.push(started);
    return started;
  }

  /** A bare http server. @param {'noop' | 'echo'} answering */
  async floor(answering) {
    return this.keep(await startFloor(answering));
  }

  /** A server of this build. @param {string} [modelStore] @param {Readonly<Record<string, string>>} [settings] */
  async sconce(modelStore, settings) {
    return this.keep(await startSconce(OWN_MAIN, 'Sconce', modelStore, settings));
  }

  /** A server of this build, and one of the other where there is one. @param {string} [modelStore] @param {Readonly<Record<string, string>>} [settings] */
  async builds(modelStore, settings) {
    const own = await this.sconce(modelStore, settings);
    if (this.#against === undefined) return [own];
    return [own, this.keep(await startSconce(this.#against, 'the other build', modelStore, settings))];
  }

  /**
   * The contenders' medians, after a warm-up.
   * @param {readonly import('./throughput.mjs').Contender[]} contenders
   * @param {{ connections?: number, longer?: number }} [how] `longer`: how many times longer than others their turns are
   */
  async compare(contenders, { connections, longer = 1 } = {}) {
    const { rounds, isQuick } = this.plan;
    const durationMs = this.plan.durationMs * (isQuick ? 1 : longer);
    await compare(this.load, contenders, { connections, rounds: 1, durationMs: durationMs / 2, isPatient: false });
    const outcomes = await compare(this.load, contenders, { connections, rounds, durationMs, isPatient: !isQuick });
    this.othersShares.push(Math.max(...outcomes.map(({ othersShare }) => othersShare)));
    return outcomes;
  }

  /** Networks for ONNX models, made once; undefined without torch. */
  networks() {
    this.#networks ??= makeOnnxModels();
    return this.#networks;
  }

  /** Ends what the scenario has started. */
  async stopAll() {
    this.othersShares = [];
    await Promise.all(this.#started.splice(0).map((one) => one.stop()));
  }

  /** Ends the bench. */
  async close() {
    await this.stopAll();
    this.load.stop();
    await (await this.#networks)?.remove();
  }
}
