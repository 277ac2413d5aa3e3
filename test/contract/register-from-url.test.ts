// Registering an archive by its URL, as users see it, in both dialects: what is allowed, what the answers say, and what is in the store.
import { createHash } from 'node:crypto';
import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ArchiveHost, serveBytes, startHost } from '../support/archive-host.ts';
import { type ContractBench, startBench } from '../support/contract-bench.ts';
import { errorOf } from '../support/http-exchange.ts';

const archives = new Map<string, Buffer>();
let host: ArchiveHost;

beforeAll(async () => {
  host = await startHost((request, response) => {
    const bytes = archives.get(new URL(request.url ?? '', 'http://host').pathname);
    if (bytes === undefined) response.writeHead(404).end('nothing here');
    else serveBytes(request, response, bytes, { etag: `"${bytes.length}"` });
  });
  const maker = await startBench();
  for (const version of ['1.0', '2.0']) await maker.addNoop(`noop-${version}.mar`, 'noop', version);
  await maker.addPuppet('puppet.mar', 'puppet', { load: { exit: 3 } });
  for (const name of ['noop-1.0.mar', 'noop-2.0.mar', 'puppet.mar']) {
    archives.set(`/${name}`, await readFile(join(maker.store, name)));
  }
  archives.set('/broken.mar', Buffer.from('PK\x03\x04 and then nothing that a zip has'));
  await maker.stop();
});
afterAll(() => host?.close());

const sha256 = (name: string) =>
  createHash('sha256')
    .update(archives.get(name) ?? '')
    .digest('hex');
const visible = async (store: string) => (await readdir(store)).filter((name) => !name.startsWith('.'));

describe('documented, with the host listed', () => {
  let bench: ContractBench;
  beforeAll(async () => {
    bench = await startBench({ settings: { allowed_urls: `http://127.0.0.1:${host.port}/.*` } });
  });
  afterAll(() => bench?.stop());
  beforeEach(async () => {
    await bench.clear('noop');
    await bench.clear('other');
    expect(await readdir(bench.store)).toEqual([]);
    host.paths.length = 0;
  });

  const register = (path: string, more = '') => bench.manage('POST', `/models?url=${host.origin}${path}${more}`);

  test('an archive is fetched, served, described with its URL, and gone with its model', async () => {
    const answer = await register('/noop-1.0.mar', '&initial_workers=1&synchronous=true');
    expect([answer.status, answer.json()]).toEqual([200, { status: 'Worker scaled' }]);
    expect(await visible(bench.store)).toEqual(['noop-1.0.mar']);
    expect((await bench.describe('noop')).modelUrl).toBe(`${host.origin}/noop-1.0.mar`);
    expect((await bench.infer('/predictions/noop', { body: 'x' })).status).toBe(200);
    await bench.clear('noop');
    expect(await readdir(bench.store)).toEqual([]);
  });

  test('one URL for two models is fetched once, and its file stays as long as one of them does', async () => {
    expect((await register('/noop-1.0.mar')).status).toBe(200);
    expect((await register('/noop-1.0.mar', '&model_name=other')).status).toBe(200);
    expect(host.paths).toEqual(['/noop-1.0.mar']);
    await bench.clear('noop');
    expect(await visible(bench.store)).toEqual(['noop-1.0.mar']);
  });

  test('eight registrations of one URL at once fetch it once, and one of them gets the name', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => register('/noop-1.0.mar')));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409, 409, 409, 409]);
    expect(host.paths).toEqual(['/noop-1.0.mar']);
    expect(await visible(bench.store)).toEqual(['noop-1.0.mar']);
  });

  test('the same name and version again is a conflict that takes nothing away', async () => {
    await register('/noop-1.0.mar');
    const answer = await register('/noop-1.0.mar');
    expect(answer.status).toBe(409);
    expect(errorOf(answer)).toMatchObject({ code: 409, type: 'ConflictStatusException' });
    expect(await visible(bench.store)).toEqual(['noop-1.0.mar']);
  });

  test('a file of the same name in the store is a conflict and stays as it is', async () => {
    await writeFile(join(bench.store, 'noop-1.0.mar'), 'mine');
    const answer = await register('/noop-1.0.mar');
    expect(errorOf(answer)).toMatchObject({ code: 409, type: 'ConflictStatusException' });
    expect(errorOf(answer).message).toContain('noop-1.0.mar');
    expect(await readFile(join(bench.store, 'noop-1.0.mar'), 'utf8')).toBe('mine');
    await rm(join(bench.store, 'noop-1.0.mar'));
  });

  test.each([
    ['/missing.mar', 400, 'DownloadArchiveException', 'the server answered 404'],
    ['/broken.mar', 400, 'InvalidModelException', 'Cannot load '],
    ['/', 400, 'DownloadArchiveException', 'name of a file'],
    ['/x/../noop-1.0.mar', 404, 'ModelNotFoundException', 'Relative path is not allowed in url: '],
  ])('%s is answered with %i %s, and nothing is left', async (path, code, type, message) => {
    const answer = await register(path);
    expect(errorOf(answer)).toMatchObject({ code, type });
    expect(errorOf(answer).message).toContain(message);
    expect(await readdir(bench.store)).toEqual([]);
  });

  test('a worker that cannot start takes its download with it', async () => {
    expect((await register('/puppet.mar', '&initial_workers=1&synchronous=true')).status).toBe(500);
    expect(await readdir(bench.store)).toEqual([]);
  });

  test('sha256 must be the one of the archive', async () => {
    const wrong = await register('/noop-1.0.mar', `&sha256=${sha256('/noop-2.0.mar')}`);
    expect(errorOf(wrong)).toMatchObject({ code: 400, type: 'InvalidModelException' });
    expect(errorOf(wrong).message).toContain(sha256('/noop-1.0.mar'));
    expect(await readdir(bench.store)).toEqual([]);
    expect((await register('/noop-1.0.mar', `&sha256=${sha256('/noop-1.0.mar').toUpperCase()}`)).status).toBe(200);
    const body = JSON.stringify({ url: `${host.origin}/noop-2.0.mar`, sha256: sha256('/noop-2.0.mar') });
    const headers = { 'Content-Type': 'application/json' };
    expect((await bench.manage('POST', '/models', { headers, body })).status).toBe(200);
  });

  test.each(['', 'abc', 'z'.repeat(64), `${'a'.repeat(64)}0`])('sha256=%s is refused', async (text) => {
    const answer = await register('/noop-1.0.mar', `&sha256=${text}`);
    expect(errorOf(answer)).toMatchObject({ code: 400, type: 'BadRequestException' });
    expect(errorOf(answer).message).toContain('sha256');
    expect(host.paths).toEqual([]);
  });

  test('sha256 is checked for an archive of the model store, too', async () => {
    await writeFile(join(bench.store, 'noop-1.0.mar'), archives.get('/noop-1.0.mar') ?? '');
    const wrong = await bench.manage('POST', `/models?url=noop-1.0.mar&sha256=${'0'.repeat(64)}`);
    expect(errorOf(wrong)).toMatchObject({ code: 400, type: 'InvalidModelException' });
    await bench.register(`url=noop-1.0.mar&sha256=${sha256('/noop-1.0.mar')}`);
    await rm(join(bench.store, 'noop-1.0.mar'));
  });

  test('what only the caller may know is in no answer, no description and no line of the log', async () => {
    const url = `${host.origin.replace('//', '//joe:s3cret@')}/noop-1.0.mar?sig=s3cret`;
    const asked = encodeURIComponent(url);
    await bench.register(`url=${asked}`);
    const shown = `${host.origin.replace('//', '//***@')}/noop-1.0.mar?sig=***`;
    expect((await bench.describe('noop')).modelUrl).toBe(shown);
    expect((await bench.manage('GET', '/models')).body).toContain(shown);
    const again = await bench.manage('POST', `/models?url=${asked}`);
    expect(again.status).toBe(409);
    expect(again.body).not.toContain('s3cret');
    const missing = await bench.manage('POST', `/models?url=${asked.replace('noop', 'missing')}`);
    expect(missing.body).toContain('***');
    await bench.clear('noop');
    expect(JSON.stringify(bench.server.log)).toContain('***');
    expect(JSON.stringify(bench.server.log) + missing.body).not.toContain('s3cret');
  });

  test('s3_sse_kms without keys is a failed download that names the variables', async () => {
    const answer = await register('/noop-1.0.mar', '&s3_sse_kms=true');
    expect(errorOf(answer)).toMatchObject({ code: 400, type: 'DownloadArchiveException' });
    expect(errorOf(answer).message).toContain('AWS_ACCESS_KEY_ID');
  });
});

describe('documented, with nothing listed', () => {
  let bench: ContractBench;
  beforeAll(async () => {
    bench = await startBench();
    await bench.addNoop('noop.mar', 'noop');
  });
  afterAll(() => bench?.stop());

  test.each([
    'http://127.0.0.1:9/x.mar',
    'http://2130706433/x.mar',
    'http://0177.0.0.1/x.mar',
    'http://[::ffff:127.0.0.1]/x.mar',
    'http://localhost/x.mar',
    'http://169.254.169.254/latest/x.mar',
    'https://10.0.0.1/x.mar',
    'http://good.example@127.0.0.1/x.mar',
    'file:///etc/passwd',
  ])('%s is answered with 403, which names allowed_urls', async (url) => {
    const answer = await bench.manage('POST', `/models?url=${encodeURIComponent(url)}`);
    expect(errorOf(answer)).toMatchObject({ code: 403, type: 'ForbiddenException' });
    expect(errorOf(answer).message).toContain('allowed_urls');
    expect(await readdir(bench.store)).toEqual(['noop.mar']);
  });

  test('the model store needs no list', async () => {
    await bench.register('url=noop.mar');
  });
});

describe('torchserve, with nothing listed', () => {
  let bench: ContractBench;
  beforeAll(async () => {
    bench = await startBench({ settings: { api_dialect: 'torchserve', enable_model_api: true } });
  });
  afterAll(() => bench?.stop());
  beforeEach(() => bench.clear('noop'));

  const register = (url: string) => bench.manage('POST', `/models?url=${encodeURIComponent(url)}`);

  test('loopback is allowed, and the log says so at start', async () => {
    const answer = await register(`${host.origin}/noop-1.0.mar`);
    expect(answer.json()).toEqual({
      status:
        'Model "noop" Version: 1.0 registered with 0 initial workers. Use scale workers API to add workers for the model.',
    });
    expect(bench.server.log.some(({ msg }) => msg?.startsWith('allowed_urls is not set'))).toBe(true);
  });

  test('a file is copied into the store, and goes with its model', async () => {
    const file = join(bench.server.tmp, 'elsewhere.mar');
    await writeFile(file, archives.get('/noop-2.0.mar') ?? '');
    expect((await register(`file://${file}`)).status).toBe(200);
    expect(await visible(bench.store)).toEqual(['elsewhere.mar']);
    await bench.clear('noop');
    expect(await readdir(bench.store)).toEqual([]);
    expect((await readFile(file)).length).toBeGreaterThan(0);
  });

  test('the same URL again is answered as TorchServe does', async () => {
    await register(`${host.origin}/noop-1.0.mar`);
    expect(errorOf(await register(`${host.origin}/noop-1.0.mar`))).toEqual({
      code: 500,
      type: 'InternalServerException',
      message: 'Model file already exists noop-1.0.mar',
    });
  });

  test.each([
    ['/missing.mar', 400, 'DownloadArchiveException', 'Failed to download archive from: '],
    ['/broken.mar', 500, 'InternalServerException', 'Failed to save model: '],
    ['/../x.mar', 404, 'ModelNotFoundException', 'Relative path is not allowed in url: '],
  ])('%s is answered with TorchServe’s words, and nothing is left', async (path, code, type, message) => {
    const url = `${host.origin}${path}`;
    expect(errorOf(await register(url))).toEqual({ code, type, message: `${message}${url}` });
    expect(await readdir(bench.store)).toEqual([]);
  });
});

describe('torchserve, with a list', () => {
  let bench: ContractBench;
  beforeAll(async () => {
    const allowed = 'https://models.example/.*,http://.*/allowed/.*';
    bench = await startBench({
      settings: { api_dialect: 'torchserve', enable_model_api: true, allowed_urls: allowed },
    });
  });
  afterAll(() => bench?.stop());

  test.each(['/noop-1.0.mar', '/allowed/noop-1.0.mar'])('%s is no allowed URL', async (path) => {
    const url = `${host.origin}${path}`;
    expect(errorOf(await bench.manage('POST', `/models?url=${encodeURIComponent(url)}`))).toEqual({
      code: 404,
      type: 'ModelNotFoundException',
      message: `Given URL ${url} does not match any allowed URL(s)`,
    });
  });

  test('the model store needs no list', async () => {
    await bench.addNoop('noop.mar', 'noop');
    await copyFile(join(bench.store, 'noop.mar'), join(bench.store, 'copy.mar'));
    await bench.register('url=copy.mar');
  });
});
