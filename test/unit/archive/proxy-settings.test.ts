import { describe, expect, it } from 'vitest';
import { type Environment, proxyFor } from '../../../src/archive/proxy-settings.ts';

const proxy = (url: string, env: Environment) => proxyFor(new URL(url), env)?.href;
const PROXY = 'http://proxy.corp:3128';

describe('the proxy of a URL', () => {
  it('comes from the variable of its scheme, in upper or lower case', () => {
    expect(proxy('http://a.example/', { HTTP_PROXY: PROXY })).toBe(`${PROXY}/`);
    expect(proxy('https://a.example/', { HTTP_PROXY: PROXY })).toBeUndefined();
    expect(proxy('https://a.example/', { https_proxy: PROXY })).toBe(`${PROXY}/`);
    expect(proxy('https://a.example/', { HTTPS_PROXY: 'http://other/', https_proxy: PROXY })).toBe(`${PROXY}/`);
    expect(proxy('https://a.example/', {})).toBeUndefined();
    expect(proxy('https://a.example/', { https_proxy: '', HTTPS_PROXY: '' })).toBeUndefined();
  });

  it('is an http one where it says no scheme', () => {
    expect(proxy('http://a.example/', { http_proxy: 'proxy.corp:3128' })).toBe(`${PROXY}/`);
  });

  it('is refused without its password when it cannot be used', () => {
    for (const HTTPS_PROXY of ['socks5://joe:secret@proxy', 'http://joe:secret@:x'])
      expect(() => proxy('https://a.example/', { HTTPS_PROXY })).toThrow(/^the variable HTTPS_PROXY [^:]*$/);
  });
});

describe('NO_PROXY', () => {
  it.each([
    ['*', 'http://a.example/', true],
    ['a.example', 'http://a.example/', true],
    ['a.example', 'http://sub.a.example/', true],
    ['.a.example', 'http://sub.a.example/', true],
    ['*.a.example', 'http://sub.a.example/', true],
    ['a.example', 'http://aa.example/', false],
    ['A.EXAMPLE', 'http://a.example/', true],
    ['a.example', 'http://a.example./', true],
    ['other, a.example', 'http://a.example/', true],
    ['other a.example', 'http://a.example/', true],
    ['a.example:8080', 'http://a.example:8080/', true],
    ['a.example:80', 'http://a.example/', true],
    ['a.example:8080', 'http://a.example/', false],
    ['10.0.0.0/8', 'http://10.1.2.3/', true],
    ['10.0.0.0/8', 'http://11.1.2.3/', false],
    ['10.0.0.0/99', 'http://10.1.2.3/', false],
    ['fd00::/8', 'http://[fd12::1]/', true],
    ['127.0.0.1', 'http://127.0.0.1:9000/', true],
    ['0.0.1', 'http://127.0.0.1/', false],
    ['[::1]', 'http://[::1]:9000/', true],
    ['::1', 'http://[::1]/', true],
    ['[::1]:9000', 'http://[::1]:9001/', false],
    ['', 'http://a.example/', false],
  ])('%s and %s: exempt %s', (NO_PROXY, url, isExempt) => {
    expect(proxy(url, { HTTP_PROXY: PROXY, NO_PROXY }) === undefined).toBe(isExempt);
    expect(proxy(url, { HTTP_PROXY: PROXY, no_proxy: NO_PROXY }) === undefined).toBe(isExempt);
  });
});
