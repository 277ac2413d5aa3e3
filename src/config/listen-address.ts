// Addresses to listen on, as TorchServe writes them: `http://host:port` or `unix:/path`. Parsing and comparing only; whether an
// address is acceptable is decided in start-rules, and listening is the server's work.
import { BlockList, isIP } from 'node:net';
import { UnusableValue } from './unusable-value.ts';

/** Where to listen. `host` is a name or an IP address without brackets; port 0 lets the system choose. */
export type ListenAddress =
  | { readonly scheme: 'http'; readonly host: string; readonly port: number }
  | { readonly scheme: 'unix'; readonly path: string };

/** An `https://` address: a proper one, which this release cannot serve yet. */
export class TlsNotServed extends UnusableValue {}

const URL_FORM = /^(?<scheme>https?):\/\/(?:\[(?<v6>[^\]]*)\]|(?<name>[A-Za-z0-9._-]+))(?::(?<port>\d{1,5}))?\/?$/i;
const UNIX_FORM = /^unix:(?:\/\/)?(?<path>\/.+)$/i;
const MAX_SOCKET_PATH_BYTES = 107;

/**
 * Reads an address; without a port it takes `portWhenOmitted`.
 * @throws TlsNotServed for https, UnusableValue for anything that is no address
 */
export function parseListenAddress(text: string, portWhenOmitted: number): ListenAddress {
  const path = UNIX_FORM.exec(text)?.groups?.['path'];
  if (path !== undefined) {
    if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return { scheme: 'unix', path };
    throw new UnusableValue(
      `the path of a socket may have at most ${MAX_SOCKET_PATH_BYTES} bytes; choose a shorter one`,
    );
  }
  const parts = URL_FORM.exec(text)?.groups;
  if (parts === undefined)
    throw new UnusableValue('expected http://host:port, http://[IPv6 address]:port or unix:/path');
  if (parts['scheme']?.toLowerCase() === 'https') {
    throw new TlsNotServed(
      'this release does not serve TLS yet; use an http:// address on loopback, behind a proxy that ends TLS',
    );
  }
  const host = parts['v6'] ?? parts['name'] ?? '';
  if (parts['v6'] !== undefined && isIP(host) !== 6) {
    throw new UnusableValue('expected an IPv6 address within the brackets, for instance http://[::1]:8080');
  }
  const port = parts['port'] === undefined ? portWhenOmitted : Number(parts['port']);
  if (port > 65_535) throw new UnusableValue('expected a port from 0 to 65535');
  return { scheme: 'http', host, port };
}

/** The address as a URL, the inverse of parsing. */
export function formatListenAddress(address: ListenAddress): string {
  if (address.scheme === 'unix') return `unix:${address.path}`;
  return `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}

/** Whether only this machine can reach the address. A name other than `localhost` may mean any machine, so it does not count. */
export function isLoopback(address: ListenAddress): boolean {
  if (address.scheme === 'unix' || address.host.toLowerCase() === 'localhost') return true;
  const version = isIP(address.host);
  return version !== 0 && LOOPBACK.check(address.host, version === 6 ? 'ipv6' : 'ipv4');
}

/** Whether two settings mean one listener. Ports that the system chooses are never the same. */
export function isSameAddress(one: ListenAddress, other: ListenAddress): boolean {
  if (one.scheme === 'unix') return other.scheme === 'unix' && other.path === one.path;
  if (other.scheme === 'unix' || one.port === 0) return false;
  return one.port === other.port && one.host.toLowerCase() === other.host.toLowerCase();
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');
