// The bench's end of the processes that hold idle connections.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const PROCESS = fileURLToPath(new URL('idle-clients-process.mjs', import.meta.url));

export class IdleClients {
  #children;

  /** @param {number} processes that share the connections */
  constructor(processes) {
    this.#children = Array.from({ length: processes }, () => fork(PROCESS));
  }

  /**
   * Opens connections and has each of them answered once; resolves with how many are open.
   * @param {{ port: number, request: string, count: number }} order
   */
  async open({ port, request, count }) {
    const each = Math.ceil(count / this.#children.length);
    return this.#total((child) => child.send({ port, request, count: each }));
  }

  /** How many are still open. */
  count() {
    return this.#total((child) => child.send('count'));
  }

  async stop() {
    await Promise.all(
      this.#children.map((child) => {
        child.disconnect();
        return once(child, 'exit');
      }),
    );
  }

  async #total(order) {
    const reports = await Promise.all(
      this.#children.map((child) => {
        order(child);
        return once(child, 'message');
      }),
    );
    const failed = reports.find(([{ failed }]) => failed !== undefined);
    if (failed !== undefined) throw new Error(`idle connections: ${failed[0].failed}`);
    return reports.reduce((sum, [{ held }]) => sum + held, 0);
  }
}
