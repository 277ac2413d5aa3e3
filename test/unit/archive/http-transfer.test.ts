import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Answering, type ArchiveHost, serveBytes, serveCutOff, startHost } from '../../support/archive-host.ts';
import { selfMadeCertificate } from '../../support/certificate.ts';
import { type DownloadBench, downloadBench, QUICK, visible } from '../../support/download-bench.ts';
import { rejectionOf } from '../../support/thrown.ts';

const BYTES = randomBytes(3_000_000);
const SHA256 = createHash('sha256').update(BYTES).digest('hex');
const ETAG = '"one"';

const open: (DownloadBench | ArchiveHost)[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function setUp(answer: Answering, options: Parameters<typeof downloadBench>[0] = {}) {
  const host = await startHost(answer);
  const bench = await downloadBench(options);
  open.push(host, bench);
  return { host, bench, url: `${host.origin}/model.mar` };
}

/** What a fetch fails with; nothing is left of it. */
async function failureOf(answer: Answering, options: Parameters<typeof downloadBench>[0] = {}) {
  const { host, bench, url } = await setUp(answer, options);
  const error = await rejectionOf(bench.fetch(url));
  expect(await bench.names()).toEqual([]);
  expect(error.message).toContain(`Failed to download archive from: ${url}`);
  expect(error.code).toBe('DOWNLOAD_FAILED');
  return { error, asked: host.paths.length };
}

describe('a connection that breaks', () => {
  it('is resumed where it broke, as long as the ETag is the same', async () => {
    const { host, bench, url } = await setUp((request, response, count) =>
      count < 2
        ? count === 0
          ? serveCutOff(response, BYTES, 1_000_000, { etag: ETAG })
          : void request.socket.destroy()
        : serveBytes(request, response, BYTES, { etag: ETAG }),
    );
    expect((await bench.fetch(url)).sha256).toBe(SHA256);
    const { range, 'if-range': ifRange } = host.requests.at(-1)?.headers ?? {};
    expect(Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1])).toBeGreaterThan(0);
    expect(ifRange).toBe(ETAG);
  });

  it('is resumed by the date of the last change, when that is long enough ago', async () => {
    const changed = new Date(Date.now() - 3_600_000).toUTCString();
    const { host, bench, url } = await setUp((request, response, count) =>
      count === 0
        ? serveCutOff(response, BYTES, 1_000_000, { 'last-modified': changed })
        : serveBytes(request, response, BYTES, { 'last-modified': changed }),
    );
    expect((await bench.fetch(url)).sha256).toBe(SHA256);
    expect(host.requests[1]?.headers['if-range']).toBe(changed);
  });

  it.each([
    ['no validator', {}],
    ['a weak ETag', { etag: 'W/"one"' }],
    ['a change in this very second', { 'last-modified': new Date(Date.now() + 60_000).toUTCString() }],
  ])('begins anew with %s', async (_, headers) => {
    const { host, bench, url } = await setUp((request, response, count) =>
      count === 0 ? serveCutOff(response, BYTES, 1_000_000, headers) : serveBytes(request, response, BYTES, headers),
    );
    expect((await bench.fetch(url)).sha256).toBe(SHA256);
    expect(host.requests[1]?.headers.range).toBeUndefined();
  });

  it('begins anew when the server has other bytes by now', async () => {
    const other = randomBytes(2_000_000);
    const { bench, url } = await setUp((request, response, count) =>
      count === 0
        ? serveCutOff(response, BYTES, 1_000_000, { etag: ETAG })
        : serveBytes(request, response, other, { etag: '"two"' }),
    );
    const file = await bench.fetch(url);
    expect((await readFile(file.path)).equals(other)).toBe(true);
  });

  it.each([
    ['from another place', { 'content-range': `bytes 5-${BYTES.length - 1}/${BYTES.length}`, etag: ETAG }],
    ['of another length', { 'content-range': `bytes 1000000-9999999/10000000`, etag: ETAG }],
    ['of another version', { 'content-range': `bytes 1000000-${BYTES.length - 1}/${BYTES.length}`, etag: '"two"' }],
    ['of no place', { etag: ETAG }],
  ])('begins anew when the server sends a part %s', async (_, headers) => {
    const { bench, url } = await setUp((request, response, count) => {
      if (count === 0) return serveCutOff(response, BYTES, 1_000_000, { etag: ETAG });
      if (count > 1) return serveBytes(request, response, BYTES, { etag: ETAG });
      response.writeHead(206, headers);
      response.end(BYTES.subarray(5));
    });
    expect((await bench.fetch(url)).sha256).toBe(SHA256);
  });

  it('begins anew when the server says that there is no such part', async () => {
    const { bench, url } = await setUp((request, response, count) => {
      if (count === 0) return serveCutOff(response, BYTES, 1_000_000, { etag: ETAG });
      if (count > 1) return serveBytes(request, response, BYTES, { etag: ETAG });
      response.writeHead(416).end();
    });
    expect((await bench.fetch(url)).sha256).toBe(SHA256);
  });

  it('is given up after some attempts that bring nothing', async () => {
    const { error, asked } = await failureOf((_, response) => serveCutOff(response, BYTES, 1000, { etag: ETAG }));
    expect(asked).toBe(QUICK.maxBreaks + 1);
    expect(error.message).toContain('ended early (4 attempts)');
  });

  it('may break often as long as each attempt brings a good part', async () => {
    const step = 1_200_000;
    const large = randomBytes(10_000_000);
    const { host, bench, url } = await setUp((request, response) => {
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      response.writeHead(from === 0 ? 200 : 206, {
        etag: ETAG,
        'content-length': large.length - from,
        ...(from === 0 ? {} : { 'content-range': `bytes ${from}-${large.length - 1}/${large.length}` }),
      });
      const end = from + step;
      response.write(large.subarray(from, end), () => end < large.length && response.socket?.destroy());
      if (end >= large.length) response.end();
    });
    expect((await bench.fetch(url)).sha256).toBe(createHash('sha256').update(large).digest('hex'));
    expect(host.paths.length).toBeGreaterThan(QUICK.maxBreaks + 1);
  });

  it('is noticed in a chunked body, too', async () => {
    const { bench, url } = await setUp((request, response, count) => {
      if (count > 0) return serveBytes(request, response, BYTES);
      response.writeHead(200);
      response.write(BYTES.subarray(0, 1000), () => response.socket?.destroy());
    });
    expect((await bench.fetch(url)).sha256).toBe(SHA256);
  });
});

describe('a server', () => {
  it.each([404, 403, 500, 501, 204, 304, 300])('that answers %i is believed at once', async (status) => {
    const { error, asked } = await failureOf((_, response) => void response.writeHead(status).end());
    expect(asked).toBe(1);
    expect(error.message).toContain(`the server answered ${status}`);
  });

  it.each([429, 502, 503, 504])('that answers %i is asked again', async (status) => {
    const { bench, url } = await setUp((request, response, count) =>
      count === 0 ? void response.writeHead(status).end() : serveBytes(request, response, BYTES),
    );
    expect((await bench.fetch(url)).sha256).toBe(SHA256);
  });

  it('that does not exist is not waited for', async () => {
    const { bench } = await setUp(() => {});
    const error = await rejectionOf(bench.fetch('http://127.0.0.1:9/model.mar'));
    expect(error.message).toContain('nothing listens');
    expect(error.message).not.toContain('attempts');
  });

  it('that does not speak HTTP is refused', async () => {
    const bench = await downloadBench();
    const server = createServer((socket) => socket.end('SSH-2.0-Open\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push(bench);
    const { port } = server.address() as { port: number };
    const error = await rejectionOf(bench.fetch(`http://127.0.0.1:${port}/model.mar`)).finally(() => server.close());
    expect(error.code).toBe('DOWNLOAD_FAILED');
    expect(await bench.names()).toEqual([]);
  });

  it('that says nothing is given up', async () => {
    const { error } = await failureOf(() => {}, { silenceMs: 200 });
    expect(error.message).toContain('no answer in time');
  });

  it('that falls silent is given up', async () => {
    const { error } = await failureOf(
      (_, response) => void response.writeHead(200, { 'content-length': 1000 }).write('a'),
      { silenceMs: 200, limits: { ...QUICK, maxBreaks: 1 } },
    );
    expect(error.message).toContain('fell silent');
  });

  it('that trickles is given up', async () => {
    const { error } = await failureOf(
      (_, response) => {
        response.writeHead(200);
        const timer = setInterval(() => response.write('a'), 20);
        response.on('close', () => clearInterval(timer));
      },
      { limits: { ...QUICK, maxBreaks: 1, minWindowBytes: 1000, windowMs: 100 } },
    );
    expect(error.message).toMatch(/sent only \d+ bytes/);
  });

  it('that announces more than max_download_size is refused before a byte is stored', async () => {
    const { error } = await failureOf((request, response) => serveBytes(request, response, BYTES), { maxBytes: 1000 });
    expect(error.message).toContain('max_download_size, 1000 bytes');
  });

  it('that never ends its chunks is stopped at max_download_size', async () => {
    let sent = 0;
    const { error } = await failureOf(
      (_, response) => {
        const more = () => {
          while (response.writable && response.write(BYTES)) sent += BYTES.length;
        };
        response.on('drain', more);
        more();
      },
      { maxBytes: 20_000_000 },
    );
    expect(error.message).toContain('max_download_size');
    expect(sent).toBeLessThan(200_000_000);
  });

  it('that announces more than the disk has is refused before a byte is stored', async () => {
    const { error } = await failureOf(
      (_, response) => void response.writeHead(200, { 'content-length': 2 ** 49 }).flushHeaders(),
      { maxBytes: 2 ** 50 },
    );
    expect(error.message).toContain('bytes left');
  });

  it('gets user and password of the URL, which nobody else ever sees', async () => {
    const { host, bench } = await setUp((request, response) =>
      request.url === '/model.mar' ? serveBytes(request, response, BYTES) : void response.writeHead(404).end(),
    );
    const withUser = host.origin.replace('//', '//joe:s%40cret@');
    await bench.fetch(`${withUser}/model.mar`);
    const expected = `Basic ${Buffer.from('joe:s@cret').toString('base64')}`;
    expect(host.requests[0]?.headers.authorization).toBe(expected);
    const error = await rejectionOf(bench.fetch(`${withUser}/other.mar?sig=s%40cret`));
    expect(error.message).toContain(`${host.origin.replace('//', '//***@')}/other.mar?sig=***`);
    expect(JSON.stringify([error.message, error.details, bench.log])).not.toMatch(/joe|cret/);
  });
});

describe('https', () => {
  it('is refused with a certificate that nobody vouches for', async (context) => {
    const bench = await downloadBench();
    open.push(bench);
    const tls = await selfMadeCertificate(bench.folder);
    if (tls === undefined) return context.skip('openssl is not installed');
    const answer: Answering = (request, response) => serveBytes(request, response, BYTES);
    const host = await startHost(answer, tls);
    open.push(host);
    const error = await rejectionOf(bench.fetch(`${host.origin}/model.mar`));
    expect(error.code).toBe('DOWNLOAD_FAILED');
    expect(error.message).toContain('certificate is not trusted');
    expect(error.message).toContain('NODE_EXTRA_CA_CERTS');
    expect(host.paths).toEqual([]);
    expect(visible(await bench.names())).toEqual([]);
  });
});
