// The bench's end of the load generator: one order out, one result back.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {object} Order
 * @property {number} port where to, on 127.0.0.1
 * @property {string} request its bytes, one character each; sent over and over
 * @property {number} connections how many requests are under way at a time
 * @property {number} durationMs
 *
 * @typedef {object} LoadResult
 * @property {number} answers
 * @property {number} refused answers with another status than 200
 * @property {number} lost connections that broke
 * @property {number} elapsedMs
 * @property {number} p50Ms
 * @property {number} p99Ms
 */

export class Load {
  #child = fork(fileURLToPath(new URL('load-process.mjs', import.meta.url)));

  /**
   * Runs one closed loop. Fails when a request was not answered with 200: figures of errors are no figures.
   * @param {Order} order
   * @returns {Promise<LoadResult>}
   */
  async run(order) {
    this.#child.send(order);
    const [result] = await once(this.#child, 'message');
    if (result.refused > 0 || result.lost > 0)
      throw new Error(`${result.refused} answers were not 200 and ${result.lost} connections broke`);
    return result;
  }

  stop() {
    this.#child.disconnect();
  }
}
