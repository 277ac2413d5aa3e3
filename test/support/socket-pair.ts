// Two ends of one connected socket, as the server and a worker have them, with nothing left open after the test.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SocketPair {
  readonly near: Socket;
  readonly far: Socket;
}

/** Connects two sockets through a listener that is gone before the pair is handed out. */
export async function socketPair(): Promise<SocketPair> {
  const folder = await mkdtemp(join(tmpdir(), 'sconce-pair-'));
  const server = createServer();
  try {
    server.listen(join(folder, 's'));
    await once(server, 'listening');
    const far = connect(join(folder, 's'));
    const [[near]] = (await Promise.all([once(server, 'connection'), once(far, 'connect')])) as [[Socket], unknown];
    return { near, far };
  } finally {
    server.close();
    await rm(folder, { recursive: true, force: true });
  }
}
