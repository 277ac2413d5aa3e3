import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { type Answering, type ArchiveHost, serveBytes, startHost } from '../../support/archive-host.ts';
import { PATIENCE } from '../../support/contract-bench.ts';
import { type DownloadBench, downloadBench, visible } from '../../support/download-bench.ts';
import { rejectionOf } from '../../support/thrown.ts';

const BYTES = randomBytes(300_000);
const SHA256 = createHash('sha256').update(BYTES).digest('hex');

const open: (DownloadBench | ArchiveHost)[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function bench(options: Parameters<typeof downloadBench>[0] = {}): Promise<DownloadBench> {
  const made = await downloadBench(options);
  open.push(made);
  return made;
}

async function host(answer: Answering): Promise<ArchiveHost> {
  const made = await startHost(answer);
  open.push(made);
  return made;
}

const honest: Answering = (request, response) => serveBytes(request, response, BYTES);

/** A gate for a host's answers. */
function gate() {
  let pass = () => {};
  const opened = new Promise<void>((resolve) => {
    pass = resolve;
  });
  return { opened, pass };
}

describe('an archive from a URL', () => {
  it('comes into the model store under the last name of its path, with its digest, and goes when it is released', async () => {
    const [{ origin }, { fetch, store, names, log }] = [await host(honest), await bench()];
    const counts: unknown[] = [];
    const meter = { count: (...count: unknown[]) => counts.push(count) };
    const file = await fetch(`${origin}/some/model.mar?x=1`, { meter });
    expect(file).toMatchObject({ path: join(store, 'model.mar'), sha256: SHA256 });
    expect((await readFile(file.path)).equals(BYTES)).toBe(true);
    expect((await stat(file.path)).mode & 0o777).toBe(0o644);
    expect(counts.at(-1)).toEqual([BYTES.length, BYTES.length]);
    expect(log).toContainEqual(
      expect.objectContaining({
        message: 'fetched an archive',
        details: expect.objectContaining({ file: 'model.mar', bytes: BYTES.length, sha256: SHA256 }),
      }),
    );
    await file.release();
    await file.release();
    expect(await names()).toEqual([]);
  });

  it('is asked for as it is, without an encoding for the way', async () => {
    const [{ origin, requests }, { fetch }] = [await host(honest), await bench()];
    await fetch(`${origin}/model.mar`);
    expect(requests[0]?.headers['accept-encoding']).toBe('identity');
  });

  it('is fetched once for all who ask at the same time, and stays until the last of them releases it', async () => {
    const { opened, pass } = gate();
    const { origin, paths } = await host(async (request, response) => {
      await opened;
      serveBytes(request, response, BYTES);
    });
    const { fetch, names } = await bench();
    const all = [1, 2, 3].map(() => fetch(`${origin}/model.mar`));
    await expect.poll(() => paths.length, PATIENCE).toBe(1);
    pass();
    const [first, second, third] = await Promise.all(all);
    const later = await fetch(`${origin}/model.mar`);
    expect(paths).toHaveLength(1);
    for (const one of [first, second, third]) await one?.release();
    expect(visible(await names())).toEqual(['model.mar']);
    await later.release();
    expect(await names()).toEqual([]);
    await fetch(`${origin}/model.mar`);
    expect(paths).toHaveLength(2);
  });

  it('can be asked for again in the very moment in which its last user releases it', async () => {
    const [{ origin }, { fetch, names }] = [await host(honest), await bench()];
    for (let round = 0; round < 20; round += 1) {
      const file = await fetch(`${origin}/model.mar`);
      const [, again] = await Promise.all([file.release(), fetch(`${origin}/model.mar`)]);
      expect((await readFile(again.path)).length).toBe(BYTES.length);
      await again.release();
    }
    expect(await names()).toEqual([]);
  });

  it('is not shared where the dialect has it so: the name is taken', async () => {
    const [{ origin }, { fetch }] = [await host(honest), await bench({ isShared: false })];
    await fetch(`${origin}/model.mar`);
    expect(await rejectionOf(fetch(`${origin}/model.mar`))).toMatchObject({
      code: 'DOWNLOAD_NAME_TAKEN',
      details: { value: 'model.mar' },
    });
  });

  it('does not take the name of a file in the store, and asks nobody for its bytes', async () => {
    const [{ origin, paths }, { fetch, store }] = [await host(honest), await bench()];
    await writeFile(join(store, 'model.mar'), 'mine');
    const error = await rejectionOf(fetch(`${origin}/model.mar`));
    expect(error).toMatchObject({ code: 'DOWNLOAD_NAME_TAKEN', details: { value: 'model.mar' } });
    expect(paths).toEqual([]);
    await symlink('/nowhere', join(store, 'other.mar'));
    expect((await rejectionOf(fetch(`${origin}/other.mar`))).code).toBe('DOWNLOAD_NAME_TAKEN');
    expect(await readFile(join(store, 'model.mar'), 'utf8')).toBe('mine');
  });

  it('does not take a name that somebody used while it was on its way', async () => {
    const { opened, pass } = gate();
    const { origin, paths } = await host(async (request, response) => {
      await opened;
      serveBytes(request, response, BYTES);
    });
    const { fetch, store, names } = await bench();
    const fetching = rejectionOf(fetch(`${origin}/model.mar`));
    await expect.poll(() => paths.length, PATIENCE).toBe(1);
    await writeFile(join(store, 'model.mar'), 'mine');
    pass();
    expect((await fetching).code).toBe('DOWNLOAD_NAME_TAKEN');
    expect(await readFile(join(store, 'model.mar'), 'utf8')).toBe('mine');
    expect(await names()).toEqual(['model.mar']);
  });

  it('is not removed when somebody has put another file in its place', async () => {
    const [{ origin }, { fetch, store, names }] = [await host(honest), await bench()];
    const file = await fetch(`${origin}/model.mar`);
    await writeFile(join(store, 'mine'), 'mine');
    await rename(join(store, 'mine'), file.path);
    await file.release();
    expect(await names()).toEqual(['model.mar']);
  });

  it('that cannot be removed is told of in the log, and troubles nobody who gives it up', async () => {
    const [{ origin }, { fetch, store, names, log }] = [await host(honest), await bench()];
    const file = await fetch(`${origin}/model.mar`);
    for (const name of await names()) {
      await rm(join(store, name));
      await mkdir(join(store, name));
    }
    await file.release();
    expect(log).toContainEqual(
      expect.objectContaining({ level: 'warn', message: 'a downloaded archive could not be removed' }),
    );
  });

  it('from another URL with the same last name is refused', async () => {
    const [{ origin, paths }, { fetch }] = [await host(honest), await bench()];
    await fetch(`${origin}/a/model.mar`);
    for (const url of [`${origin}/b/model.mar`, `${origin}/a/model.mar?v=2`])
      expect((await rejectionOf(fetch(url))).code).toBe('DOWNLOAD_NAME_TAKEN');
    expect(paths).toHaveLength(1);
  });

  it('needs a model store', async () => {
    const { fetch } = await bench({ modelStore: undefined });
    expect((await rejectionOf(fetch('http://127.0.0.1:9/model.mar'))).code).toBe('MODEL_STORE_MISSING');
  });

  it.skipIf(process.getuid?.() === 0)('is refused with a reason when the store cannot be written', async () => {
    const [{ origin }, { fetch, store }] = [await host(honest), await bench()];
    await chmod(store, 0o500);
    const error = await rejectionOf(fetch(`${origin}/model.mar`)).finally(() => chmod(store, 0o700));
    expect(error.code).toBe('DOWNLOAD_FAILED');
    expect(error.message).toContain('EACCES');
  });
});

describe('its digest', () => {
  it('is what the registration asks for, or nothing is left', async () => {
    const [{ origin }, { fetch, names }] = [await host(honest), await bench()];
    const error = await rejectionOf(fetch(`${origin}/model.mar`, { sha256: '0'.repeat(64) }));
    expect(error.code).toBe('CHECKSUM_MISMATCH');
    expect(error.message).toContain(SHA256);
    expect(error.message).toContain('0'.repeat(64));
    expect(await names()).toEqual([]);
    expect((await fetch(`${origin}/model.mar`, { sha256: SHA256 })).sha256).toBe(SHA256);
  });

  it('is checked for each of those who share the download', async () => {
    const { opened, pass } = gate();
    const { origin } = await host(async (request, response) => {
      await opened;
      serveBytes(request, response, BYTES);
    });
    const { fetch, names } = await bench();
    const wrong = rejectionOf(fetch(`${origin}/model.mar`, { sha256: '1'.repeat(64) }));
    const right = fetch(`${origin}/model.mar`, { sha256: SHA256 });
    pass();
    expect((await wrong).code).toBe('CHECKSUM_MISMATCH');
    const file = await right;
    expect((await rejectionOf(fetch(`${origin}/model.mar`, { sha256: '2'.repeat(64) }))).code).toBe(
      'CHECKSUM_MISMATCH',
    );
    expect(visible(await names())).toEqual(['model.mar']);
    await file.release();
    expect(await names()).toEqual([]);
  });
});

describe('giving up', () => {
  const never: Answering = (_request, response) => {
    response.writeHead(200, { 'content-length': 1_000_000 });
    response.write('some');
  };

  it('fails with the reason of the signal, ends the download and leaves nothing', async () => {
    const [{ origin, requests }, { fetch, names }] = [await host(never), await bench()];
    const abort = new AbortController();
    const fetching = fetch(`${origin}/model.mar`, { signal: abort.signal });
    await expect.poll(() => requests.length, PATIENCE).toBe(1);
    const gone = new Promise((resolve) => requests[0]?.on('close', resolve));
    const reason = new Error('enough');
    abort.abort(reason);
    await expect(fetching).rejects.toBe(reason);
    expect(await names()).toEqual([]);
    await gone;
  });

  it('of one leaves the download to the others', async () => {
    const { opened, pass } = gate();
    const { origin, paths } = await host(async (request, response) => {
      await opened;
      serveBytes(request, response, BYTES);
    });
    const { fetch } = await bench();
    const abort = new AbortController();
    const first = fetch(`${origin}/model.mar`, { signal: abort.signal });
    const second = fetch(`${origin}/model.mar`);
    await expect.poll(() => paths.length, PATIENCE).toBe(1);
    abort.abort(new Error('enough'));
    await expect(first).rejects.toThrow('enough');
    pass();
    expect((await second).sha256).toBe(SHA256);
    expect(paths).toHaveLength(1);
  });

  it('of the whole server ends what is on its way and removes what was fetched', async () => {
    const { origin, requests } = await host((request, response, count) =>
      request.url === '/done.mar' ? honest(request, response, count) : never(request, response, count),
    );
    const { fetch, downloads, names } = await bench();
    await fetch(`${origin}/done.mar`);
    const fetching = fetch(`${origin}/model.mar`).catch((thrown: unknown) => thrown);
    await expect.poll(() => requests.length, PATIENCE).toBe(2);
    await downloads.close();
    expect(await fetching).toBeInstanceOf(Error);
    expect(await names()).toEqual([]);
    expect((await rejectionOf(fetch(`${origin}/model.mar`))).code).toBe('SERVER_STOPPING');
  });

  it('happens when the whole takes longer than download_timeout', async () => {
    const [{ origin }, { fetch, names }] = [await host(never), await bench({ timeoutMs: 300 })];
    const error = await rejectionOf(fetch(`${origin}/model.mar`));
    expect(error.code).toBe('DOWNLOAD_FAILED');
    expect(error.message).toContain('download_timeout');
    expect(await names()).toEqual([]);
  });
});

describe('a file: URL', () => {
  it('is copied where an expression fits it', async () => {
    const { fetch, folder, store, names } = await bench({ allowed: 'file://.*/outside/.*' });
    await mkdir(join(folder, 'outside'));
    await writeFile(join(folder, 'outside', 'my model.mar'), BYTES);
    const file = await fetch(`file://${folder}/outside/my%20model.mar`);
    expect(file).toMatchObject({ path: join(store, 'my%20model.mar'), sha256: SHA256 });
    await file.release();
    expect(await names()).toEqual([]);
    expect((await readFile(join(folder, 'outside', 'my model.mar'))).length).toBe(BYTES.length);
  });

  it('is refused where none does, and without a list in the documented dialect', async () => {
    for (const allowed of [undefined, 'file:///srv/models/.*']) {
      const { fetch, names } = await bench({ allowed });
      expect((await rejectionOf(fetch('file:///etc/passwd'))).code).toBe('URL_NOT_ALLOWED');
      expect(await names()).toEqual([]);
    }
  });

  it('is refused when a link leads to a file that no expression fits', async () => {
    const { fetch, folder, names } = await bench({ allowed: 'file://.*/outside/.*\\.mar' });
    await mkdir(join(folder, 'outside'));
    await symlink('/etc/passwd', join(folder, 'outside', 'a.mar'));
    const error = await rejectionOf(fetch(`file://${folder}/outside/a.mar`));
    expect(error.code).toBe('URL_NOT_ALLOWED');
    expect(error.message).not.toContain('passwd');
    expect(await names()).toEqual([]);
  });

  it.each([
    ['a host', 'file://other.example/srv/a.mar', 'no host'],
    ['nothing behind it', 'file:///nowhere/a.mar', 'no such file'],
    ['a device behind it', 'file:///dev/zero', 'not a file'],
    ['a folder behind it', 'file:///usr/lib', 'folder'],
    ['a slash in disguise', 'file:///srv/a%2fb.mar', 'not the path'],
  ])('is refused with %s', async (_, url, word) => {
    const { fetch, names } = await bench({ allowed: 'file://.*' });
    const error = await rejectionOf(fetch(url));
    expect(error.code).toBe('DOWNLOAD_FAILED');
    expect(error.message).toContain(word);
    expect(await names()).toEqual([]);
  });

  it('is refused before a byte is copied when it is larger than max_download_size', async () => {
    const { fetch, folder, names } = await bench({ allowed: 'file://.*', maxBytes: 1000 });
    await writeFile(join(folder, 'a.mar'), BYTES);
    const error = await rejectionOf(fetch(pathToFileURL(join(folder, 'a.mar')).href));
    expect(error.message).toContain('max_download_size');
    expect(await names()).toEqual([]);
  });
});

describe('an encoding that nobody asked for', () => {
  const encoded: Answering = (_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' });
    response.end(gzipSync(BYTES));
  };

  it('is refused, because it would stay on the file', async () => {
    const [{ origin }, { fetch, names }] = [await host(encoded), await bench()];
    const error = await rejectionOf(fetch(`${origin}/model.mar`));
    expect(error.code).toBe('DOWNLOAD_FAILED');
    expect(error.message).toContain('Content-Encoding gzip');
    expect(await names()).toEqual([]);
  });

  it('is what a .tar.gz is by itself', async () => {
    const [{ origin }, { fetch }] = [await host(encoded), await bench()];
    const { path } = await fetch(`${origin}/model.tar.gz`);
    expect((await readFile(path)).subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
  });
});
