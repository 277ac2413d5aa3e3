import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { HostAddress } from '../../../src/archive/checked-host.ts';
import { type Answering, type ArchiveHost, serveBytes, startHost } from '../../support/archive-host.ts';
import { allowedUrls, type DownloadBench, downloadBench } from '../../support/download-bench.ts';
import { rejectionOf } from '../../support/thrown.ts';

const BYTES = randomBytes(1000);
const LOOPBACK: HostAddress = { address: '127.0.0.1', family: 4 };
const PUBLIC: HostAddress = { address: '93.184.215.14', family: 4 };

const open: (DownloadBench | ArchiveHost)[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function bench(options: Parameters<typeof downloadBench>[0]) {
  const made = await downloadBench(options);
  open.push(made);
  return made;
}

async function host(answer: Answering = (request, response) => serveBytes(request, response, BYTES)) {
  const made = await startHost(answer);
  open.push(made);
  return made;
}

/** Hosts that mean this machine or its neighbours, as an attacker would write them. */
const PRIVATE_HOSTS = [
  '127.0.0.1',
  '127.1',
  '2130706433',
  '0177.0.0.1',
  '0177.1',
  '0x7f.1',
  '0x7f000001',
  '0X7F.0.0.0x1',
  '127.0.0.1.',
  '0',
  '0.0.0.0',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[0:0:0:0:0:ffff:127.0.0.1]',
  '[::127.0.0.1]',
  '[64:ff9b::127.0.0.1]',
  '[2002:7f00:1::]',
  '[fe80::1]',
  '[fd00:ec2::254]',
  'localhost',
  'LOCALHOST.',
  'a.localhost',
  '１２７.０.０.１',
  '127。0。0。1',
  '①②⑦.⓪.⓪.①',
  '%31%32%37.0.0.1',
  '169.254.169.254',
  '2852039166',
  '0xA9FEA9FE',
  '[::ffff:169.254.169.254]',
  '100.100.100.200',
  '168.63.129.16',
  '10.0.0.1',
  '172.16.0.1',
  '192.168.1.1',
  '224.0.0.1',
  '255.255.255.255',
  'good.example@127.0.0.1',
  'good.example:80@127.0.0.1',
];
/** A header travels as bytes. */
const asHeader = (text: string) => Buffer.from(text).toString('latin1');
const localNames = async (): Promise<HostAddress[]> => [LOOPBACK];

describe('a private target', () => {
  it.each(PRIVATE_HOSTS)('is refused as http://%s', async (name) => {
    const listed = ['https?://.*', 'file://.*|http(s)?://.*', undefined];
    for (const allowed of listed) {
      const { fetch, names } = await bench({ allowed, resolve: localNames });
      const error = await rejectionOf(fetch(`http://${name}:9/model.mar`));
      expect(error.code).toBe('URL_NOT_ALLOWED');
      expect(error.message).toContain('allowed_urls');
      expect(await names()).toEqual([]);
    }
  });

  it.each(PRIVATE_HOSTS)('is refused when a server redirects to http://%s, and is not asked', async (name) => {
    const trap = await host();
    const { origin, port } = await host(
      (_, response) =>
        void response.writeHead(302, { location: asHeader(`http://${name}:${trap.port}/model.mar`) }).end(),
    );
    const { fetch, names } = await bench({
      allowed: `http://front\\.example:${port}/.*,https?://.*`,
      resolve: localNames,
    });
    const error = await rejectionOf(fetch(`${origin.replace('127.0.0.1', 'front.example')}/model.mar`));
    expect(error.code).toBe('URL_NOT_ALLOWED');
    expect(error.message).toContain('redirects to');
    expect(trap.paths).toEqual([]);
    expect(await names()).toEqual([]);
  });

  it('is refused when only one of the addresses of a name is private', async () => {
    for (const addresses of [
      [PUBLIC, LOOPBACK],
      [LOOPBACK, PUBLIC],
      [PUBLIC, { address: '::1', family: 6 }],
    ]) {
      const { fetch } = await bench({ allowed: undefined, resolve: async () => addresses });
      const error = await rejectionOf(fetch('http://both.example/model.mar'));
      expect(error.code).toBe('URL_NOT_ALLOWED');
      expect(error.message).toContain('both.example leads to');
    }
  });

  it('is not reached by a name that is public when it is checked and private after that', async () => {
    const trap = await host();
    let asked = 0;
    const { downloads, fetch } = await bench({
      allowed: undefined,
      timeoutMs: 500,
      resolve: async () => (asked++ === 0 ? [PUBLIC] : [LOOPBACK]),
    });
    const error = await rejectionOf(fetch(`http://rebinding.example:${trap.port}/model.mar`));
    // One question, one answer, and that one is what was connected to.
    expect(asked).toBe(1);
    expect(error.code).toBe('DOWNLOAD_FAILED');
    expect(trap.paths).toEqual([]);
    await downloads.close();
  });

  it('is refused when a name becomes private between two attempts', async () => {
    // The proxy stands between, so that the first address can be a public one without anybody going there.
    const proxy = await host((_, response) => {
      response.writeHead(200, { 'content-length': 5000, etag: '"one"' });
      response.write(BYTES, () => response.socket?.destroy());
    });
    let asked = 0;
    const { fetch, names } = await bench({
      allowed: undefined,
      env: { http_proxy: proxy.origin },
      resolve: async () => (asked++ === 0 ? [PUBLIC] : [LOOPBACK]),
    });
    expect((await rejectionOf(fetch('http://flip.example/model.mar'))).code).toBe('URL_NOT_ALLOWED');
    expect(proxy.paths).toHaveLength(1);
    expect(await names()).toEqual([]);
  });

  it('is reached where an expression names it, by its name or its address', async () => {
    const { port } = await host();
    for (const [allowed, name] of [
      [`http://127\\.0\\.0\\.1:${port}/.*`, '127.0.0.1'],
      [`http://127\\.0\\.0\\.1:${port}/.*`, '2130706433'],
      [`http://minio\\.internal:${port}/.*`, 'minio.internal'],
    ] as const) {
      const { fetch } = await bench({ allowed, resolve: localNames });
      await fetch(`http://${name}:${port}/model.mar`);
    }
  });

  it('is reached in the dialect of TorchServe while nothing is listed', async () => {
    const { origin } = await host();
    const { fetch } = await bench({ allowed: undefined, unlisted: 'all' });
    expect((await fetch(`${origin}/model.mar`)).path).toContain('model.mar');
  });
});

describe('a redirect', () => {
  const to = (location: string | undefined, status = 302): Answering => {
    const headers = location === undefined ? {} : { location };
    return (request, response) =>
      request.url === '/model.mar'
        ? void response.writeHead(status, headers).end('somewhere else')
        : serveBytes(request, response, BYTES);
  };

  it.each([301, 302, 303, 307, 308])(
    'with %i is followed, and the file keeps the name that was asked for',
    async (status) => {
      const { origin } = await host(to('/other.mar?x=1', status));
      const { fetch } = await bench({});
      expect((await fetch(`${origin}/model.mar`)).path).toMatch(/model\.mar$/);
    },
  );

  it('must fit allowed_urls with its target', async () => {
    const trap = await host();
    const { origin } = await host(to(`${trap.origin}/other.mar`));
    const { fetch } = await bench({ allowed: `${origin.replaceAll('.', '\\.')}/.*` });
    const error = await rejectionOf(fetch(`${origin}/model.mar`));
    expect(error.code).toBe('URL_NOT_ALLOWED');
    expect(error.message).toContain(`redirects to ${trap.origin}`);
    expect(trap.paths).toEqual([]);
  });

  it.each([
    ['to a file', 'file:///etc/passwd', 'URL_NOT_ALLOWED'],
    ['to a word of a browser', 'data:text/plain,a', 'URL_NOT_ALLOWED'],
    ['to no URL', 'http://[::x]/', 'DOWNLOAD_FAILED'],
    ['to nowhere', undefined, 'DOWNLOAD_FAILED'],
  ])('%s is refused', async (_, location, code) => {
    const { origin } = await host(to(location));
    const { fetch, names } = await bench({ allowed: '.*', unlisted: 'all' });
    const allowed = await bench({ allowed: `${origin.replaceAll('.', '\\.')}/.*,file://.*` });
    expect((await rejectionOf(allowed.fetch(`${origin}/model.mar`))).code).toBe(code);
    expect((await rejectionOf(fetch(`${origin}/model.mar`))).code).toBe('URL_NOT_ALLOWED');
    expect(await names()).toEqual([]);
  });

  it('in a circle ends after five steps', async () => {
    const { origin, paths } = await host(
      (request, response) => void response.writeHead(302, { location: request.url ?? '/' }).end(),
    );
    const { fetch } = await bench({});
    const error = await rejectionOf(fetch(`${origin}/model.mar`));
    expect(error.code).toBe('DOWNLOAD_FAILED');
    expect(error.message).toContain('more than 5 times');
    expect(paths).toHaveLength(6);
  });

  it('takes user and password to the same server only', async () => {
    const elsewhere = await host();
    const here = await host((request, response) => {
      if (request.url === '/far.mar') return void response.writeHead(302, { location: `${elsewhere.origin}/x` }).end();
      if (request.url === '/near.mar') return void response.writeHead(302, { location: '/x' }).end();
      serveBytes(request, response, BYTES);
    });
    const { fetch } = await bench({});
    const origin = here.origin.replace('//', '//joe:secret@');
    await fetch(`${origin}/far.mar`);
    await fetch(`${origin}/near.mar`);
    expect(elsewhere.requests[0]?.headers.authorization).toBeUndefined();
    expect(here.requests.map(({ headers }) => headers.authorization !== undefined)).toEqual([true, true, true]);
  });
});

describe('a signed request', () => {
  const KEYS = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret', AWS_DEFAULT_REGION: 'eu-west-1' };

  it('is signed for the server that was asked, and for no other one', async () => {
    const elsewhere = await host();
    const here = await host((request, response) =>
      request.url === '/far.mar'
        ? void response.writeHead(307, { location: `${elsewhere.origin}/x` }).end()
        : serveBytes(request, response, BYTES),
    );
    const { fetch } = await bench({ env: KEYS });
    await fetch(`${here.origin}/model.mar`, { s3SseKms: true });
    await fetch(`${here.origin}/far.mar`, { s3SseKms: true });
    expect(here.requests[0]?.headers).toMatchObject({
      authorization: expect.stringMatching(/^AWS4-HMAC-SHA256 Credential=id\/\d{8}\/eu-west-1\/s3\/aws4_request,/),
      'x-amz-date': expect.stringMatching(/^\d{8}T\d{6}Z$/),
      'x-amz-content-sha256': expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(elsewhere.requests[0]?.headers.authorization).toBeUndefined();
  });

  it('is not sent without keys', async () => {
    const { origin, paths } = await host();
    const { fetch, names } = await bench({ env: {} });
    const error = await rejectionOf(fetch(`${origin}/model.mar`, { s3SseKms: true }));
    expect(error.code).toBe('DOWNLOAD_FAILED');
    expect(error.message).toContain('AWS_ACCESS_KEY_ID');
    expect(paths).toEqual([]);
    expect(await names()).toEqual([]);
  });
});

describe('through a proxy', () => {
  const unknown = async () => {
    throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
  };

  it('goes what the proxy of the environment is for, with its user and password', async () => {
    const proxy = await host();
    const env = { HTTP_PROXY: proxy.origin.replace('//', '//joe:secret@') };
    const { fetch } = await bench({ allowed: undefined, env, resolve: async () => [PUBLIC] });
    await fetch('http://models.example/model.mar');
    expect(proxy.paths).toEqual(['http://models.example/model.mar']);
    const expected = `Basic ${Buffer.from('joe:secret').toString('base64')}`;
    expect(proxy.requests[0]?.headers['proxy-authorization']).toBe(expected);
    expect(proxy.requests[0]?.headers.host).toBe('models.example');
  });

  it('goes a name that only the proxy knows, but never one that means this machine', async () => {
    const proxy = await host();
    const { fetch } = await bench({ allowed: undefined, env: { http_proxy: proxy.origin }, resolve: unknown });
    await fetch('http://models.example/model.mar');
    for (const name of ['localhost', 'x.localhost', '127.0.0.1', '2130706433', '[::ffff:10.0.0.1]'])
      expect((await rejectionOf(fetch(`http://${name}/other.mar`))).code).toBe('URL_NOT_ALLOWED');
    expect(proxy.paths).toHaveLength(1);
  });

  it('goes no name that leads to a private address here', async () => {
    const proxy = await host();
    const { fetch } = await bench({ allowed: undefined, env: { http_proxy: proxy.origin }, resolve: localNames });
    expect((await rejectionOf(fetch('http://inside.example/model.mar'))).code).toBe('URL_NOT_ALLOWED');
    expect(proxy.paths).toEqual([]);
  });

  it('goes nothing that NO_PROXY excepts', async () => {
    const [proxy, { origin }] = [await host(), await host()];
    const { fetch } = await bench({ env: { http_proxy: proxy.origin, no_proxy: '127.0.0.0/8' } });
    await fetch(`${origin}/model.mar`);
    expect(proxy.paths).toEqual([]);
  });

  it('is refused by a proxy in words that do not hold its password', async () => {
    const proxy = await host((_, response) => void response.writeHead(407).end());
    const env = { http_proxy: proxy.origin.replace('//', '//joe:secret@') };
    const { fetch, log } = await bench({ allowed: undefined, env, resolve: async () => [PUBLIC] });
    const error = await rejectionOf(fetch('http://models.example/model.mar'));
    expect(error.code).toBe('DOWNLOAD_FAILED');
    expect(JSON.stringify([error.message, error.details, log])).not.toContain('secret');
  });

  it('goes https in a tunnel to the name that was asked for, if the proxy opens one', async () => {
    const asked: string[] = [];
    const tunnels = createServer();
    tunnels.on('connect', (request, socket) => {
      asked.push(request.url ?? '');
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    });
    await new Promise<void>((resolve) => tunnels.listen(0, '127.0.0.1', resolve));
    const { port } = tunnels.address() as AddressInfo;
    const env = { HTTPS_PROXY: `http://joe:secret@127.0.0.1:${port}` };
    const { fetch, names } = await bench({ allowed: undefined, env, resolve: unknown });
    const error = await rejectionOf(fetch('https://models.example/model.mar')).finally(() => tunnels.close());
    expect(asked).toEqual(['models.example:443']);
    expect(error.code).toBe('DOWNLOAD_FAILED');
    expect(error.message).not.toContain('secret');
    expect(await names()).toEqual([]);
  });

  it('is refused where the variable cannot be read, without its value', async () => {
    const { fetch } = await bench({ env: { http_proxy: 'socks5://joe:secret@proxy' } });
    const error = await rejectionOf(fetch('http://127.0.0.1:9/model.mar'));
    expect(error.message).toContain('HTTP_PROXY');
    expect(error.message).not.toContain('secret');
  });
});

it('what is judged is what is fetched: the judge and the client read a URL alike', async () => {
  const { origin, port, paths } = await host();
  const { fetch } = await bench({ allowed: `http://127\\.0\\.0\\.1:${port}/a/b%20c\\.mar` });
  await fetch(`${origin}/a/%62%20c.mar`.replace('%62', 'b'));
  expect(paths).toEqual(['/a/b%20c.mar']);
  const verdict = (await allowedUrls('http://h/a/.*')).judge(new URL('http://h/a/%2e%2e/secret.mar'));
  expect(verdict).toBe('refused');
});
