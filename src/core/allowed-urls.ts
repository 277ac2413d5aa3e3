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

const SIGNS = '0123456789abcdefghijklmnopqrstuvwxyz';
const OTHER_SIGNS = '5678901234defabcqrstuvwxyzghijklmnop';

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

/** Whether the pattern means the host of this URL, or its domain or network, and would not fit the same URL at a stranger's host. */
function namesHost(pattern: UrlPattern, url: URL): boolean {
  return !strangersTo(url.hostname).some((stranger) => {
    const other = new URL(url);
    // What cannot be a host leaves the URL as it is.
    other.hostname = stranger;
    return other.hostname !== url.hostname && fits(pattern, other);
  });
}

/**
 * Hosts that an expression fits, too, unless it says whose host it means. Somebody else may own any name but this one: a name that differs
 * in one letter of its last two labels (`http://.*\\.com/.*`, `http://[\\w.]+/.*`, or a dot that stands for any letter), or one that goes
 * on (`http://models.corp.*` fits `http://models.corp.evil.example/`). Of an address, its first number must be meant.
 */
function strangersTo(hostname: string): string[] {
  const name = hostname.replace(/\.$/, '');
  const isAddress = name.startsWith('[') || /^[\d.]+$/.test(name);
  const ending = /[^.]*(?:\.[^.]*)?$/.exec(name);
  const owned = isAddress ? /[\da-f]+/.exec(name) : ending;
  const start = owned?.index ?? 0;
  const changed = [...(owned?.[0] ?? '')].map((sign, at) => {
    const index = start + at;
    return name.slice(0, index) + otherSign(sign) + name.slice(index + 1);
  });
  const goesOn = isAddress || name === 'localhost' ? [] : [`${name}.${STRANGER}`, `${name}.invalid`];
  return [STRANGER, ...goesOn, ...changed];
}

/** A letter for a letter, a digit for a digit, and in an IPv6 address one of its digits for another; a hyphen stays. */
function otherSign(sign: string): string {
  return OTHER_SIGNS[SIGNS.indexOf(sign)] ?? sign;
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
