// A TCP proxy that treats connections as bad networks do: late, in crumbs, cut, half-closed, with bits that flipped on the way.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** `request`: from the client to the server; `answer`: the other way. */
export type Direction = 'request' | 'answer';

export interface NetworkFaults {
  /** Every chunk comes this much later. */
  readonly delayMs?: number;
  /** Chunks are cut into pieces of this size, each sent on its own. */
  readonly crumbBytes?: number;
  /** After so many bytes in one direction the connection is reset at both ends, or that direction is closed. */
  readonly cut?: { readonly direction: Direction; readonly afterBytes: number; readonly how: 'reset' | 'half-close' };
  /** At these offsets of one direction a bit is turned. */
  readonly flips?: { readonly direction: Direction; readonly at: readonly number[] };
}

export class FaultProxy {
  /** `http://host:port` of the proxy. */
  readonly address: string;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
    this.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Opens a proxy before `http://host:port`; the faults are those of every connection. */
  static async before(target: string, faults: NetworkFaults): Promise<FaultProxy> {
    const { hostname, port } = new URL(target);
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const upstream = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.once('close', () => sockets.delete(socket));
      }
      // An end that breaks takes the other along, as it would without a proxy.
      client.once('close', () => upstream.destroy());
      upstream.once('close', () => client.destroy());
      pass('request', client, upstream, faults);
      pass('answer', upstream, client, faults);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FaultProxy(server, sockets);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

function pass(direction: Direction, from: Socket, to: Socket, faults: NetworkFaults): void {
  const cut = faults.cut?.direction === direction ? faults.cut : undefined;
  const flips = faults.flips?.direction === direction ? faults.flips.at : [];
  let seenBytes = 0;
  let isCut = false;
  const later = (action: () => void) => {
    if (faults.delayMs === undefined) action();
    else setTimeout(action, faults.delayMs);
  };
  from.on('data', (chunk: Buffer) => {
    if (isCut) return;
    const bytes = Buffer.from(chunk);
    for (const at of flips) {
      const index = at - seenBytes;
      const byte = bytes[index];
      if (byte !== undefined) bytes[index] = byte ^ 1;
    }
    const allowed = cut === undefined ? bytes.length : Math.max(0, cut.afterBytes - seenBytes);
    seenBytes += bytes.length;
    isCut = cut !== undefined && seenBytes >= cut.afterBytes;
    const kept = bytes.subarray(0, allowed);
    const size = faults.crumbBytes ?? kept.length;
    later(() => {
      for (let start = 0; start < kept.length; start += size) to.write(kept.subarray(start, start + size));
      if (!isCut) return;
      if (cut?.how === 'half-close') to.end();
      else for (const socket of [from, to]) socket.resetAndDestroy();
    });
  });
  from.on('end', () => later(() => to.end()));
}
