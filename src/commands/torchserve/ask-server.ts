// One GET to a server on this machine, at an address as the server names its own.
import { request } from 'node:http';

export interface ServerAnswer {
  readonly status: number;
  readonly text: string;
}

/** Asks for `path`. `address` is `http://host:port` or `unix:/path`. Fails when no whole answer comes in `timeoutMs`. */
export function askServer(address: string, path: string, timeoutMs: number): Promise<ServerAnswer> {
  const signal = AbortSignal.timeout(timeoutMs);
  const target = address.startsWith('unix:') ? { socketPath: address.slice('unix:'.length), path } : undefined;
  return new Promise((resolve, reject) => {
    const asking =
      target === undefined ? request(reachable(address, path), { signal }) : request({ ...target, signal });
    asking.on('error', reject);
    asking.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    asking.end();
  });
}

/** An address that means every interface is one to listen on; to be reached, the server needs one of them. */
function reachable(address: string, path: string): URL {
  const url = new URL(path, address);
  if (url.hostname === '0.0.0.0') url.hostname = '127.0.0.1';
  if (url.hostname === '[::]') url.hostname = '[::1]';
  return url;
}
