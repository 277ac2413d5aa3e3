// One GET over http(s), through its redirects, up to the first byte of the answer. Each step is judged by allowed_urls and by the
// addresses of its host, and connects to exactly the addresses that were judged. The connection itself is http-get.ts's work.
import type { UrlVerdict } from '../core/allowed-urls.ts';
import { checkedAddresses, type HostAddress, isLocalName, PrivateHost, type Resolver } from './checked-host.ts';
import { codeOf, downloadFailed, urlNotAllowed } from './download-failure.ts';
import { basicCredentials, type HttpAnswer, httpGet } from './http-get.ts';
import { type Environment, proxyFor } from './proxy-settings.ts';
import { awsKeys, signedHeaders } from './s3-signature.ts';
import { unlessAborted } from './unless-aborted.ts';

const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What a resolver says of a name that it does not know, or cannot ask about. */
const UNKNOWN_NAME: ReadonlySet<string> = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_NODATA', 'ENODATA']);

export interface HttpSourceOptions {
  readonly judge: (url: URL) => UrlVerdict;
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
      answer.close();
      url = nextStep(url, answer.header('location'), asked);
    }
    throw downloadFailed(asked.href, `it was redirected more than ${MAX_REDIRECTS} times`);
  }

  async #ask(url: URL, asked: URL, { headers, isSigned, signal }: HttpRequest): Promise<HttpAnswer> {
    const { env, silenceMs } = this.#options;
    const verdict = this.#options.judge(url);
    const whose = url === asked ? '' : ` (${asked.origin} redirects to ${url.origin})`;
    if (verdict === 'refused') throw urlNotAllowed(asked.href, `no expression of allowed_urls fits it${whose}`);
    const isPrivateAllowed = verdict === 'any-address';
    const proxy = orFailed(asked, () => proxyFor(url, env));
    if (proxy !== undefined && !isPrivateAllowed && isLocalName(url)) {
      throw urlNotAllowed(
        asked.href,
        `${url.hostname} is this machine, which no expression of allowed_urls names${whose}`,
      );
    }
    const checked = this.#addresses(url, isPrivateAllowed, proxy !== undefined).catch((thrown: unknown) => {
      if (!(thrown instanceof PrivateHost)) throw thrown;
      throw urlNotAllowed(
        asked.href,
        `${thrown.message}, and no expression of allowed_urls names this host and no other${whose}`,
      );
    });
    const addresses = await unlessAborted(checked, signal);
    const bare = new URL(url);
    bare.username = '';
    bare.password = '';
    bare.hash = '';
    return await httpGet({
      url: bare,
      addresses,
      proxy,
      headers: {
        accept: '*/*',
        'accept-encoding': 'identity',
        'user-agent': 'sconce',
        ...headers,
        ...this.#credentials(url, asked, isSigned),
      },
      silenceMs,
      signal,
    });
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
    if (isSigned) {
      const keys = orFailed(asked, () => awsKeys(this.#options.env));
      return signedHeaders(url, keys, new Date());
    }
    const { username, password } = url.username === '' && url.password === '' ? asked : url;
    if (username === '' && password === '') return {};
    return { authorization: basicCredentials(username, password) };
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

/** What is read from the environment; a plain error in it becomes the download's. */
function orFailed<T>(asked: URL, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    throw downloadFailed(asked.href, thrown instanceof Error ? thrown.message : String(thrown));
  }
}
