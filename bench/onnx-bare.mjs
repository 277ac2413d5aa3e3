// Starts the floor of the ONNX part and gives it orders.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const PROCESS = fileURLToPath(new URL('onnx-bare-process.mjs', import.meta.url));

/** A process with one session; a subject that brings its own load. */
export class BareSession {
  #child;
  /** How long the creation of the session took, without the import of the runtime. */
  createMs;

  /** @param {import('node:child_process').ChildProcess} child @param {number} createMs */
  constructor(child, createMs) {
    this.#child = child;
    this.createMs = createMs;
  }

  /**
   * @param {string} network the path of an ONNX file with the input x
   * @param {readonly number[]} shape what each run computes: rows first
   */
  static async open(network, shape) {
    const env = { ...process.env, ORT_DISABLE_TELEMETRY: '1' };
    const child = fork(PROCESS, [network, JSON.stringify(shape)], { env });
    const [{ createMs }] = await once(child, 'message');
    return new BareSession(child, createMs);
  }

  get pid() {
    return this.#child.pid;
  }

  /**
   * Computes for a while; `answers` counts rows.
   * @param {{ durationMs: number }} order
   * @returns {Promise<Omit<import('./load.mjs').LoadResult, 'refused' | 'lost'>>}
   */
  async run({ durationMs }) {
    this.#child.send({ durationMs });
    const [result] = await once(this.#child, 'message');
    return result;
  }

  async stop() {
    this.#child.disconnect();
    await once(this.#child, 'exit');
  }
}
