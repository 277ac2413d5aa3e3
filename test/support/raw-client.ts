// A client of one connection that sends exactly the bytes it is told to, when it is told to: half a request, a drip, a reset in the
// middle. http-exchange.ts and serving-client.ts are for clients with manners.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { until } from './fault-model.ts';

export class RawClient {
  readonly #socket: Socket;
  #arrived = '';
  /** How the connection ended: the server closed it, or it was reset. */
  readonly ended: Promise<'closed' | 'reset'>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#arrived += chunk.toString('latin1');
    });
    this.ended = new Promise((resolve) => {
      socket.once('error', () => resolve('reset'));
      socket.once('end', () => {
        socket.end();
        resolve('closed');
      });
      socket.once('close', () => resolve('closed'));
    });
  }

  /** Connects to `http://host:port`. It closes its side when told to, or when the server has closed its own. */
  static async open(address: string): Promise<RawClient> {
    const { hostname, port } = new URL(address);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  /** All that has come so far. */
  get arrived(): string {
    return this.#arrived;
  }

  /** The status of each answer that has begun, in order. */
  get statuses(): number[] {
    return [...this.#arrived.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  /** Resolves when the system has taken the bytes; at once when the connection is gone. */
  send(bytes: string | Uint8Array): Promise<void> {
    if (!this.#socket.writable) return Promise.resolve();
    return new Promise((resolve) => this.#socket.write(bytes, () => resolve()));
  }

  /** Resolves once what has come fits. */
  async untilArrived(pattern: RegExp): Promise<void> {
    await until(() => pattern.test(this.#arrived));
  }

  /** Closes this side: nothing more is sent, what comes is still taken. */
  finish(): void {
    this.#socket.end();
  }

  /** Takes nothing more from the connection, which stays open. */
  pause(): void {
    this.#socket.pause();
  }

  /** Breaks the connection off with a reset. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** The text of a request; Host and, with a body, Content-Length are added. */
export function requestText(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body: string | undefined = undefined,
): string {
  const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  const lines = Object.entries({ Host: 'localhost', ...length, ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body ?? ''}`;
}
