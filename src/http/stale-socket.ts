// The socket file of a server that was killed stays in the file system and would keep the next server from listening there. This tells it
// from the socket of a server that runs.
import { once } from 'node:events';
import { lstat, rm } from 'node:fs/promises';
import { connect } from 'node:net';

/** Removes the socket file at `path` when nobody listens on it. Every other file stays, and listening will say what is wrong. */
export async function removeStaleSocket(path: string): Promise<void> {
  const status = await lstat(path).catch(() => undefined);
  if (status?.isSocket() === true && !(await hasListener(path))) await rm(path, { force: true });
}

async function hasListener(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED');
  } finally {
    socket.destroy();
  }
}
