// A real HTTP server on loopback that gives out archives as a test wants it to: honest, slow, cut off, lying, redirecting.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

export type Answering = (request: IncomingMessage, response: ServerResponse, count: number) => void | Promise<void>;

export interface ArchiveHost {
  /** `http://127.0.0.1:port`, without a slash at the end. */
  readonly origin: string;
  readonly port: number;
  /** What was asked for so far, the path with its query. */
  readonly paths: string[];
  readonly requests: IncomingMessage[];
  close(): Promise<void>;
}

/** Starts a host; `answer` gets the number of the request, from 0. With `tls`, it speaks https. */
export async function startHost(answer: Answering, tls?: { key: string; cert: string }): Promise<ArchiveHost> {
  const paths: string[] = [];
  const requests: IncomingMessage[] = [];
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    paths.push(request.url ?? '');
    requests.push(request);
    // A test that cuts a connection does not want to hear of it.
    response.on('error', () => {});
    void answer(request, response, paths.length - 1);
  };
  const server: Server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    paths,
    requests,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Answers with these bytes, or with the part of them that a Range asks for when its If-Range still fits. */
export function serveBytes(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
  const condition = request.headers['if-range'];
  const fits = condition === undefined || condition === headers['etag'] || condition === headers['last-modified'];
  if (from === undefined || !fits) {
    response.writeHead(200, { 'content-length': bytes.length, ...headers });
    response.end(bytes);
    return;
  }
  const start = Number(from);
  const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
  response.writeHead(206, { 'content-length': bytes.length - start, 'content-range': range, ...headers });
  response.end(bytes.subarray(start));
}

/** Announces all the bytes, sends the first `count`, and drops the connection. */
export function serveCutOff(
  response: ServerResponse,
  bytes: Buffer,
  count: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(200, { 'content-length': bytes.length, ...headers });
  response.write(bytes.subarray(0, count), () => response.socket?.destroy());
}
