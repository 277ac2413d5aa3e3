import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Unpacked, unpack } from '../../../src/archive/unpack.ts';
import { DEFAULT_UNPACK_LIMITS, type UnpackLimits } from '../../../src/archive/unpack-limits.ts';
import { ServingError } from '../../../src/core/errors.ts';
import {
  type ForgedTarMember,
  type ForgedZipEntry,
  filesBelow,
  forgeBomb,
  forgedTar,
  forgedZip,
  forgedZip64,
  forgeMar,
  forgeTarGz,
  makeMar,
  makeTarGz,
  manifestFile,
  paxRecord,
} from '../../support/archive-forge.ts';

const MIB = 1024 * 1024;
const never = new AbortController().signal;

let sandbox: string;
let file: string;
let folder: string;

beforeEach(async () => {
  sandbox = await mkdtemp(join(tmpdir(), 'sconce-unpack-'));
  file = join(sandbox, 'archive');
  folder = join(sandbox, 'work', 'models', 'one');
});
afterEach(() => rm(sandbox, { recursive: true, force: true }));

function unpackHere(limits: Partial<UnpackLimits> = {}): Promise<Unpacked> {
  return unpack(file, folder, { ...DEFAULT_UNPACK_LIMITS, ...limits }, never);
}

/** Expects that the archive is refused with these words, and that nothing but itself is in the sandbox afterwards. */
async function expectRefusal(words: string | RegExp, limits: Partial<UnpackLimits> = {}): Promise<void> {
  const thrown = await unpackHere(limits).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(ServingError);
  expect(thrown).toMatchObject({ code: 'ARCHIVE_INVALID', message: expect.stringMatching(words) });
  await expectNothingLeft();
}

async function expectNothingLeft(): Promise<void> {
  const left = await readdir(sandbox, { recursive: true });
  expect(left.filter((name) => !['archive', 'work', join('work', 'models')].includes(name))).toEqual([]);
}

async function unpackedText(): Promise<Record<string, string>> {
  const files = await filesBelow(folder);
  return Object.fromEntries(Object.entries(files).map(([name, content]) => [name, content.toString('utf8')]));
}

const FILES = {
  ...manifestFile({ modelName: 'noop' }),
  'handler.py': 'def handle(data, context): return data\n',
  'sub/deep/vocabulary.txt': 'ein\nzwei\n',
  'leer.bin': '',
};

describe('unpack', () => {
  it.each([true, false])('writes the files of a .mar (deflated: %s)', async (compress) => {
    await makeMar(file, FILES, { compress });
    await unpackHere();
    expect(await unpackedText()).toEqual(FILES);
  });

  it('writes the files of a tar.gz without their first component, whatever that is', async () => {
    for (const prefix of ['noop', '.', 'a-b.c']) {
      await makeTarGz(file, FILES, prefix);
      await unpackHere();
      expect(await unpackedText()).toEqual(FILES);
      await rm(folder, { recursive: true });
    }
  });

  it('keeps the name of a tar member that has no slash', async () => {
    await forgeTarGz(file, [
      { name: 'handler.py', content: 'x' },
      { name: 'm/sub', type: '5' },
      { name: 'm', type: '5' },
    ]);
    await unpackHere();
    expect((await readdir(folder)).sort()).toEqual(['handler.py', 'sub']);
  });

  it('brings large binary files over unchanged, in both formats', async () => {
    const weights = Buffer.from(Array.from({ length: 3 * MIB + 17 }, (_, index) => (index * 2_654_435_761) >>> 13));
    for (const make of [makeMar, makeTarGz]) {
      await make(file, { 'a.pt': weights, 'b.txt': 'after', 'c.pt': weights.subarray(0, 70_000) });
      await unpackHere();
      const unpacked = await filesBelow(folder);
      expect(unpacked['a.pt']?.equals(weights)).toBe(true);
      expect(unpacked['b.txt']?.toString()).toBe('after');
      expect(unpacked['c.pt']?.equals(weights.subarray(0, 70_000))).toBe(true);
      await rm(folder, { recursive: true });
    }
  });

  it('takes many small tar members after one another', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 700 }, (_, index) => [`d${index % 7}/f${index}`, `${index}`]),
    );
    await makeTarGz(file, files);
    await unpackHere();
    expect(await unpackedText()).toEqual(files);
  });

  it('takes long names that a tar carries in pax and GNU headers, and a global header', async () => {
    const long = `${'x'.repeat(120)}.txt`;
    await forgeTarGz(file, [
      { name: 'pax_global_header', type: 'g', content: paxRecord('comment', 'of no interest') },
      { name: 'PaxHeaders/x', type: 'x', content: paxRecord('path', `m/pax/${long}`) },
      { name: 'm/cut', content: 'pax' },
      { name: '././@LongLink', type: 'L', content: `m/gnu/${long}\0` },
      { name: 'm/cut', content: 'gnu' },
    ]);
    await unpackHere();
    expect(await unpackedText()).toEqual({ [`pax/${long}`]: 'pax', [`gnu/${long}`]: 'gnu' });
  });

  it('goes by the first bytes, and refuses what is neither zip nor gzip', async () => {
    for (const content of ['', 'PK', 'hello', '\x1f', '7z\xbc\xaf\x27\x1c']) {
      await writeFile(file, content, 'latin1');
      await expectRefusal(/neither a zip nor a gzip'd tar archive.*\.mar/);
    }
  });

  it('writes plain modes, whatever the archive asks for', async () => {
    await forgeMar(file, [
      { name: 'tool', content: 'x', mode: 0o104777 },
      { name: 'd/', mode: 0o043777 },
    ]);
    await unpackHere();
    const umask = process.umask();
    expect((await stat(join(folder, 'tool'))).mode & 0o7777).toBe(0o644 & ~umask);
    expect((await stat(join(folder, 'd'))).mode & 0o7777).toBe(0o755 & ~umask);
    await rm(folder, { recursive: true });
    await forgeTarGz(file, [
      { name: 'm/tool', content: 'x', mode: 0o6777 },
      { name: 'm/d/', type: '5', mode: 0o7777 },
    ]);
    await unpackHere();
    expect((await stat(join(folder, 'tool'))).mode & 0o7777).toBe(0o644 & ~umask);
    expect((await stat(join(folder, 'd'))).mode & 0o7777).toBe(0o755 & ~umask);
  });

  it('calls a disk that fails INTERNAL, not a bad archive', async () => {
    await makeMar(file, FILES);
    await writeFile(join(sandbox, 'work'), 'in the way');
    await expect(unpackHere()).rejects.toMatchObject({ code: 'INTERNAL', message: /refused mkdir/ });
  });

  it('ends with the reason of the signal and leaves nothing', async () => {
    const reason = new ServingError('SERVER_STOPPING', 'enough');
    await makeMar(file, { 'a.pt': Buffer.alloc(4 * MIB, 'ab') });
    await expect(unpack(file, folder, DEFAULT_UNPACK_LIMITS, AbortSignal.abort(reason))).rejects.toBe(reason);
    const stop = new AbortController();
    const unpacking = unpack(file, folder, DEFAULT_UNPACK_LIMITS, stop.signal);
    stop.abort(reason);
    await expect(unpacking).rejects.toBe(reason);
    await expectNothingLeft();
  });
});

/** Names that no archive may use, with the words of the refusal. */
const EVIL_NAMES: readonly (readonly [string, RegExp])[] = [
  ['../evil.py', /"\.\.\/evil\.py" climbs out/],
  ['m/../../evil.py', /climbs out/],
  ['m/..', /climbs out/],
  ['/tmp/evil.py', /absolute path/],
  ['C:/evil.py', /drive letter/],
  ['m\\..\\..\\evil.py', /backslash/],
  ['m/a\nb', /"m\/a\\nb" contains a control character/],
  [`m/${'d/'.repeat(70)}x`, /deeper than 64/],
];

const fine = { name: 'm/fine.txt', content: 'fine' };

describe('a hostile name', () => {
  it.each(EVIL_NAMES)('%j is refused in a zip', async (name, words) => {
    await forgeMar(file, [fine, { name, content: 'evil' }]);
    await expectRefusal(words);
  });

  it.each(EVIL_NAMES)('%j is refused in a tar', async (name, words) => {
    const members: ForgedTarMember[] =
      name.length > 100
        ? [
            { name: 'pax', type: 'x', content: paxRecord('path', name) },
            { name: 'm/x', content: 'evil' },
          ]
        : [{ name, content: 'evil' }];
    await forgeTarGz(file, [fine, ...members]);
    await expectRefusal(words);
  });

  it('with a NUL is refused in a zip', async () => {
    await forgeMar(file, [fine, { name: 'evil.py\0.txt', content: 'evil' }]);
    await expectRefusal(/control character/);
  });

  it('that a pax header smuggles in is refused', async () => {
    await forgeTarGz(file, [{ name: 'pax', type: 'x', content: paxRecord('path', '../../evil.py') }, fine]);
    await expectRefusal(/climbs out/);
  });

  it('that only a sibling folder shares as a prefix is refused', async () => {
    await forgeMar(file, [{ name: '../one-evil/x', content: 'evil' }]);
    await expectRefusal(/climbs out/);
  });

  it('longer than a path may be is refused', async () => {
    await forgeMar(file, [{ name: 'x/'.repeat(10) + 'y'.repeat(40), content: '' }]);
    await expectRefusal(/longer than 50 bytes/, { maxPathBytes: 50 });
  });
});

describe('names that clash', () => {
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['a file twice', ['m/a', 'm/a'], /two entries "(m\/)?a"/],
    ['a file twice, written differently', ['m/a', 'm/./a'], /two entries/],
    ['two files that differ by case', ['m/Foo.py', 'm/foo.py'], /one name on some disks/],
    ['two folders that differ by case', ['m/Sub/a', 'm/sub/b'], /one name on some disks/],
    ['two files that differ by Unicode form', ['m/\u00e9', 'm/e\u0301'], /one name on some disks/],
    ['an entry below a file', ['m/a', 'm/a/b'], /both a file and a folder/],
    ['a file in place of a folder', ['m/a/b', 'm/a'], /both a file and a folder/],
  ];

  it.each(cases)('are refused in a zip: %s', async (_, names, words) => {
    await forgeMar(
      file,
      names.map((name) => ({ name, content: 'x' })),
    );
    await expectRefusal(words);
  });

  it.each(cases)('are refused in a tar: %s', async (_, names, words) => {
    await forgeTarGz(
      file,
      names.map((name) => ({ name, content: 'x' })),
    );
    await expectRefusal(words);
  });

  it('are refused when only the removed first component told them apart', async () => {
    await forgeTarGz(file, [
      { name: 'one/a', content: '1' },
      { name: 'two/a', content: '2' },
    ]);
    await expectRefusal(/two entries "a"/);
  });

  it('may be those of a folder that is named twice', async () => {
    await forgeMar(file, [{ name: 'd/' }, { name: 'd/x', content: 'x' }, { name: 'd/' }]);
    await unpackHere();
    expect(await unpackedText()).toEqual({ 'd/x': 'x' });
  });
});

describe('an entry that is neither file nor folder', () => {
  it.each([
    ['a symbolic link', 0o120777, '../../etc/passwd'],
    ['a symbolic link', 0o120777, 'fine.txt'],
    ['a named pipe', 0o010644, ''],
    ['a character device', 0o020644, ''],
    ['a block device', 0o060644, ''],
    ['a socket', 0o140644, ''],
  ])('is refused in a zip: %s', async (kind, mode, content) => {
    await forgeMar(file, [fine, { name: 'link', mode, content }]);
    await expectRefusal(`"link" is ${kind}`);
  });

  it.each([
    ['a symbolic link', '2', '../../../../etc/passwd'],
    ['a symbolic link', '2', 'fine.txt'],
    ['a hard link', '1', 'm/fine.txt'],
    ['a hard link', '1', '/etc/passwd'],
    ['a character device', '3', ''],
    ['a block device', '4', ''],
    ['a named pipe', '6', ''],
    ['a sparse file', 'S', ''],
    ['of a type that no model needs', 'V', ''],
  ])('is refused in a tar: %s', async (kind, type, linkName) => {
    await forgeTarGz(file, [fine, { name: 'm/link', type, linkName }, { name: 'm/after', content: 'x' }]);
    await expectRefusal(`"m/link" is ${kind}`);
  });

  it('is refused in a tar before anything is written through it', async () => {
    await forgeTarGz(file, [
      { name: 'm/out', type: '2', linkName: sandbox },
      { name: 'm/out/evil.py', content: 'evil' },
    ]);
    await expectRefusal(/symbolic link/);
  });

  it('is refused when a pax header makes it sparse', async () => {
    const content = paxRecord('GNU.sparse.major', '1') + paxRecord('GNU.sparse.name', 'm/x');
    await forgeTarGz(file, [{ name: 'pax', type: 'x', content }, fine]);
    await expectRefusal(/sparse/);
  });
});

describe('an archive that would grow too large', () => {
  it('is refused by its ratio, long before it is unpacked', async () => {
    await forgeBomb(file, 64);
    expect((await stat(file)).size).toBeLessThan(80_000);
    await expectRefusal(/more than 1000 times its compressed size/);
    await writeFile(file, gzipSync(forgedTar([{ name: 'm/weights.pt', content: Buffer.alloc(64 * MIB) }])));
    await expectRefusal(/more than 1000 times its compressed size/);
  });

  it('may be all zeros while it is small', async () => {
    await forgeBomb(file, 9);
    await unpackHere();
    expect((await stat(join(folder, 'weights.pt'))).size).toBe(9 * MIB);
  });

  it('may be stored at any size that the limit allows', async () => {
    await makeMar(file, { 'weights.pt': Buffer.alloc(12 * MIB) }, { compress: false });
    await unpackHere({ maxCompressionRatio: 0.5 });
    expect((await stat(join(folder, 'weights.pt'))).size).toBe(12 * MIB);
  });

  it('is refused by its total, in every format', async () => {
    const files = { a: Buffer.alloc(600), b: Buffer.alloc(600) };
    for (const make of [
      () => makeMar(file, files),
      () => makeMar(file, files, { compress: false }),
      () => makeTarGz(file, files),
    ]) {
      await make();
      await expectRefusal(/more than 1000 bytes/, { maxUnpackedBytes: 1000 });
    }
  });

  it('is refused by what really comes out when its headers claim less', async () => {
    const content = Buffer.alloc(MIB, 'x');
    await forgeMar(file, [{ name: 'a', method: 8, content, claimedSize: 10 }]);
    await expectRefusal(/size is not the one/);
    const incompressible = randomBytes(MIB);
    await forgeMar(file, [{ name: 'a', method: 8, content: incompressible, claimedSize: 10 }]);
    await expectRefusal(/more than 100 bytes/, { maxUnpackedBytes: 100 });
  });

  it('is refused when its entries share bytes', async () => {
    const kernel = { name: 'a', method: 8, content: Buffer.alloc(MIB) };
    const copies: ForgedZipEntry[] = Array.from({ length: 50 }, (_, index) => ({
      ...kernel,
      name: `b${index}`,
      sharesDataOf: 0,
    }));
    await forgeMar(file, [kernel, ...copies]);
    await expectRefusal(/shares bytes with another entry/);
  });

  it('is refused by its number of entries, folders inside paths included', async () => {
    const names = Array.from({ length: 11 }, (_, index) => ({ name: `m/f${index}`, content: '' }));
    await forgeMar(file, names);
    await expectRefusal(/more than 10 files and folders/, { maxEntries: 10 });
    await forgeTarGz(file, names);
    await expectRefusal(/more than 10 files and folders/, { maxEntries: 10 });
    await forgeMar(file, [{ name: 'a/b/c/d/e/f', content: '' }]);
    await expectRefusal(/more than 5 files and folders/, { maxEntries: 5 });
  });

  it('counts what a tar carries after its end', async () => {
    await writeFile(file, gzipSync(Buffer.concat([forgedTar([fine]), Buffer.alloc(2 * MIB)])));
    await unpackHere();
    await rm(folder, { recursive: true });
    await expectRefusal(/more than 1048576 bytes/, { maxUnpackedBytes: MIB });
  });

  it('is refused when it is compressed twice', async () => {
    await writeFile(file, gzipSync(gzipSync(forgedTar([fine]))));
    await expectRefusal(/compressed twice/);
  });
});

describe('a damaged archive', () => {
  it('is refused wherever a .mar was cut off', async () => {
    await makeMar(file, FILES);
    const whole = await readFile(file);
    for (const length of [5, 30, 200, whole.length - 60, whole.length - 1]) {
      await writeFile(file, whole.subarray(0, length));
      await expectRefusal(/damaged/);
    }
  });

  it('is refused wherever a tar.gz was cut off', async () => {
    await makeTarGz(file, {
      ...FILES,
      'a.pt': Buffer.from(Array.from({ length: 900_000 }, (_, index) => (index * 7919) >>> 3)),
    });
    const whole = await readFile(file);
    for (const length of [2, 12, 300, Math.floor(whole.length / 2), whole.length - 1]) {
      await writeFile(file, whole.subarray(0, length));
      await expectRefusal(/damaged/);
    }
  });

  it('is refused when the tar inside a sound gzip is cut off or broken', async () => {
    const tar = forgedTar([fine, { name: 'm/b', content: Buffer.alloc(5000, 'b') }]);
    await writeFile(file, gzipSync(tar.subarray(0, 3000)));
    await expectRefusal(/damaged.*ends too early/);
    await forgeTarGz(file, [fine, { name: 'm/b', content: 'b', breaksChecksum: true }]);
    await expectRefusal(/damaged.*checksum/);
    await forgeTarGz(file, [fine, { name: 'm/b', content: 'b', claimedSize: 0o7777777777 }]);
    await expectRefusal(/damaged/);
    await writeFile(file, gzipSync('this is not a tar'));
    await expectRefusal(/damaged/);
  });

  it('is refused when a checksum or a size in a zip is wrong', async () => {
    for (const method of [0, 8]) {
      await forgeMar(file, [fine, { name: 'a', content: 'content', method, crc: 1 }]);
      await expectRefusal(/"a" is damaged: its checksum is wrong/);
    }
    await forgeMar(file, [{ name: 'a', content: 'content', method: 8, claimedSize: 900 }]);
    await expectRefusal(/size is not the one/);
    await forgeMar(file, [{ name: 'a', content: 'content', claimedSize: 900 }]);
    await expectRefusal(/damaged/);
    await forgeMar(file, [{ name: 'a', content: 'content', method: 8, packed: Buffer.from('nonsense') }]);
    await expectRefusal(/"a" is damaged/);
    await forgeMar(file, [
      { name: 'a', content: 'content', method: 8, packed: deflateRawSync('content').subarray(0, 4) },
    ]);
    await expectRefusal(/"a" is damaged/);
  });

  it('is refused when a zip needs a password or a method that is not there', async () => {
    await forgeMar(file, [{ name: 'a', content: 'x', flags: 0x801, claimedPackedSize: 13 }]);
    await expectRefusal(/"a" is encrypted/);
    await forgeMar(file, [{ name: 'a', content: 'x', method: 14 }]);
    await expectRefusal(/compression method 14/);
  });

  it('is refused when a folder of a zip has content', async () => {
    await forgeMar(file, [{ name: 'a/', content: 'x' }]);
    await expectRefusal(/folder "a\/" has content/);
  });

  it('is refused when its headers point outside the file, however far', async () => {
    await forgeMar(file, [{ name: 'a', content: 'x', claimedOffset: 0x7fffffff }]);
    await expectRefusal(/damaged/);
    for (const offset of [1n << 20n, 1n << 52n, (1n << 64n) - 1n]) {
      await writeFile(file, forgedZip64({ directoryOffset: offset }));
      await expectRefusal(/damaged/);
      await writeFile(file, forgedZip64({ trailerOffset: offset }));
      await expectRefusal(/damaged/);
    }
    await writeFile(file, forgedZip64({ entries: 1n << 60n }));
    await expectRefusal(/damaged/);
  });

  it('is either unpacked or refused, whichever bytes are changed', async () => {
    const tar = forgedTar([fine, { name: 'm/sub/', type: '5' }, { name: 'm/sub/b', content: 'b'.repeat(600) }]);
    const zip = forgedZip([{ ...fine, method: 8 }, { name: 'sub/' }, { name: 'sub/b', content: 'b'.repeat(600) }]);
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(change, { minLength: 1, maxLength: 6 }), async (isZip, changes) => {
        const bytes = Buffer.from(isZip ? zip : tar);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        await writeFile(file, isZip ? bytes : gzipSync(bytes));
        const thrown = await unpackHere().then(
          () => undefined,
          (error: unknown) => error,
        );
        if (thrown !== undefined) {
          expect(thrown).toMatchObject({ code: 'ARCHIVE_INVALID' });
          await expectNothingLeft();
        }
        await rm(join(sandbox, 'work'), { recursive: true, force: true });
        expect(await readdir(sandbox)).toEqual(['archive']);
      }),
      { numRuns: 300 },
    );
  });
});
