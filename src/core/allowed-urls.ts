// Which URLs archives may come from, and whether such a URL may lead to a private address. The expressions themselves are compiled in
// config/url-patterns.ts; asking for addresses, and following redirects, is the business of archive/.

/** One expression of `allowed_urls`: it must fit a whole URL, in any case of letters. */
export interface UrlPattern {
  readonly text: string;
  matches(url: string): boolean;
}

/**
 * `refused`: not from there. `public-only`: only while every address of the host is a public one. `any-address`: the operator has named
 * this very host, so it may be a private one.
 */
export type UrlVerdict = 'refused' | 'public-only' | 'any-address';

/** What may be fetched where nobody has set `allowed_urls`. */
export type UnlistedUrls = 'public-http' | 'all';

/** Names that no host can have: the top-level name `invalid` is reserved. */
const STRANGER = 'sconce-7d1c40a9.invalid';

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

export class AllowedUrls {
  readonly #patterns: readonly UrlPattern[] | undefined;
  readonly #unlisted: UnlistedUrls;

  /** `patterns` is undefined where `allowed_urls` is not set; an empty list allows nothing. */
  constructor(patterns: readonly UrlPattern[] | undefined, unlisted: UnlistedUrls) {
    this.#patterns = patterns;
    this.#unlisted = unlisted;
  }

  /** Judges an http, https or file URL. User, password and fragment play no part: what is fetched is what is matched. */
  judge(url: URL): UrlVerdict {
    if (this.#patterns === undefined) {
      if (this.#unlisted === 'all') return 'any-address';
      return url.protocol === 'file:' ? 'refused' : 'public-only';
    }
    const matching = this.#patterns.filter((pattern) => fits(pattern, url));
    if (matching.length === 0) return 'refused';
    return matching.some((pattern) => namesHost(pattern, url)) ? 'any-address' : 'public-only';
  }
}

/**
 * Whether the pattern means the host of this URL, and not any host: it must not fit the same URL at a stranger's host. For a name, a
 * stranger may also be somebody whose domain begins with it (`http://models.corp.*` fits `http://models.corp.evil.example/`).
 */
function namesHost(pattern: UrlPattern, url: URL): boolean {
  if (fits(pattern, withHost(url, STRANGER))) return false;
  if (isLiteral(url.hostname) || /^localhost\.?$/.test(url.hostname)) return true;
  return !fits(pattern, withHost(url, `${url.hostname.replace(/\.$/, '')}.${STRANGER}`));
}

function fits(pattern: UrlPattern, url: URL): boolean {
  return spellings(url).some((text) => pattern.matches(text));
}

/** The URL as people write it in a pattern: without its port where that is the usual one, and with it. */
function spellings(url: URL): string[] {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  bare.hash = '';
  const port = DEFAULT_PORTS[url.protocol];
  if (port === undefined || bare.port !== '') return [bare.href];
  return [bare.href, bare.href.replace(`//${bare.host}`, `//${bare.host}:${port}`)];
}

function withHost(url: URL, hostname: string): URL {
  const other = new URL(url);
  other.hostname = hostname;
  return other;
}

function isLiteral(hostname: string): boolean {
  return hostname.startsWith('[') || /^[\d.]+$/.test(hostname);
}
