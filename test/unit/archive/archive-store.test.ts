import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Archive } from '../../../src/archive/archive.ts';
import type { ArchiveStore, ArchiveStoreOptions, OpenOptions } from '../../../src/archive/archive-store.ts';
import { DEFAULT_UNPACK_LIMITS } from '../../../src/archive/unpack-limits.ts';
import type { ErrorCode } from '../../../src/core/errors.ts';
import { LoadProgress } from '../../../src/core/load-progress.ts';
import {
  filesBelow,
  forgeMar,
  forgeTarGz,
  makeFolder,
  makeMar,
  makeMarFromFolder,
  makeTarGz,
  manifestFile,
} from '../../support/archive-forge.ts';
import { archiveStore, openOptions } from '../../support/archive-work.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let sandbox: string;
let modelStore: string;
let cacheDir: string;
let store: ArchiveStore;

beforeEach(async () => {
  sandbox = await mkdtemp(join(tmpdir(), 'sconce-store-'));
  modelStore = join(sandbox, 'store');
  cacheDir = join(sandbox, 'cache');
  await mkdir(modelStore);
  await mkdir(cacheDir);
  store = storeWith({});
});
afterEach(async () => {
  await store.close();
  await rm(sandbox, { recursive: true, force: true });
});

const FILES = {
  ...manifestFile({ modelName: 'noop', modelVersion: '2.0', handler: 'handler.py', configFile: 'model-config.yaml' }),
  'handler.py': 'def handle(data, context): return data\n',
  'model-config.yaml': 'batchSize: 4\n',
};

function storeWith(options: Partial<ArchiveStoreOptions>): ArchiveStore {
  return archiveStore(sandbox, { modelStore, cacheDir, ...options });
}

function open(url: string, options: Partial<OpenOptions> = {}): Promise<Archive> {
  return store.open(url, openOptions(options));
}

/** What is unpacked, whole or in part. */
async function unpackedFolders(): Promise<string[]> {
  const names = await readdir(join(cacheDir, 'archives')).catch(() => []);
  return names.filter((name) => !['digests', 'owners'].includes(name));
}

async function expectError(
  url: string,
  code: ErrorCode,
  message: string | RegExp,
  options: Partial<OpenOptions> = {},
): Promise<void> {
  await expect(open(url, options)).rejects.toMatchObject({
    code,
    message: typeof message === 'string' ? message : expect.stringMatching(message),
    details: { url },
  });
  expect(await unpackedFolders()).toEqual([]);
}

function expectNoop(archive: Archive, url: string): void {
  expect(archive).toMatchObject({
    url,
    manifest: { modelName: 'noop', modelVersion: '2.0', handler: 'handler.py', runtime: 'python' },
    configText: 'batchSize: 4\n',
  });
}

describe('opening an archive', () => {
  it.each(['noop.mar', 'noop.model', 'noop', 'noop.tar.gz'])('unpacks a zip called %s', async (name) => {
    await makeMar(join(modelStore, name), FILES);
    const archive = await open(name);
    expectNoop(archive, name);
    expect(archive.modelDir).toMatch(/\/cache\/archives\/[0-9a-f]{64}\/files$/);
    expect(Object.keys(await filesBelow(archive.modelDir)).sort()).toEqual(Object.keys(FILES).sort());
  });

  it.each(['noop.tar.gz', 'noop.tgz', 'noop.model', 'noop.mar'])("unpacks a gzip'd tar called %s", async (name) => {
    await makeTarGz(join(modelStore, name), FILES);
    const archive = await open(name);
    expectNoop(archive, name);
    expect(Object.keys(await filesBelow(archive.modelDir)).sort()).toEqual(Object.keys(FILES).sort());
  });

  it('uses a folder in place, with or without a slash behind its name, and never removes it', async () => {
    await makeFolder(join(modelStore, 'noop'), FILES);
    for (const url of ['noop', 'noop/']) {
      const archive = await open(url);
      expectNoop(archive, url);
      expect(archive.modelDir).toBe(join(modelStore, 'noop'));
      await archive.release();
    }
    await store.close();
    expect(Object.keys(await filesBelow(join(modelStore, 'noop')))).toHaveLength(3);
    expect(await unpackedFolders()).toEqual([]);
  });

  it('uses the inner folder of a folder that holds nothing else', async () => {
    await makeFolder(join(modelStore, 'outer', 'inner'), FILES);
    expect((await open('outer')).modelDir).toBe(join(modelStore, 'outer', 'inner'));
    await writeFile(join(modelStore, 'outer', 'readme.txt'), '');
    const outer = await open('outer');
    expect(outer.modelDir).toBe(join(modelStore, 'outer'));
    expect(outer.manifest).toEqual({ modelVersion: '1.0' });
  });

  it('does not take a folder with nothing but a manifest for one that was packed too deep', async () => {
    await makeFolder(join(modelStore, 'manifest-only'), manifestFile({ modelName: 'alone' }));
    const archive = await open('manifest-only');
    expect(archive).toMatchObject({ modelDir: join(modelStore, 'manifest-only'), manifest: { modelName: 'alone' } });
  });

  it('gives defaults to an archive without a manifest', async () => {
    await makeMar(join(modelStore, 'bare.mar'), { 'handler.py': '' });
    expect(await open('bare.mar')).toMatchObject({ manifest: { modelVersion: '1.0' }, configText: undefined });
  });

  it('unpacks once for all who open the same bytes, and removes them with the last', async () => {
    await makeMar(join(modelStore, 'noop.mar'), FILES);
    await copyFile(join(modelStore, 'noop.mar'), join(modelStore, 'copy.mar'));
    const [first, second, third] = await Promise.all([open('noop.mar'), open('noop.mar'), open('copy.mar')]);
    expect(new Set([first.modelDir, second.modelDir, third.modelDir]).size).toBe(1);
    expect(await unpackedFolders()).toHaveLength(1);
    await Promise.all([first.release(), first.release(), third.release()]);
    await first.release();
    expect(Object.keys(await filesBelow(second.modelDir))).toHaveLength(3);
    await second.release();
    expect(await unpackedFolders()).toEqual([]);
  });

  it('unpacks a .mar made from a folder to the same files', async () => {
    await makeFolder(join(sandbox, 'source'), FILES);
    await makeMarFromFolder(join(modelStore, 'noop.mar'), join(sandbox, 'source'));
    const { modelDir } = await open('noop.mar');
    expect(await filesBelow(modelDir)).toEqual(await filesBelow(join(sandbox, 'source')));
  });

  it('follows a link to another entry of the store', async () => {
    await makeMar(join(modelStore, 'noop-2.0.mar'), FILES);
    await symlink('noop-2.0.mar', join(modelStore, 'latest.mar'));
    expectNoop(await open('latest.mar'), 'latest.mar');
  });

  it('finds the store through a link', async () => {
    await makeMar(join(modelStore, 'noop.mar'), FILES);
    await symlink(modelStore, join(sandbox, 'link'));
    store = storeWith({ modelStore: join(sandbox, 'link') });
    expectNoop(await open('noop.mar'), 'noop.mar');
  });
});

describe('a url that cannot be opened', () => {
  it('says first that there is no model store', async () => {
    store = storeWith({ modelStore: undefined });
    await expectError('', 'MODEL_STORE_MISSING', 'Model store has not been configured.');
    await expectError('../x', 'MODEL_STORE_MISSING', 'Model store has not been configured.');
    store = storeWith({ modelStore: join(sandbox, 'nowhere') });
    await expectError('x.mar', 'MODEL_STORE_MISSING', /cannot be read/);
  });

  it.each([
    [
      'ENOSPC',
      /^Cannot load noop\.mar: it could not be unpacked: the disk of the cache is full \(ENOSPC\)\. Make room on it/,
    ],
    ['EDQUOT', /the quota on the disk of the cache is used up/],
  ])('finds the disk of the cache full (%s)', async (code, message) => {
    await makeMar(join(modelStore, 'noop.mar'), FILES);
    const refuse = () => Promise.reject(Object.assign(new Error(`${code}: write`), { code, syscall: 'write' }));
    store = storeWith({ work: { run: refuse, close: async () => undefined } });
    await expectError('noop.mar', 'STORAGE_FULL', message);
  });

  it('is empty', () => expectError('', 'ARCHIVE_NOT_FOUND', 'empty url'));

  it.each(['..', '../x.mar', 'a/../b.mar', 'https://example.com/../x.mar', 'a..b.mar'])('contains "..": %s', (url) =>
    expectError(url, 'ARCHIVE_PATH_FORBIDDEN', `Relative path is not allowed in url: ${url}`),
  );

  it.each([
    '/etc',
    '/',
    '.',
    './noop.mar',
    'sub/noop.mar',
    'file:///etc/passwd',
    'http://example.com/x.mar',
    'C:\\x.mar',
    'sub\\x.mar',
    'noop.mar\0',
    'noop.mar//',
  ])('is more than a name: %j', async (url) => {
    await makeMar(join(modelStore, 'noop.mar'), FILES);
    await makeFolder(join(modelStore, 'sub'), FILES);
    await makeMar(join(modelStore, 'sub', 'noop.mar'), FILES);
    await expectError(
      url,
      'ARCHIVE_PATH_FORBIDDEN',
      /is neither the name of a file or folder in the model store nor a URL/,
    );
  });

  it.each(['nowhere.mar', 'x'.repeat(300), '%2e%2e%2fx.mar', 'noop.mar/', 'loop', 'dangling'])(
    'names nothing: %s',
    async (url) => {
      await makeMar(join(modelStore, 'noop.mar'), FILES);
      await symlink('loop', join(modelStore, 'loop'));
      await symlink('nothing', join(modelStore, 'dangling'));
      await expectError(url, 'ARCHIVE_NOT_FOUND', `Model not found at: ${url}`);
    },
  );

  it('is a link out of the store, also to a folder that only shares the beginning of its name', async () => {
    await makeFolder(join(sandbox, 'store-evil'), FILES);
    await symlink(join(sandbox, 'store-evil'), join(modelStore, 'folder'));
    await symlink(sandbox, join(modelStore, 'above'));
    await symlink('.', join(modelStore, 'itself'));
    for (const url of ['folder', 'above', 'itself']) {
      await expectError(url, 'ARCHIVE_PATH_FORBIDDEN', /link that leads out of the model store/);
    }
  });
});

describe('a folder with links', () => {
  it('is served when they stay in the model store, and refused when one leads out or nowhere', async () => {
    await makeFolder(join(modelStore, 'linked'), FILES);
    await writeFile(join(modelStore, 'shared.bin'), 'weights');
    await symlink('../shared.bin', join(modelStore, 'linked', 'weights.bin'));
    await expect(open('linked')).resolves.toMatchObject({ url: 'linked' });
    await mkdir(join(modelStore, 'linked', 'deep'));
    await symlink('/etc/passwd', join(modelStore, 'linked', 'deep', 'h.py'));
    await expectError('linked', 'ARCHIVE_INVALID', /link "deep\/h\.py" leads out of the model store/);
    await rm(join(modelStore, 'linked', 'deep', 'h.py'));
    await symlink('absent', join(modelStore, 'linked', 'deep', 'gone'));
    await expectError('linked', 'ARCHIVE_INVALID', /leads nowhere/);
  });
});

describe('an archive that cannot be used', () => {
  it('names itself and what is wrong, and leaves nothing behind', async () => {
    await writeFile(join(modelStore, 'text.mar'), 'hello');
    await expectError('text.mar', 'ARCHIVE_INVALID', /^Cannot load text\.mar: it is neither a zip nor/);
    await forgeMar(join(modelStore, 'evil.mar'), [{ name: '../evil.py', content: 'evil' }]);
    await expectError('evil.mar', 'ARCHIVE_INVALID', /^Cannot load evil\.mar: .*"\.\.\/evil\.py"/);
    await forgeTarGz(join(modelStore, 'link.tgz'), [{ name: 'm/link', type: '2', linkName: '/etc/passwd' }]);
    await expectError('link.tgz', 'ARCHIVE_INVALID', /symbolic link/);
    expect((await readdir(sandbox)).sort()).toEqual(['cache', 'store']);
  });

  it('is one whose manifest is wrong or names a configuration that is missing', async () => {
    await makeMar(join(modelStore, 'broken.mar'), { 'MAR-INF/MANIFEST.json': '{' });
    await expectError('broken.mar', 'MANIFEST_INVALID', /MANIFEST\.json: not valid JSON/);
    await makeMar(join(modelStore, 'typed.mar'), manifestFile({ handler: 5 }));
    await expectError('typed.mar', 'MANIFEST_INVALID', /model\.handler: expected a string, found a number/);
    await makeMar(join(modelStore, 'missing.mar'), manifestFile({ configFile: 'absent.yaml' }));
    await expectError('missing.mar', 'MANIFEST_INVALID', /model\.configFile: the archive has no file "absent\.yaml"/);
    await makeMar(join(modelStore, 'large.mar'), {
      ...manifestFile({ configFile: 'c.yaml' }),
      'c.yaml': '#'.repeat(1_100_000),
    });
    await expectError('large.mar', 'MANIFEST_INVALID', /c\.yaml is larger than 1048576 bytes/);
  });

  it('is held to the limits that the store was given', async () => {
    await makeMar(join(modelStore, 'noop.mar'), FILES);
    store = storeWith({ limits: { ...DEFAULT_UNPACK_LIMITS, maxUnpackedBytes: 100 } });
    await expectError('noop.mar', 'ARCHIVE_INVALID', /more than 100 bytes/);
  });
});

describe('listing the store', () => {
  it('gives archives and folders by name, sorted, and nothing hidden, unknown or broken', async () => {
    for (const name of ['b.mar', 'a.tar.gz', 'c.tgz', 'd.model', '.hidden.mar', 'notes.txt']) {
      await writeFile(join(modelStore, name), '');
    }
    await makeFolder(join(modelStore, 'Folder'), {});
    await makeFolder(join(modelStore, '.git'), {});
    await symlink('b.mar', join(modelStore, 'e.mar'));
    await symlink('nothing', join(modelStore, 'f.mar'));
    expect(await store.list()).toEqual(['Folder', 'a.tar.gz', 'b.mar', 'c.tgz', 'd.model', 'e.mar']);
  });

  it('says when there is no store', async () => {
    await expect(storeWith({ modelStore: undefined }).list()).rejects.toMatchObject({
      code: 'MODEL_STORE_MISSING',
    });
  });
});

describe('a sha256', () => {
  it('is compared with the file, and a mismatch is told with both before anything is unpacked', async () => {
    await forgeMar(join(modelStore, 'evil.mar'), [{ name: '../evil.py', content: 'evil' }]);
    const sha256 = createHash('sha256')
      .update(await readFile(join(modelStore, 'evil.mar')))
      .digest('hex');
    const other = '0'.repeat(64);
    await expectError('evil.mar', 'CHECKSUM_MISMATCH', new RegExp(`${sha256}.*${other}`), { sha256: other });
    await expectError('evil.mar', 'ARCHIVE_INVALID', /climbs out/, { sha256 });
  });

  it('counts for a plain network, too', async () => {
    await writeFile(join(modelStore, 'net.onnx'), 'network');
    const sha256 = createHash('sha256').update('network').digest('hex');
    await expect(open('net.onnx', { sha256 })).resolves.toMatchObject({ modelDir: modelStore });
    await expectError('net.onnx', 'CHECKSUM_MISMATCH', new RegExp(sha256), { sha256: 'f'.repeat(64) });
  });

  it('is refused for a folder, which has none', async () => {
    await makeFolder(join(modelStore, 'noop'), FILES);
    await expectError('noop', 'INVALID_PARAMETER', /sha256 .*noop is a folder/, { sha256: '0'.repeat(64) });
  });
});

describe('an archive from elsewhere', () => {
  it('is fetched as a phase of its own, and given back when it is released or cannot be used', async () => {
    const path = join(modelStore, 'fetched.mar');
    await makeMar(path, FILES);
    const sha256 = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
    let releases = 0;
    const asked: (string | undefined)[] = [];
    store = storeWith({
      downloads: {
        handles: (url) => url.startsWith('http://'),
        fetch: async (_url, request) => {
          asked.push(request.sha256);
          request.meter.count(5, 10);
          const release = async () => {
            releases += 1;
          };
          return { path, sha256, release };
        },
      },
    });
    const progress = new LoadProgress(new FakeClock());
    const archive = await open('http://somewhere/fetched.mar', { progress, sha256 });
    expectNoop(archive, 'http://somewhere/fetched.mar');
    expect(progress.report().map(({ phase, state, doneBytes }) => [phase, state, doneBytes])).toEqual([
      ['download', 'done', 5],
      ['unpack', 'done', expect.any(Number)],
    ]);
    expect(releases).toBe(0);
    await archive.release();
    expect(releases).toBe(1);
    await writeFile(path, 'no archive');
    await expect(open('http://user:secret@somewhere/x.mar')).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.not.stringContaining('secret'),
    });
    expect(releases).toBe(2);
    expect(asked).toEqual([sha256, undefined]);
    expect(await unpackedFolders()).toEqual([]);
  });

  it('is not asked for before it is certain that there is a store', async () => {
    const downloads = { handles: () => true, fetch: () => Promise.reject(new Error('asked')) };
    store = storeWith({ modelStore: undefined, downloads });
    await expectError('http://somewhere/x.mar', 'MODEL_STORE_MISSING', 'Model store has not been configured.');
  });
});

describe('closing the store', () => {
  it('gives up what it unpacked, keeps it for the next one, and opens nothing afterwards', async () => {
    await makeMar(join(modelStore, 'noop.mar'), FILES);
    const [first] = await Promise.all([open('noop.mar'), open('noop.mar')]);
    await Promise.all([store.close(), store.close()]);
    await first.release();
    expect(await unpackedFolders()).toHaveLength(1);
    expect(await readdir(join(cacheDir, 'archives', 'owners'))).toEqual([]);
    await expect(open('noop.mar')).rejects.toMatchObject({ code: 'SERVER_STOPPING' });
    store = storeWith({});
    const again = await open('noop.mar');
    expect(again.modelDir).toBe(first.modelDir);
    await again.release();
    expect(await unpackedFolders()).toEqual([]);
  });

  it('keeps what is released from the moment on in which the server begins to end', async () => {
    await makeMar(join(modelStore, 'noop.mar'), FILES);
    const archive = await open('noop.mar');
    await store.keep();
    await archive.release();
    expect(await unpackedFolders()).toHaveLength(1);
  });

  it('removes everything when nothing unused is to be kept', async () => {
    await makeMar(join(modelStore, 'noop.mar'), FILES);
    store = storeWith({ cacheBytes: 0 });
    await open('noop.mar');
    await store.close();
    expect(await unpackedFolders()).toEqual([]);
  });

  it('ends an opening that is under way', async () => {
    await makeMar(join(modelStore, 'large.mar'), { 'a.pt': Buffer.alloc(8 * 1024 * 1024, 'ab') });
    const opening = expect(open('large.mar')).rejects.toMatchObject({ code: 'SERVER_STOPPING' });
    await store.close();
    await opening;
    expect(await unpackedFolders()).toEqual([]);
  });
});
