import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isGivenUp, isGone, newOwner } from '../../../src/archive/cache-owner.ts';
import { UnpackCache, type UnpackCacheOptions, type UnpackedFolder } from '../../../src/archive/unpack-cache.ts';
import { DEFAULT_UNPACK_LIMITS } from '../../../src/archive/unpack-limits.ts';
import { filesBelow, forgeMar, makeMar, makeTarGz } from '../../support/archive-forge.ts';
import { WORK_HERE } from '../../support/archive-work.ts';

const FILES = { 'handler.py': 'one', 'sub/deep/weights.bin': Buffer.alloc(300_000, 'w'), 'sub/empty': '' };
const REASON = new Error('enough');
const PATIENCE = { timeout: 10_000 };

let sandbox: string;
let folder: string;
let file: string;
const open: UnpackCache[] = [];

beforeEach(async () => {
  sandbox = await mkdtemp(join(tmpdir(), 'sconce-cache-'));
  folder = join(sandbox, 'archives');
  file = join(sandbox, 'm.mar');
  await makeMar(file, FILES);
});
afterEach(async () => {
  for (const cache of open.splice(0)) await cache.close(REASON);
  await rm(sandbox, { recursive: true, force: true });
});

/** A cache as one server has it. */
function server(options: Partial<UnpackCacheOptions> = {}): UnpackCache {
  const cache = new UnpackCache({
    cacheDir: sandbox,
    maxBytes: Number.MAX_SAFE_INTEGER,
    limits: DEFAULT_UNPACK_LIMITS,
    work: WORK_HERE,
    onTrouble: (message) => expect.fail(message),
    ...options,
  });
  open.push(cache);
  return cache;
}

async function use(cache: UnpackCache, path = file): Promise<UnpackedFolder> {
  const meter = { count: () => undefined };
  return cache.use(path, await cache.digest(path, meter), meter);
}

/** Entries and what is unfinished. */
async function names(): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !['digests', 'owners'].includes(name));
}

/** Unpacks the archive and ends, as a server does; gives the folder. */
async function startAndStop(path = file): Promise<string> {
  const cache = server();
  const used = await use(cache, path);
  await cache.close(REASON);
  return used.folder;
}

async function inode(path: string): Promise<number> {
  return (await stat(path)).ino;
}

describe('what one server has unpacked', () => {
  it('is used by the next as it is, for a zip and a tar.gz', async () => {
    const archives = [file, join(sandbox, 'm.tar.gz')];
    await makeTarGz(join(sandbox, 'm.tar.gz'), FILES);
    for (const archive of archives) {
      const kept = await startAndStop(archive);
      const before = await inode(join(kept, 'handler.py'));
      const used = await use(server(), archive);
      expect(used.folder).toBe(kept);
      expect(await inode(join(kept, 'handler.py'))).toBe(before);
      expect(await filesBelow(kept)).toEqual(
        Object.fromEntries(Object.entries(FILES).map(([name, content]) => [name, Buffer.from(content)])),
      );
    }
  });

  it.each([
    ['a file is gone', (at: string) => rm(join(at, 'handler.py'))],
    ['a file has another size', (at: string) => truncate(join(at, 'sub/deep/weights.bin'), 5)],
    ['a file has other content of the same size', (at: string) => writeFile(join(at, 'handler.py'), 'two')],
    [
      'a file has become a link',
      async (at: string) => {
        await rm(join(at, 'handler.py'));
        await symlink('/etc/passwd', join(at, 'handler.py'));
      },
    ],
    ['a folder is gone', (at: string) => rm(join(at, 'sub'), { recursive: true })],
    ['its list is cut off', (at: string) => truncate(join(at, '../files.list'), 20)],
    ['its facts are cut off', (at: string) => truncate(join(at, '../entry.json'), 20)],
    ['its place for marks is gone', (at: string) => rm(join(at, '../uses'), { recursive: true })],
  ])('is unpacked again when %s', async (_, damage) => {
    const kept = await startAndStop();
    await damage(kept);
    const used = await use(server());
    expect(used.folder).toBe(kept);
    expect(await readFile(join(kept, 'handler.py'), 'utf8')).toBe('one');
    expect((await stat(join(kept, 'sub/deep/weights.bin'))).size).toBe(300_000);
    expect(await names()).toHaveLength(1);
  });

  it('is not unpacked again when a file was only touched', async () => {
    const kept = await startAndStop();
    const before = await inode(join(kept, 'handler.py'));
    await utimes(join(kept, 'handler.py'), 1, 1);
    await use(server());
    expect(await inode(join(kept, 'handler.py'))).toBe(before);
  });

  it('is rid of what a handler has left in it, but for bytecode', async () => {
    const kept = await startAndStop();
    await mkdir(join(kept, 'sub/__pycache__'));
    await writeFile(join(kept, 'sub/__pycache__/handler.pyc'), '');
    await mkdir(join(kept, 'extracted'));
    await writeFile(join(kept, 'extracted/half'), '');
    await use(server());
    expect(Object.keys(await filesBelow(kept)).sort()).toEqual([
      'handler.py',
      'sub/__pycache__/handler.pyc',
      'sub/deep/weights.bin',
      'sub/empty',
    ]);
  });

  it('is read once more where the machine may have lost it, after it was started anew', async () => {
    const kept = await startAndStop();
    const facts = join(kept, '../entry.json');
    const otherBoot = async () => {
      const text = await readFile(facts, 'utf8');
      await writeFile(facts, text.replace(/"bootId":"[0-9a-f]*"/, '"bootId":"another"'));
    };
    const { mtime } = await stat(join(kept, 'handler.py'));
    await otherBoot();
    await startAndStop();
    expect(await readFile(facts, 'utf8')).not.toContain('another');
    await writeFile(join(kept, 'handler.py'), '\0\0\0');
    await utimes(join(kept, 'handler.py'), mtime, mtime);
    await otherBoot();
    await use(server());
    expect(await readFile(join(kept, 'handler.py'), 'utf8')).toBe('one');
  });

  it('is held to the limits of the server that finds it', async () => {
    await startAndStop();
    for (const limits of [{ maxUnpackedBytes: 1000 }, { maxEntries: 3 }, { maxPathBytes: 12 }, { maxPathDepth: 2 }]) {
      const cache = server({ limits: { ...DEFAULT_UNPACK_LIMITS, ...limits } });
      await expect(use(cache)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
      expect(await names()).toEqual([]);
      await startAndStop();
    }
    await rm(sandbox, { recursive: true });
    await mkdir(sandbox);
    const pattern = Buffer.concat([randomBytes(1024), Buffer.alloc(300_000)]);
    await makeMar(file, { 'weights.bin': Buffer.concat(Array.from({ length: 40 }, () => pattern)) });
    await startAndStop();
    const cache = server({ limits: { ...DEFAULT_UNPACK_LIMITS, maxCompressionRatio: 100 } });
    await expect(use(cache)).rejects.toThrow(/more than 100 times/);
  });

  it('is found by its content, not by its name, and not when the file is another one', async () => {
    const kept = await startAndStop();
    await rename(file, join(sandbox, 'other-name'));
    expect((await use(server(), join(sandbox, 'other-name'))).folder).toBe(kept);
    await makeMar(file, { 'handler.py': 'two' });
    const { folder: other } = await use(server());
    expect(other).not.toBe(kept);
    expect(await readFile(join(other, 'handler.py'), 'utf8')).toBe('two');
  });
});

describe('servers that share a cache', () => {
  it('unpack an archive once when they start together', async () => {
    const used = await Promise.all(Array.from({ length: 6 }, () => use(server())));
    expect(new Set(used.map((one) => one.folder)).size).toBe(1);
    expect(await names()).toHaveLength(1);
    const uses = join(used[0]?.folder ?? '', '../uses');
    expect(await readdir(uses)).toHaveLength(6);
  });

  it('keep an entry while one of them uses it', async () => {
    const [first, second] = await Promise.all([use(server()), use(server())]);
    await first.release();
    expect(await readFile(join(second.folder, 'handler.py'), 'utf8')).toBe('one');
    await second.release();
    expect(await names()).toEqual([]);
  });

  it('leave alone what the other one uses, also when it is damaged: each gets files of its own', async () => {
    const first = server();
    const { folder: shared } = await use(first);
    await rm(join(shared, 'handler.py'));
    await writeFile(join(shared, 'extracted'), 'by a handler');
    const own = await use(server());
    expect(own.folder).not.toBe(shared);
    expect(await readFile(join(own.folder, 'handler.py'), 'utf8')).toBe('one');
    const again = await use(first);
    expect(again.folder).not.toBe(shared);
    expect((await readdir(shared)).sort()).toEqual(['extracted', 'sub']);
    expect(await names()).toHaveLength(3);
    await own.release();
    await again.release();
    expect(await names()).toHaveLength(1);
  });

  it('do not count those that were killed', async () => {
    const { folder: kept } = await use(server());
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log("up")']);
    await once(child.stdout, 'data');
    const [boot, , , random] = (await newOwner()).split('.');
    const start = (await readFile(`/proc/${child.pid}/stat`, 'utf8')).replace(/^.*\) /s, '').split(' ')[19];
    const other = `${boot}.${child.pid}.${start}.${random}`;
    await writeFile(join(kept, '../uses', other), '');
    for (const cache of open.splice(0)) await cache.close(REASON);
    const cache = server();
    await (await use(cache)).release();
    expect(await names(), 'the other one uses it').toHaveLength(1);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await (await use(cache)).release();
    expect(await names()).toEqual([]);
  });

  it('take over when one was killed while it unpacked, and clear away what it left', async () => {
    const [boot] = (await newOwner()).split('.');
    const gone = `${boot}.${process.pid}.1.00000000`;
    const cache = server();
    const { sha256 } = await cache.digest(file, { count: () => undefined });
    await mkdir(join(folder, `tmp~${gone}~1234.5678`, 'files'), { recursive: true });
    await symlink(gone, join(folder, `lock-${sha256}`));
    await writeFile(join(folder, 'owners', gone), '');
    await use(cache);
    const next = server();
    await next.sweep();
    await expect.poll(names, PATIENCE).toEqual([sha256]);
    await expect.poll(() => readdir(join(folder, 'owners')), PATIENCE).toHaveLength(2);
  });
});

it('goes on when somebody has emptied the cache by hand', async () => {
  const cache = server();
  const before = await use(cache);
  await rm(folder, { recursive: true });
  await makeMar(join(sandbox, 'other'), { other: 'x' });
  expect(await readdir((await use(cache, join(sandbox, 'other'))).folder)).toEqual(['other']);
  expect(await readdir((await use(cache)).folder)).toContain('handler.py');
  await before.release();
});

describe('the size of the cache', () => {
  /** Archives a, b, c of 100 kB each, unpacked in this order by servers that have ended. */
  async function three(): Promise<string[]> {
    const folders: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      await makeMar(join(sandbox, name), { [name]: Buffer.alloc(100_000, name) });
      folders.push(await startAndStop(join(sandbox, name)));
      // Moments of use are compared by the times of files, which may be the same within a tick.
      await utimes(join(folders.at(-1) ?? '', '../uses'), folders.length, folders.length);
    }
    return folders.map((at) => at.split('/').at(-2) ?? '');
  }

  it('is held by removing what was not used for longest, after an archive was unpacked', async () => {
    const [a = '', b = '', c = ''] = await three();
    await use(server({ maxBytes: 700_000 }));
    expect(await names()).toHaveLength(4);
    await rm(join(folder, (await names()).find((name) => ![a, b, c].includes(name)) ?? ''), { recursive: true });
    const cache = server({ maxBytes: 450_000 });
    await use(cache, join(sandbox, 'a'));
    await use(cache);
    await expect.poll(async () => (await names()).sort(), PATIENCE).toEqual(expect.not.arrayContaining([b, c]));
    expect(await names()).toContain(a);
    expect(await names()).toHaveLength(2);
  });

  it('removes nothing that is in use, however small it is', async () => {
    const cache = server({ maxBytes: 1 });
    const used = [await use(cache)];
    await makeMar(join(sandbox, 'other'), { other: 'x' });
    used.push(await use(cache, join(sandbox, 'other')));
    expect(await names()).toHaveLength(2);
    for (const one of used) expect(await readdir(one.folder)).not.toEqual([]);
  });
});

describe('the digest of a file', () => {
  it('is remembered once the file has settled, and forgotten when it changes', async () => {
    const cache = server();
    const counted: number[] = [];
    const meter = { count: (doneBytes: number) => void counted.push(doneBytes) };
    await expect
      .poll(async () => {
        await cache.digest(file, meter);
        return readdir(join(folder, 'digests'));
      }, PATIENCE)
      .toHaveLength(1);
    counted.length = 0;
    const { sha256 } = await cache.digest(file, meter);
    expect(counted).toEqual([]);
    // The same size and the same time of change, as far as a program can set it.
    const { atime, mtime } = await stat(file);
    const bytes = await readFile(file);
    bytes[bytes.length - 23] = (bytes[bytes.length - 23] ?? 0) ^ 1;
    await writeFile(file, bytes);
    await utimes(file, atime, mtime);
    expect((await cache.digest(file, meter)).sha256).not.toBe(sha256);
    expect(counted).toEqual([bytes.length]);
  });

  it('is not taken from a memory that was cut off', async () => {
    const cache = server();
    const { sha256, fingerprint } = await cache.digest(file, { count: () => undefined });
    await writeFile(join(folder, 'digests', fingerprint.text), sha256.slice(0, 30));
    expect((await cache.digest(file, { count: () => undefined })).sha256).toBe(sha256);
  });

  it('is of no use when the file has changed before it is unpacked', async () => {
    const cache = server();
    const digest = await cache.digest(file, { count: () => undefined });
    await makeMar(file, { 'handler.py': 'another' });
    await expect(cache.use(file, digest, { count: () => undefined })).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.stringContaining('was changed while it was read'),
    });
    expect(await names()).toEqual([]);
  });
});

describe('an archive that cannot be unpacked', () => {
  it('leaves nothing, however many ask for it at once, and does not stand in the way of others', async () => {
    await forgeMar(file, [
      { name: 'fine', content: 'x' },
      { name: '../evil', content: 'x' },
    ]);
    const cache = server();
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => use(cache)));
    expect(outcomes.map(({ status }) => status)).toEqual(Array(8).fill('rejected'));
    expect(await names()).toEqual([]);
    await makeMar(file, FILES);
    await use(cache);
    expect(await names()).toHaveLength(1);
  });
});

describe('an owner', () => {
  it('is there while its process is, and a process that only has the same id is another one', async () => {
    const owner = await newOwner();
    expect(await isGone(sandbox, owner)).toBe(false);
    const [boot, pid, start, random] = owner.split('.');
    expect(await isGone(sandbox, [boot, pid, Number(start) + 1, random].join('.'))).toBe(true);
    expect(await isGone(sandbox, [boot, 4_194_300, 1, random].join('.'))).toBe(true);
    expect(await isGone(sandbox, 'no owner')).toBe(true);
    expect(await isGone(sandbox, '')).toBe(true);
  });

  it('of another machine or container is there while it says so', async () => {
    const other = 'elsewhere-1.1.5.00000000';
    expect(await isGone(sandbox, other)).toBe(true);
    await writeFile(join(sandbox, other), '');
    expect(await isGone(sandbox, other)).toBe(false);
    expect(await isGivenUp(sandbox, other, 1_000)).toBe(false);
    expect(await isGivenUp(sandbox, other, 61_000)).toBe(true);
    expect(await isGivenUp(sandbox, await newOwner(), 61_000)).toBe(false);
    const anHourAgo = Date.now() / 1000 - 3600;
    await utimes(join(sandbox, other), anHourAgo, anHourAgo);
    expect(await isGone(sandbox, other)).toBe(true);
  });
});
