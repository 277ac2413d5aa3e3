// The bench's end of the open-loop load generator: one order out, one result back.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {object} OpenOrder
 * @property {number} port where to, on 127.0.0.1
 * @property {string} request its bytes, one character each
 * @property {number} ratePerSec requests that begin in a second, evenly
 * @property {number} durationMs
 *
 * @typedef {{ count: number, p50Ms: number, p99Ms: number }} Times from the time at which the requests were meant to begin
 *
 * @typedef {object} OpenResult
 * @property {number} sent
 * @property {Times} accepted answers with 200
 * @property {Times} refused answers with 503
 * @property {number} withRetryAfter how many of the refusals said when to come again
 * @property {Readonly<Record<string, number>>} others answers by any other status
 * @property {number} lost requests without an answer
 * @property {number} goodputPerSec answers with 200 that came while requests were sent, a second
 * @property {number} latenessP99Ms how late the generator itself was
 */

export class OpenLoad {
  #child = fork(fileURLToPath(new URL('open-load-process.mjs', import.meta.url)));

  /**
   * @param {OpenOrder} order
   * @returns {Promise<OpenResult>}
   */
  async run(order) {
    this.#child.send(order);
    const [result] = await once(this.#child, 'message');
    return result;
  }

  async stop() {
    this.#child.disconnect();
    await once(this.#child, 'exit');
  }
}
