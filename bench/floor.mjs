// Starts and stops the floor's process.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {object} Subject something that answers the bench's request
 * @property {string} name
 * @property {number} pid its root process
 * @property {number} port where it answers, on 127.0.0.1
 * @property {() => Promise<void>} stop
 */

/**
 * @param {'noop' | 'echo'} answering
 * @returns {Promise<Subject>}
 */
export async function startFloor(answering = 'noop') {
  const child = fork(fileURLToPath(new URL('floor-server.mjs', import.meta.url)), [answering]);
  const [{ port }] = await once(child, 'message');
  return {
    name: 'bare http',
    pid: child.pid,
    port,
    stop: async () => {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}
