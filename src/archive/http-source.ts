// One GET over http(s), through its redirects, up to the first byte of the answer. Each step is judged by allowed_urls and by the
// addresses of its host, and connects to exactly the addresses that were judged. Storing and resuming are http-transfer.ts's work.
import type { LookupOptions } from 'node:dns';
import { Agent, type Dispatcher, ProxyAgent, request } from 'undici';
import type { UrlVerdict } from '../core/allowed-urls.ts';
import { checkedAddresses, type HostAddress, isLocalName, PrivateHost, type Resolver } from './checked-host.ts';
import { codeOf, downloadFailed, urlNotAllowed } from './download-failure.ts';
import { type Environment, proxyFor } from './proxy-settings.ts';
import { awsKeys, signedHeaders } from './s3-signature.ts';

const MAX_REDIRECTS = 5;
const CONNECT_TIMEOUT_MS = 15_000;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What a resolver says of a name that it does not know, or cannot ask about. */
const UNKNOWN_NAME: ReadonlySet<string> = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_NODATA', 'ENODATA']);

export interface HttpSourceOptions {
  readonly judge: (url: URL) => Promise<UrlVerdict>;
  readonly resolve: Resolver;
  /** Proxies and AWS keys are looked up here. */
  readonly env: Environment;
  /** How long the head of an answer, and each next piece of its body, may take. */
  readonly silenceMs: number;
}

export interface HttpRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly isSigned: boolean;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  /** A header of the answer, undefined when absent; the first one where it stands several times. */
  header(name: string): string | undefined;
  readonly body: AsyncIterable<Buffer>;
  /** Ends the connection, whatever is still on its way. */
  close(): Promise<void>;
}

export class HttpSource {
  readonly #options: HttpSourceOptions;

  constructor(options: HttpSourceOptions) {
    this.#options = options;
  }

  /**
   * Asks for a URL and follows its redirects. Throws URL_NOT_ALLOWED for a step that may not be taken, DOWNLOAD_FAILED for a redirect that
   * leads nowhere, and the connection's own errors. The caller closes the answer.
   */
  async get(asked: URL, wanted: HttpRequest): Promise<HttpAnswer> {
    let url = asked;
    for (let step = 0; step <= MAX_REDIRECTS; step += 1) {
      const answer = await this.#ask(url, asked, wanted);
      if (!REDIRECTS.has(answer.status)) return answer;
      await answer.close();
      url = nextStep(url, answer.header('location'), asked);
    }
    throw downloadFailed(asked.href, `it was redirected more than ${MAX_REDIRECTS} times`);
  }

  async #ask(url: URL, asked: URL, { headers, isSigned, signal }: HttpRequest): Promise<HttpAnswer> {
    const { silenceMs } = this.#options;
    const dispatcher = await this.#dispatcherFor(url, asked);
    const target = new URL(url);
    target.username = '';
    target.password = '';
    target.hash = '';
    try {
      const {
        statusCode,
        headers: answered,
        body,
      } = await request(target, {
        dispatcher,
        signal,
        headersTimeout: silenceMs,
        bodyTimeout: silenceMs,
        headers: {
          accept: '*/*',
          'accept-encoding': 'identity',
          'user-agent': 'sconce',
          ...headers,
          ...this.#credentials(url, asked, isSigned),
        },
      });
      const close = async () => {
        // Whoever gives an answer up is not interested in how it ends.
        body.on('error', () => {});
        body.destroy();
        await dispatcher.destroy();
      };
      const header = (name: string) => {
        const value = answered[name];
        return Array.isArray(value) ? value[0] : value;
      };
      return { status: statusCode, header, body, close };
    } catch (thrown) {
      await dispatcher.destroy();
      throw thrown;
    }
  }

  /** A way to the URL's host that leads nowhere else. */
  async #dispatcherFor(url: URL, asked: URL): Promise<Dispatcher> {
    const verdict = await this.#options.judge(url);
    const whose = url === asked ? '' : ` (${asked.origin} redirects to ${url.origin})`;
    if (verdict === 'refused') throw urlNotAllowed(asked.href, `no expression of allowed_urls fits it${whose}`);
    const isPrivateAllowed = verdict === 'any-address';
    const proxy = readProxy(url, asked, this.#options.env);
    if (proxy !== undefined && !isPrivateAllowed && isLocalName(url)) {
      throw urlNotAllowed(
        asked.href,
        `${url.hostname} is this machine, which no expression of allowed_urls names${whose}`,
      );
    }
    const addresses = await this.#addresses(url, isPrivateAllowed, proxy !== undefined).catch((thrown: unknown) => {
      if (!(thrown instanceof PrivateHost)) throw thrown;
      throw urlNotAllowed(
        asked.href,
        `${thrown.message}, and no expression of allowed_urls names this host and no other${whose}`,
      );
    });
    if (proxy !== undefined) return proxyAgent(proxy);
    return new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS, lookup: pinnedTo(addresses) } });
  }

  /** A proxy asks for names itself; one that only the proxy knows is its own affair. */
  async #addresses(url: URL, isPrivateAllowed: boolean, hasProxy: boolean): Promise<readonly HostAddress[]> {
    try {
      return await checkedAddresses(url, this.#options.resolve, isPrivateAllowed);
    } catch (thrown) {
      if (hasProxy && UNKNOWN_NAME.has(codeOf(thrown) ?? '')) return [];
      throw thrown;
    }
  }

  /** User and password, and the signature, are for the server that was asked, not for one that it redirects to. */
  #credentials(url: URL, asked: URL, isSigned: boolean): Record<string, string> {
    if (url.origin !== asked.origin) return {};
    if (isSigned) return signedHeaders(url, readKeys(asked, this.#options.env), new Date());
    const { username, password } = url.username === '' && url.password === '' ? asked : url;
    if (username === '' && password === '') return {};
    return { authorization: `Basic ${Buffer.from(`${plain(username)}:${plain(password)}`).toString('base64')}` };
  }
}

function nextStep(from: URL, location: string | undefined, asked: URL): URL {
  // Headers come as Latin-1; servers write UTF-8 into this one.
  const text = Buffer.from(location ?? '', 'latin1').toString();
  if (text === '' || !URL.canParse(text, from.href)) {
    throw downloadFailed(asked.href, 'it was redirected without a usable Location');
  }
  const next = new URL(text, from);
  if (next.protocol !== 'http:' && next.protocol !== 'https:') {
    throw urlNotAllowed(
      asked.href,
      `${from.origin} redirects to a ${next.protocol} URL, and only http and https are followed`,
    );
  }
  if (from.protocol === 'https:' && next.protocol === 'http:') {
    throw urlNotAllowed(asked.href, `${from.origin} redirects from https to http, to ${next.origin}`);
  }
  return next;
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

function readProxy(url: URL, asked: URL, env: Environment): URL | undefined {
  try {
    return proxyFor(url, env);
  } catch (thrown) {
    throw downloadFailed(asked.href, thrown instanceof Error ? thrown.message : String(thrown));
  }
}

function readKeys(asked: URL, env: Environment) {
  try {
    return awsKeys(env);
  } catch (thrown) {
    throw downloadFailed(asked.href, thrown instanceof Error ? thrown.message : String(thrown));
  }
}

function proxyAgent(proxy: URL): ProxyAgent {
  const { username, password, origin } = proxy;
  const token = `Basic ${Buffer.from(`${plain(username)}:${plain(password)}`).toString('base64')}`;
  return new ProxyAgent({
    uri: origin,
    // Many proxies open tunnels to port 443 only.
    proxyTunnel: false,
    proxyTls: { timeout: CONNECT_TIMEOUT_MS },
    requestTls: { timeout: CONNECT_TIMEOUT_MS },
    ...(username === '' && password === '' ? {} : { token }),
  });
}

function plain(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}
