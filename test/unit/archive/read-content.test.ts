import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PackError } from '../../../src/archive/pack-error.ts';
import { readContent } from '../../../src/archive/read-content.ts';
import { ServingError } from '../../../src/core/errors.ts';
import {
  forgedTar,
  forgedZip,
  forgedZip64,
  forgeMar,
  forgeTarGz,
  makeFolder,
  makeMar,
  makeTarGz,
  manifestFile,
} from '../../support/archive-forge.ts';
import { identityNetwork } from '../../support/tiny-onnx.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-content-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const network = identityNetwork([{ name: 'x', type: 'FP32', shape: ['batch', 2] }]);
const files = {
  ...manifestFile({ modelName: 'm', handler: 'h.py' }),
  'h.py': 'def handle(data, context):\n    return data\n',
  'net.onnx': network,
  'weights.pt': Buffer.alloc(3_000_000, 7),
  'sub/notes.txt': 'ü',
};

const makers: Readonly<Record<string, (path: string) => Promise<void>>> = {
  'm.mar': (path) => makeMar(path, files),
  'stored.mar': (path) => makeMar(path, files, { compress: false }),
  'm.tar.gz': (path) => makeTarGz(path, files),
  folder: (path) => makeFolder(path, files),
};

it.each(Object.entries(makers))('reads the same from %s', async (name, make) => {
  const path = join(folder, name);
  await make(path);
  const content = await readContent(path);
  const sizes = Object.fromEntries(content.entries.map((entry) => [entry.path, entry.sizeBytes]));
  expect(sizes).toEqual(
    Object.fromEntries(Object.entries(files).map(([each, text]) => [each, Buffer.byteLength(text)])),
  );
  expect(content.texts.get('h.py')).toBe(files['h.py']);
  expect(content.texts.get('sub/notes.txt')).toBe('ü');
  expect(content.texts.has('weights.pt')).toBe(false);
  expect(content.networks.get('net.onnx')).toMatchObject({ inputs: [{ name: 'x', shape: ['batch', 2] }] });
});

it('reads a single .onnx file', async () => {
  const path = join(folder, 'alone.onnx');
  await writeFile(path, network);
  const content = await readContent(path);
  expect(content).toMatchObject({ format: 'file', entries: [{ path: 'alone.onnx' }] });
  expect(content.networks.get('alone.onnx')).toMatchObject({ outputs: [{ name: 'x_out' }] });
});

it('lists hostile names and entries of a zip as they are, without a look at their bytes', async () => {
  const path = join(folder, 'hostile.mar');
  await forgeMar(path, [
    { name: '../evil.py', content: 'x' },
    { name: 'link.py', content: '/etc/passwd', mode: 0o120777 },
    { name: 'secret.py', content: 'x', packed: Buffer.alloc(13), claimedPackedSize: 13, flags: 0x801 },
    { name: 'odd.py', content: 'x', method: 12 },
    { name: 'folder/', mode: 0o040755 },
  ]);
  const { entries, texts } = await readContent(path);
  expect(entries.map((entry) => [entry.path, entry.oddity])).toEqual([
    ['../evil.py', undefined],
    ['link.py', 'a symbolic link'],
    ['secret.py', 'encrypted'],
    ['odd.py', 'packed with method 12'],
  ]);
  expect([...texts.keys()]).toEqual(['../evil.py']);
});

it('lists links and devices of a tar, and goes on behind them', async () => {
  const path = join(folder, 'hostile.tar.gz');
  await forgeTarGz(path, [
    { name: 'm/link', type: '2', linkName: '/etc/passwd' },
    { name: 'm/hard', type: '1', linkName: 'm/h.py' },
    { name: 'm/device', type: '3' },
    { name: 'm/sub', type: '5' },
    { name: 'm/h.py', content: 'x = 1' },
    { name: 'bare.py', content: 'y' },
  ]);
  const { entries, texts } = await readContent(path);
  expect(entries.map((entry) => [entry.path, entry.oddity])).toEqual([
    ['link', 'a symbolic link'],
    ['hard', 'a hard link'],
    ['device', 'neither a file nor a folder'],
    ['h.py', undefined],
    ['bare.py', undefined],
  ]);
  expect(texts.get('h.py')).toBe('x = 1');
});

it.each([
  ['nothing', Buffer.alloc(0), 'it is neither a zip nor a gzip'],
  ['a text', Buffer.from('hello'), 'it is neither a zip nor a gzip'],
  ['half a zip', forgedZip([{ name: 'a', content: 'x'.repeat(500) }]).subarray(0, 300), 'it is damaged'],
  [
    'a gzip that ends',
    gzipSync(forgedTar([{ name: 'm/a', content: 'x'.repeat(5000) }])).subarray(0, 40),
    'it is damaged',
  ],
  ['a directory elsewhere', forgedZip64({ directoryOffset: 1n << 60n }), 'it is damaged'],
  ['an entry elsewhere', forgedZip([{ name: 'a.py', content: 'x', claimedOffset: 0x7fffffff }]), 'it is damaged'],
  ['a lying size', forgedZip([{ name: 'a.py', content: 'xxxx', method: 8, claimedSize: 1 }]), 'it is damaged'],
])('refuses %s in one sentence', async (name, bytes, message) => {
  const path = join(folder, `${name.replaceAll(' ', '-')}.mar`);
  await writeFile(path, bytes);
  const thrown = await readContent(path).catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(ServingError);
  expect((thrown as ServingError).message).toContain(message);
  expect((thrown as ServingError).message).not.toContain('\n');
});

it('ends a bomb at the ratio that a server allows', async () => {
  const path = join(folder, 'bomb.tar.gz');
  await writeFile(
    path,
    gzipSync(forgedTar([{ name: 'm/zeros', content: Buffer.alloc(64 * 1024 * 1024) }]), { level: 9 }),
  );
  await expect(readContent(path)).rejects.toThrow('times its compressed size');
});

it('refuses a folder whose links lead in a circle, or nowhere', async () => {
  await makeFolder(join(folder, 'circle'), { 'a.txt': '' });
  await symlink('.', join(folder, 'circle', 'again'));
  await expect(readContent(join(folder, 'circle'))).rejects.toThrow(PackError);
  await mkdir(join(folder, 'broken'));
  await symlink('absent', join(folder, 'broken', 'link'));
  await expect(readContent(join(folder, 'broken'))).rejects.toThrow('leads nowhere');
});

it('says so when there is nothing of the name', async () => {
  await expect(readContent(join(folder, 'absent.mar'))).rejects.toThrow('there is no such file or folder');
});

it('answers or refuses, and does nothing else, for archives with any bytes changed', async () => {
  const path = join(folder, 'fuzzed.mar');
  await makeMar(path, { ...manifestFile({ modelName: 'm' }), 'h.py': 'x = 1\n'.repeat(20) });
  const zip = await readFile(path);
  await makeTarGz(path, { ...manifestFile({ modelName: 'm' }), 'h.py': 'x = 1\n'.repeat(20) });
  const tar = await readFile(path);
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(fc.boolean(), changes, async (isZip, some) => {
      const bytes = Buffer.from(isZip ? zip : tar);
      for (const [at, value] of some) bytes[at % bytes.length] = value;
      await writeFile(path, bytes);
      const outcome = await readContent(path).catch((thrown: unknown) => thrown);
      return (
        outcome instanceof ServingError || (typeof outcome === 'object' && outcome !== null && 'entries' in outcome)
      );
    }),
    { numRuns: 300 },
  );
});
