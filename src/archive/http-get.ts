// One GET to one server, up to the head of its answer: the connection (pinned to addresses, or through a proxy), and how long it may be
// silent. Whether it may be made is http-source.ts's decision, and what becomes of the answer http-transfer.ts's.
import type { LookupOptions } from 'node:dns';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { bareHost, type HostAddress } from './checked-host.ts';

const CONNECT_TIMEOUT_MS = 15_000;

export interface Get {
  /** Without user, password and fragment. */
  readonly url: URL;
  /** What its host may be connected to; a proxy chooses by itself. */
  readonly addresses: readonly HostAddress[];
  readonly proxy: URL | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** How long the head of the answer, and each next piece of its body, may take. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

/** The head of an answer, and its body as it arrives. */
export interface HttpAnswer {
  readonly status: number;
  /** A header of the answer, undefined when absent. */
  header(name: string): string | undefined;
  readonly body: AsyncIterable<Buffer>;
  /** Ends the connection, whatever is still on its way. */
  close(): void;
}

/** Why this side has ended a conversation. */
class GaveUp extends Error {
  readonly code: 'ETIMEDOUT' | 'NO_ANSWER' | 'SILENT' | 'TUNNEL_REFUSED';

  constructor(code: GaveUp['code']) {
    super(code);
    this.code = code;
  }
}

/** Sends the request. Throws errors with a `code`: one of GaveUp, or the system's. The caller closes the answer. */
export async function httpGet(get: Get): Promise<HttpAnswer> {
  const { url, proxy, silenceMs, signal } = get;
  const isPlainProxied = proxy !== undefined && url.protocol === 'http:';
  const socket = await connected(get);
  const asking = request({
    createConnection: () => socket,
    path: isPlainProxied ? url.href : `${url.pathname}${url.search}`,
    headers: { ...get.headers, host: url.host, ...(isPlainProxied ? proxyCredentials(proxy) : {}) },
    signal,
  });
  const answer = await answered<IncomingMessage>(asking, silenceMs, (resolve) => asking.once('response', resolve));
  const header = (name: string) => {
    const value = answer.headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  // Whoever gives an answer up is not interested in how it ends.
  const close = () => void answer.on('error', () => {}).destroy();
  return { status: answer.statusCode ?? 0, header, body: pieces(answer, silenceMs), close };
}

async function connected({ url, addresses, proxy, silenceMs, signal }: Get): Promise<Socket> {
  const isSecure = url.protocol === 'https:';
  if (proxy === undefined) return await opened(socketTo(url, pinnedTo(addresses)), isSecure, signal);
  const toProxy = await opened(socketTo(proxy), proxy.protocol === 'https:', signal);
  if (!isSecure) return toProxy;
  try {
    await openTunnel(toProxy, url, proxy, silenceMs, signal);
    return await opened(connectTls({ socket: toProxy, ...tlsOptions(url) }), true, signal);
  } catch (thrown) {
    toProxy.destroy();
    throw thrown;
  }
}

function socketTo(url: URL, lookup?: ReturnType<typeof pinnedTo>): Socket {
  const isSecure = url.protocol === 'https:';
  const port = Number(url.port) || (isSecure ? 443 : 80);
  const options = { host: bareHost(url), port, ...(lookup === undefined ? {} : { lookup }) };
  return isSecure ? connectTls({ ...options, ...tlsOptions(url) }) : connect(options);
}

/** The name that the certificate must be for: without the dot that ends a full name, and none for an address. */
function tlsOptions(url: URL) {
  const host = bareHost(url);
  return { ALPNProtocols: ['http/1.1'], host, servername: isIP(host) === 0 ? host.replace(/\.$/, '') : '' };
}

/** The socket once it is connected, with its certificate checked where it is secure. */
async function opened(socket: Socket, isSecure: boolean, signal: AbortSignal): Promise<Socket> {
  // One that fails between two steps is noticed at the next one.
  socket.on('error', () => {});
  const giveUp = () => socket.destroy(new GaveUp('ETIMEDOUT'));
  const timer = setTimeout(giveUp, CONNECT_TIMEOUT_MS);
  signal.addEventListener('abort', giveUp);
  try {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      socket.once(isSecure ? 'secureConnect' : 'connect', resolve).once('error', reject);
      socket.once('close', () => reject(new GaveUp('ETIMEDOUT')));
    });
    return socket;
  } catch (thrown) {
    socket.destroy();
    throw thrown;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
}

/** Has the proxy connect its side of the socket to the URL's host. */
function openTunnel(toProxy: Socket, url: URL, proxy: URL, silenceMs: number, signal: AbortSignal): Promise<void> {
  const place = `${url.hostname}:${url.port || 443}`;
  const asking = request({
    method: 'CONNECT',
    createConnection: () => toProxy,
    path: place,
    headers: { host: place, ...proxyCredentials(proxy) },
    signal,
  });
  return answered<void>(asking, silenceMs, (resolve, reject) => {
    asking.once('connect', ({ statusCode }) => {
      if (statusCode === 200) resolve();
      else reject(new GaveUp('TUNNEL_REFUSED'));
    });
  });
}

/** Sends the request and waits for what `listen` calls an answer. */
async function answered<T>(
  asking: ClientRequest,
  silenceMs: number,
  listen: (resolve: (answer: T) => void, reject: (error: Error) => void) => void,
): Promise<T> {
  const giveUp = () => asking.destroy(new GaveUp('NO_ANSWER'));
  const timer = setTimeout(giveUp, silenceMs);
  try {
    return await new Promise<T>((resolve, reject) => {
      listen(resolve, reject);
      // Without an error it closes where the server wants to go on in another protocol.
      asking.on('error', reject).once('close', () => reject(new GaveUp('NO_ANSWER')));
      asking.end();
    });
  } finally {
    clearTimeout(timer);
  }
}

/** The body; the time that its reader takes does not count as silence. */
async function* pieces(answer: IncomingMessage, silenceMs: number): AsyncGenerator<Buffer> {
  const watch = () => setTimeout(() => answer.destroy(new GaveUp('SILENT')), silenceMs);
  let timer = watch();
  try {
    for await (const piece of answer) {
      clearTimeout(timer);
      yield piece;
      timer = watch();
    }
  } finally {
    clearTimeout(timer);
  }
}

/** A lookup that knows its answer. */
function pinnedTo(addresses: readonly HostAddress[]) {
  return (
    _hostname: string,
    options: LookupOptions,
    callback: (error: Error | null, address: string | HostAddress[], family?: number) => void,
  ): void => {
    const fitting = addresses.filter(({ family }) => !options.family || options.family === family);
    const [first] = fitting;
    if (first === undefined) callback(Object.assign(new Error('no address of this family'), { code: 'ENOTFOUND' }), '');
    else if (options.all) callback(null, [...fitting]);
    else callback(null, first.address, first.family);
  };
}

function proxyCredentials({ username, password }: URL): Record<string, string> {
  return username === '' && password === '' ? {} : { 'proxy-authorization': basicCredentials(username, password) };
}

/** The value of an Authorization header for the user and the password of a URL, as they stand there. */
export function basicCredentials(username: string, password: string): string {
  return `Basic ${Buffer.from(`${plain(username)}:${plain(password)}`).toString('base64')}`;
}

function plain(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}
