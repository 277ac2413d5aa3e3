// Starts the bare loop of the network in torch and gives it orders.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('torch_bare.py', import.meta.url));

/** A process with one network; a subject that brings its own load. */
export class BareTorch {
  #child;
  #lines;

  /** @param {import('node:child_process').ChildProcess} child @param {AsyncIterator<string>} lines */
  constructor(child, lines) {
    this.#child = child;
    this.#lines = lines;
  }

  /** @param {string} python an interpreter with torch and torchvision */
  static async open(python) {
    const child = spawn(python, [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const bare = new BareTorch(child, lines);
    await bare.#line();
    return bare;
  }

  get pid() {
    return this.#child.pid;
  }

  /**
   * Computes for a while; `answers` counts pictures.
   * @param {{ durationMs: number }} order
   * @returns {Promise<Omit<import('./load.mjs').LoadResult, 'refused' | 'lost'>>}
   */
  async run({ durationMs }) {
    this.#child.stdin.write(`${durationMs}\n`);
    return JSON.parse(await this.#line());
  }

  async stop() {
    this.#child.stdin.end();
    await once(this.#child, 'exit');
  }

  async #line() {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the bare loop in torch ended');
    return value;
  }
}
