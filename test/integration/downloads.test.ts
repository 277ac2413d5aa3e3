// Downloads of a whole server: its start and its end, certificates, and what is left when it is killed.
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeMar, manifestFile } from '../support/archive-forge.ts';
import { type Answering, type ArchiveHost, serveBytes, serveCutOff, startHost } from '../support/archive-host.ts';
import { selfMadeCertificate } from '../support/certificate.ts';
import { PATIENCE } from '../support/contract-bench.ts';
import { type ServerOptions, startServer, type TestServer } from '../support/sconce-server.ts';

let folder: string;
let store: string;
let archive: Buffer;
const ends: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-fetch-'));
  store = join(folder, 'store');
  await mkdir(store);
  const handler = { 'noop.py': 'def handle(data, context):\n    return ["OK"] * len(data or [])\n' };
  await makeMar(join(folder, 'noop.mar'), {
    ...manifestFile({ modelName: 'noop', modelVersion: '1.0', handler: 'noop.py:handle' }),
    ...handler,
    'weights.bin': randomBytes(2_000_000),
  });
  archive = await readFile(join(folder, 'noop.mar'));
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await rm(folder, { recursive: true, force: true });
});

async function host(answer: Answering, tls?: { key: string; cert: string }): Promise<ArchiveHost> {
  const made = await startHost(answer, tls);
  ends.push(() => made.close());
  return made;
}

async function server(port: number, options: ServerOptions = {}): Promise<TestServer> {
  const settings = { allowed_urls: `https?://127.0.0.1:${port}/.*`, ...options.settings };
  const made = await startServer({ ...options, modelStore: store, settings });
  ends.push(() => made.stop());
  return made;
}

/** A proxy that opens tunnels, and the ones it was asked for. */
async function tunnel() {
  const asked: { place: string | undefined; user: string | undefined }[] = [];
  const proxy = createServer().on('connect', (request, socket) => {
    asked.push({ place: request.url, user: request.headers['proxy-authorization'] });
    const [host = '', port] = (request.url ?? '').split(':');
    const onward = connect(Number(port), host, () => socket.write('HTTP/1.1 200 Fine\r\n\r\n'));
    socket.pipe(onward).pipe(socket);
    for (const side of [socket, onward]) side.on('error', () => {});
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  ends.push(async () => proxy.close());
  return { asked, port: (proxy.address() as AddressInfo).port };
}

const register = (one: TestServer, url: string) => fetch(`${one.management}/models?url=${url}`, { method: 'POST' });
const honest: Answering = (request, response) => serveBytes(request, response, archive, { etag: '"one"' });

describe('a server that fetches', () => {
  it('resumes what is broken off, and serves the model', async () => {
    const { origin, port, requests } = await host((request, response, count) =>
      count === 0 ? serveCutOff(response, archive, 1_500_000, { etag: '"one"' }) : honest(request, response, count),
    );
    const one = await server(port);
    const answer = await register(one, `${origin}/noop.mar&initial_workers=1&synchronous=true`);
    expect(answer.status, await answer.text()).toBe(200);
    expect(requests[1]?.headers.range).toMatch(/^bytes=\d{5,}-$/);
    expect((await fetch(`${one.inference}/predictions/noop`, { method: 'POST', body: 'x' })).status).toBe(200);
  });

  it('loads a model from a URL at its start, and leaves the store as it was when it stops', async () => {
    const { origin, port } = await host(honest);
    const one = await server(port, { settings: { load_models: `quick=${origin}/noop.mar` } });
    expect((await fetch(`${one.management}/models/quick`)).status).toBe(200);
    expect(await readdir(store)).toContain('noop.mar');
    await one.stop();
    expect(await readdir(store)).toEqual([]);
  });

  it('stops at once, whatever is on its way', async () => {
    const { origin, port, requests } = await host((_, response) => {
      response.writeHead(200, { 'content-length': 1_000_000 });
      response.write('some');
    });
    const one = await server(port);
    const answer = register(one, `${origin}/noop.mar`);
    await expect.poll(() => requests.length, PATIENCE).toBe(1);
    await expect.poll(async () => (await readdir(store)).length, PATIENCE).toBe(1);
    expect(await one.stop()).toBe(0);
    expect((await answer.catch(() => ({ status: 503 }))).status).toBe(503);
    expect(await readdir(store)).toEqual([]);
  });

  it('clears away what it left when it was killed, so that the same URL can be registered again', async () => {
    const { origin, port } = await host((request, response, count) => {
      if (request.url !== '/endless.mar') return honest(request, response, count);
      response.writeHead(200);
      response.write('some');
    });
    await writeFile(join(store, 'mine.mar'), archive);
    const first = await server(port);
    expect((await register(first, `${origin}/noop.mar`)).status).toBe(200);
    void register(first, `${origin}/endless.mar`).catch(() => undefined);
    // Two names of the finished file, one of the unfinished one, and the one that was there.
    await expect.poll(async () => (await readdir(store)).length, PATIENCE).toBe(4);
    await first.stop('SIGKILL');
    const second = await server(port);
    await second.waitForLog(({ msg }) => msg === 'removed what a server that was killed had downloaded');
    expect(await readdir(store)).toEqual(['mine.mar']);
    expect((await register(second, `${origin}/noop.mar`)).status).toBe(200);
  });

  it('leaves another living server’s downloads in the same store alone', async () => {
    const { origin, port } = await host(honest);
    const first = await server(port);
    expect((await register(first, `${origin}/noop.mar`)).status).toBe(200);
    const second = await server(port);
    expect(await readdir(store)).toContain('noop.mar');
    expect((await register(second, `${origin}/noop.mar`)).status).toBe(409);
    expect((await register(second, 'noop.mar')).status).toBe(200);
  });

  it('trusts an authority that NODE_EXTRA_CA_CERTS names, and goes through the tunnel of a proxy', async (context) => {
    const tls = await selfMadeCertificate(folder);
    if (tls === undefined) return context.skip('openssl is not installed');
    const { origin, port } = await host(honest, tls);
    const proxy = await tunnel();
    for (const env of [{}, { https_proxy: `http://joe:s3cret@127.0.0.1:${proxy.port}` }]) {
      const one = await server(port, { env: { NODE_EXTRA_CA_CERTS: tls.certFile, ...env } });
      const answer = await register(one, `${origin}/noop.mar`);
      expect(answer.status, await answer.text()).toBe(200);
      await one.stop();
    }
    const user = `Basic ${Buffer.from('joe:s3cret').toString('base64')}`;
    expect(proxy.asked).toEqual([{ place: `127.0.0.1:${port}`, user }]);
  });

  it('tells in describe and in the log how far it is', async () => {
    let finish = () => {};
    const { origin, port, requests } = await host((_, response) => {
      response.writeHead(200, { 'content-length': archive.length });
      response.write(archive.subarray(0, 300));
      finish = () => response.end(archive.subarray(300));
    });
    const one = await server(port);
    const answer = register(one, `${origin}/noop.mar`);
    await expect.poll(async () => (await fetch(`${one.management}/models/noop`)).status, PATIENCE).toBe(200);
    const described = await (await fetch(`${one.management}/models/noop`)).text();
    expect(described).toContain('download');
    await one.waitForLog(({ msg }) => msg === 'fetching an archive');
    await expect.poll(() => requests.length, PATIENCE).toBe(1);
    finish();
    expect((await answer).status).toBe(200);
    await one.waitForLog(({ msg }) => msg === 'fetched an archive');
  });
});
