// Tricks with the two descriptions that a zip has of each entry, with claimed sizes and with cuts; unpack.test.ts has names, kinds and bombs.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { unpack } from '../../../src/archive/unpack.ts';
import { DEFAULT_UNPACK_LIMITS } from '../../../src/archive/unpack-limits.ts';
import {
  dataDescriptor,
  extraField,
  type ForgedZipEntry,
  filesBelow,
  forgedTar,
  forgeMar,
  forgeTarGz,
  makeMar,
  makeTarGz,
  paxRecord,
} from '../../support/archive-forge.ts';

let sandbox: string;
let file: string;
let folder: string;

beforeEach(async () => {
  sandbox = await mkdtemp(join(tmpdir(), 'sconce-hostile-'));
  file = join(sandbox, 'archive');
  folder = join(sandbox, 'dest');
});
afterEach(() => rm(sandbox, { recursive: true, force: true }));

async function refusal(): Promise<string> {
  const thrown: unknown = await unpack(file, folder, DEFAULT_UNPACK_LIMITS, new AbortController().signal).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toMatchObject({ code: 'ARCHIVE_INVALID' });
  expect(await readdir(sandbox)).toEqual(['archive']);
  return (thrown as Error).message;
}

async function unpackedNames(): Promise<string[]> {
  await unpack(file, folder, DEFAULT_UNPACK_LIMITS, new AbortController().signal);
  return Object.keys(await filesBelow(folder)).sort();
}

const content = 'content';
const checksum = crc32(content);

describe('a zip that describes an entry twice', () => {
  it('is believed in its directory only: a header beside the data may lie about name, sizes and checksum', async () => {
    await forgeMar(file, [
      { name: 'a', content, local: { name: '../../evil', crc: 1, size: 1 << 30, packedSize: 0 } },
      { name: 'b', content, method: 8, local: { name: '/etc/passwd', size: 0 } },
    ]);
    expect(await unpackedNames()).toEqual(['a', 'b']);
    expect(await readFile(join(folder, 'a'), 'utf8')).toBe(content);
  });

  it('may carry its sizes behind the data, where no lie counts', async () => {
    const streamed = { flags: 0x808, local: { crc: 0, size: 0, packedSize: 0 } };
    await forgeMar(file, [
      { name: 'honest', content, ...streamed, trailing: dataDescriptor(checksum, content.length, content.length) },
      { name: 'lying', content, ...streamed, trailing: dataDescriptor(7, 0xfffffff0, 0xfffffff0) },
      { name: 'cut', content, ...streamed, trailing: Buffer.from('PK\x07', 'latin1') },
    ]);
    expect(await unpackedNames()).toEqual(['cut', 'honest', 'lying']);
  });

  it('is refused when a second name in its extra field is the evil one', async () => {
    const pathField = (name: string) => {
      const body = Buffer.alloc(5);
      body.writeUInt8(1, 0);
      body.writeUInt32LE(crc32('fine'), 1);
      return extraField(0x7075, Buffer.concat([body, Buffer.from(name)]));
    };
    await forgeMar(file, [{ name: 'fine', content, flags: 0, extra: pathField('../evil') }]);
    expect(await refusal()).toMatch(/"\.\.\/evil" climbs out/);
    await forgeMar(file, [{ name: 'fine', content, flags: 0, extra: pathField('renamed') }]);
    expect(await unpackedNames()).toEqual(['renamed']);
  });

  it('is refused when an entry overlaps the next by a single byte, or its own header', async () => {
    const size = 100;
    const whole = { content: 'x'.repeat(size), crc: crc32('x'.repeat(size)) };
    const first: ForgedZipEntry = { name: 'a', ...whole, claimedPackedSize: size + 10, claimedSize: size + 10 };
    await forgeMar(file, [first, { name: 'b', ...whole }]);
    expect(await refusal()).toMatch(/shares bytes|damaged/);
    await forgeMar(file, [
      { name: 'a', ...whole },
      { name: 'b', ...whole, claimedOffset: 1 },
    ]);
    expect(await refusal()).toMatch(/shares bytes/);
  });

  it('is refused when its headers lie in the directory of entries or behind the end', async () => {
    await forgeMar(file, [{ name: 'a', content, claimedOffset: 40 }]);
    expect(await refusal()).toMatch(/does not begin where the archive states/);
    await forgeMar(file, [{ name: 'a', content, claimedOffset: 100_000 }]);
    expect(await refusal()).toMatch(/points outside the file/);
  });
});

describe('sizes that are claimed', () => {
  const zip64 = (size: bigint, packedSize: bigint) => {
    const body = Buffer.alloc(16);
    body.writeBigUInt64LE(size, 0);
    body.writeBigUInt64LE(packedSize, 8);
    return { claimedSize: 0xffffffff, claimedPackedSize: 0xffffffff, extra: extraField(1, body) };
  };

  it.each([
    ['beyond the limit', 1n << 45n, 7n, /more than 53687091200 bytes/],
    ['beyond what numbers hold', (1n << 64n) - 1n, 7n, /damaged|more than/],
    ['beyond the file', 7n, 1n << 40n, /damaged/],
    ['beyond the content', 1n << 30n, 7n, /damaged/],
  ])('are refused before they cost anything: %s', async (_, size, packedSize, words) => {
    const before = process.memoryUsage().rss;
    await forgeMar(file, [{ name: 'a', content, method: 8, ...zip64(size, packedSize) }]);
    expect(await refusal()).toMatch(words);
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
  });

  it('are refused in a tar, which would never end', async () => {
    await forgeTarGz(file, [{ name: 'm/a', content, claimedSize: 0o77777777777 }]);
    expect(await refusal()).toMatch(/damaged/);
    await forgeTarGz(file, [
      { name: 'pax', type: 'x', content: paxRecord('size', '99999999999999') },
      { name: 'm/a', content },
    ]);
    expect(await refusal()).toMatch(/damaged/);
  });
});

describe('names', () => {
  it.each([
    ['m/\0evil', /control character/],
    ['m/a\0/../../evil', /control character/],
    ['\\\\server\\share\\evil', /backslash/],
    ['//server/share/evil', /absolute/],
    ['m/..\\evil', /backslash/],
    ['m/....//....//evil/../x', /climbs out/],
  ])('%j are refused where a pax header carries them', async (name, words) => {
    await forgeTarGz(file, [
      { name: 'pax', type: 'x', content: paxRecord('path', name) },
      { name: 'm/x', content },
    ]);
    // The reader of tars cuts a name at a NUL: then what is left of it counts.
    if (!name.includes('\0')) expect(await refusal()).toMatch(words);
    else await unpackedNames().catch((thrown: unknown) => expect(thrown).toMatchObject({ code: 'ARCHIVE_INVALID' }));
    expect((await readdir(sandbox)).filter((left) => !['archive', 'dest'].includes(left))).toEqual([]);
  });

  it('that only look like others on some disks are refused together', async () => {
    for (const pair of [
      ['STRASSE', 'strasse'],
      ['\u00c5', '\u212b'],
      ['\u1e69', 's\u0323\u0307'],
      ['d/X', 'D/x'],
    ]) {
      await forgeMar(
        file,
        pair.map((name) => ({ name, content })),
      );
      expect(await refusal()).toMatch(/one name on some disks/);
    }
  });

  it('that mean something to other systems are plain files', async () => {
    const names = ['CON', 'aux.py', 'nul.', 'trailing ', '~', '-rf', '$(id)', '%2e%2e%2fx', '...', 'a:b'];
    await forgeMar(
      file,
      names.map((name) => ({ name, content })),
    )
      .then(unpackedNames)
      .then(
        (unpacked) => expect(unpacked).toEqual([...names].sort()),
        (thrown: unknown) => expect(thrown).toMatchObject({ message: expect.stringContaining('drive letter') }),
      );
  });

  it('never leave a folder whose name another one continues', async () => {
    await mkdir(join(sandbox, 'dest-evil'));
    await forgeMar(file, [{ name: '../dest-evil/x', content }]);
    await expect(unpackedNames()).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
    await forgeTarGz(file, [{ name: '../dest-evil/x', content }]);
    await expect(unpackedNames()).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
    expect(await readdir(join(sandbox, 'dest-evil'))).toEqual([]);
  });
});

describe('an archive that ends early', () => {
  const files = { 'handler.py': 'def handle(data, context): return data\n', 'sub/weights': 'w'.repeat(700), empty: '' };

  it('is refused at every length, as zip', async () => {
    await makeMar(file, files);
    const whole = await readFile(file);
    for (let length = 0; length < whole.length; length += 7) {
      await writeFile(file, whole.subarray(0, length));
      await refusal();
    }
  });

  it('is refused at every length, as tar.gz', async () => {
    await makeTarGz(file, files);
    const whole = await readFile(file);
    for (let length = 0; length < whole.length; length += 3) {
      await writeFile(file, whole.subarray(0, length));
      await refusal();
    }
  });

  it('is refused when the tar itself ends early, within a sound gzip', async () => {
    const tar = forgedTar([
      { name: 'm/a', content: 'a'.repeat(600) },
      { name: 'm/b', content: 'b' },
    ]);
    for (const length of [1, 100, 511, 513, 1000, 1100, 1536, 1700]) {
      await writeFile(file, gzipSync(tar.subarray(0, length)));
      // A tar that ends between two members is not told from a whole one: tar has no count of its members.
      if (length % 512 === 0) await unpackedNames();
      else await refusal();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
