import { describe, expect, it } from 'vitest';
import { allowedUrls } from '../../support/download-bench.ts';

async function verdict(list: string | undefined, url: string, unlisted?: 'public-http' | 'all') {
  return (await allowedUrls(list, unlisted)).judge(new URL(url));
}

describe('without a list', () => {
  it('allows http and https to public addresses only', async () => {
    expect(await verdict(undefined, 'http://host.example/a.mar')).toBe('public-only');
    expect(await verdict(undefined, 'https://host.example/a.mar')).toBe('public-only');
    expect(await verdict(undefined, 'file:///srv/a.mar')).toBe('refused');
  });

  it('allows everything where the dialect is TorchServe’s', async () => {
    for (const url of ['http://127.0.0.1/a.mar', 'https://host.example/a.mar', 'file:///srv/a.mar'])
      expect(await verdict(undefined, url, 'all')).toBe('any-address');
  });
});

describe('with a list', () => {
  it.each(['public-http', 'all'] as const)('refuses what no expression fits as a whole (%s)', async (unlisted) => {
    const list = 'https://models\\.example/.*\\.mar,file:///srv/models/.*';
    expect(await verdict(list, 'https://models.example/a.tar.gz', unlisted)).toBe('refused');
    expect(await verdict(list, 'https://models.example/a.mar?x=1', unlisted)).toBe('refused');
    expect(await verdict(list, 'http://models.example/a.mar', unlisted)).toBe('refused');
    expect(await verdict(list, 'https://evil.example/https://models.example/a.mar', unlisted)).toBe('refused');
    expect(await verdict(list, 'file:///etc/passwd', unlisted)).toBe('refused');
  });

  it('takes upper and lower case for the same', async () => {
    expect(await verdict('HTTPS://Models\\.Example/.*', 'https://MODELS.example/A.mar')).toBe('any-address');
  });

  it('allows nothing when it is empty', async () => {
    expect(await verdict('', 'https://models.example/a.mar', 'all')).toBe('refused');
  });

  it('lets an expression name a private host by its name or address', async () => {
    expect(await verdict('http://minio\\.internal:9000/.*', 'http://minio.internal:9000/a.mar')).toBe('any-address');
    expect(await verdict('http://10\\.0\\..*', 'http://10.0.3.4/a.mar')).toBe('any-address');
    expect(await verdict('http://localhost:.*', 'http://localhost:9000/a.mar')).toBe('any-address');
    expect(await verdict('http://\\[::1\\]:9000/.*', 'http://[::1]:9000/a.mar')).toBe('any-address');
    expect(await verdict('http://10\\.\\d+\\.\\d+\\.\\d+/.*', 'http://10.0.3.4/a.mar')).toBe('any-address');
    expect(await verdict('http://(127|192)\\..*', 'http://192.168.0.1/a.mar')).toBe('any-address');
    expect(await verdict('http://\\[fd00:.*', 'http://[fd00:ec2::1]/a.mar')).toBe('any-address');
    expect(await verdict('http://models.corp.example/.*', 'http://models.corp.example/a.mar')).toBe('any-address');
    expect(await verdict('https?://.*\\.corp\\.example/.*', 'http://store.corp.example/a.mar')).toBe('any-address');
  });

  it.each([
    ['any host', 'https?://.*', 'http://10.0.0.1/a.mar'],
    ['TorchServe’s own default', 'file://.*|http(s)?://.*', 'http://169.254.169.254/a.mar'],
    ['any host whose path fits', 'https?://.*/models/.*', 'http://127.0.0.1/models/a.mar'],
    [
      'an ending that a path can have as well',
      'https://.*\\.corp\\.example/.*',
      'https://evil.example/.corp.example/a.mar',
    ],
    ['letters of any host', 'https?://[\\w.]+/.*', 'http://localhost/a.mar'],
    ['a dotted anything', 'https?://[a-z.]+/.*', 'http://inside.example/a.mar'],
    ['a short anything', 'http://.{15}/.*', 'http://169.254.169.254/a.mar'],
    ['any address of four numbers', 'http://\\d+\\.\\d+\\.\\d+\\.\\d+/.*', 'http://169.254.169.254/a.mar'],
    ['any address of signs', 'http://[\\d.:]+/.*', 'http://127.0.0.1:8081/a.mar'],
    ['any IPv6 address', 'http://\\[[0-9a-f:]+\\]/.*', 'http://[::1]/a.mar'],
    ['a domain in which everybody has a name', 'https?://.*\\.com/.*', 'http://evil.com/a.mar'],
    ['a domain whose beginning is open', 'http://.*corp\\.example/.*', 'http://evilcorp.example/a.mar'],
    ['a name whose dots stand for any letter', 'http://models.corp.example/.*', 'http://modelsxcorp.example/a.mar'],
    ['a beginning that other hosts can have', 'http://models.corp.*', 'http://models.corp.evil.example/a.mar'],
  ])('does not take %s for the name of a host', async (_, list, url) => {
    expect(await verdict(list, url)).toBe('public-only');
  });

  it('lets one expression allow, and another one name the host', async () => {
    expect(await verdict('https?://.*,http://minio/.*', 'http://minio/a.mar')).toBe('any-address');
  });

  it('fits with the usual port and without it', async () => {
    for (const list of ['http://host\\.example/.*', 'http://host\\.example:80/.*']) {
      expect(await verdict(list, 'http://host.example/a.mar')).toBe('any-address');
      expect(await verdict(list, 'http://host.example:80/a.mar')).toBe('any-address');
      expect(await verdict(list, 'http://host.example:81/a.mar')).toBe('refused');
    }
  });

  it('matches what is fetched: no user, no password, no fragment, no other spelling of the host', async () => {
    const list = 'https?://good\\.example.*';
    expect(await verdict(list, 'http://good.example@127.0.0.1/a.mar')).toBe('refused');
    expect(await verdict(list, 'http://good.example:80@127.0.0.1/a.mar')).toBe('refused');
    expect(await verdict(list, 'http://127.0.0.1/a.mar#http://good.example/')).toBe('refused');
    expect(await verdict('http://127\\.0\\.0\\.1/.*', 'http://2130706433/a.mar')).toBe('any-address');
    expect(await verdict('http://2130706433/.*', 'http://2130706433/a.mar')).toBe('refused');
    expect(await verdict('https://user@good\\.example/.*', 'https://user@good.example/a.mar')).toBe('refused');
  });
});
