// Which proxy a request goes through, as the environment says: HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in upper or lower case.
import { BlockList, isIP } from 'node:net';

export type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/**
 * The proxy for a URL, undefined for none. The lower-case variable wins, as in curl; a proxy without a scheme is an http one. Throws a
 * plain Error, without the value (it may hold a password), when the variable cannot be read.
 */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  const name = url.protocol === 'https:' ? 'https_proxy' : 'http_proxy';
  const text = variable(name, env);
  if (text === '' || isExempt(url, variable('no_proxy', env))) return undefined;
  const written = text.includes('://') ? text : `http://${text}`;
  const proxy = URL.canParse(written) ? new URL(written) : undefined;
  if (proxy === undefined || DEFAULT_PORTS[proxy.protocol] === undefined) {
    throw new Error(`the variable ${name.toUpperCase()} is not the URL of an http or https proxy`);
  }
  return proxy;
}

function variable(name: string, env: Environment): string {
  return (env[name] || env[name.toUpperCase()] || '').trim();
}

/**
 * Entries are parted by commas or blanks: `*`, a name (which stands for its subdomains too, with or without a dot or `*.` before it), an
 * address, a network such as 10.0.0.0/8; each may end in `:port`.
 */
function isExempt(url: URL, noProxy: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const port = url.port === '' ? DEFAULT_PORTS[url.protocol] : url.port;
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      if (entry.includes('/')) return isInNetwork(host, entry);
      const [, name = '', wanted] = /^(\[[^\]]*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(entry) ?? [];
      if (wanted !== undefined && wanted !== port) return false;
      const bare = name.replace(/^\*?\.|^\[|\]$/g, '').replace(/\.$/, '');
      return bare !== '' && (host === bare || (isIP(host) === 0 && host.endsWith(`.${bare}`)));
    });
}

function isInNetwork(host: string, network: string): boolean {
  const [address = '', prefix = ''] = network.split('/');
  const family = isIP(address);
  if (isIP(host) !== family || family === 0 || !/^\d{1,3}$/.test(prefix)) return false;
  const bits = Number(prefix);
  if (bits > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  const type = family === 4 ? 'ipv4' : 'ipv6';
  list.addSubnet(address, bits, type);
  return list.check(host, type);
}
