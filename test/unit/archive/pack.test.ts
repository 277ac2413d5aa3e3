import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { archiveName, PACK_FORMATS, type PackFormat, type PackRequest, pack } from '../../../src/archive/pack.ts';
import { addFolder } from '../../../src/archive/pack-collect.ts';
import { PackList } from '../../../src/archive/pack-list.ts';
import { filesBelow, makeFolder } from '../../support/archive-forge.ts';

let folder: string;
let source: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-pack-'));
  source = await mkdtemp(join(tmpdir(), 'sconce-pack-source-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
  await rm(source, { recursive: true, force: true });
});

const DATE = new Date(Date.UTC(2024, 0, 2, 3, 4, 6));
const quiet = () => ({ signal: new AbortController().signal, onBytes: () => {} });

async function request(format: PackFormat, changes: Partial<PackRequest> = {}): Promise<PackRequest> {
  const list = new PackList('refuse');
  await addFolder(list, source, { except: '' });
  return {
    files: list.files,
    manifestText: '{"model": {}}',
    modelName: 'm',
    format,
    output: join(folder, archiveName('m', format)),
    created: { at: DATE, isUtc: true },
    ...changes,
  };
}

it.each(['default', 'zip-store', 'tgz'] as const)(
  'gives the same bytes twice for the same date (%s)',
  async (format) => {
    await makeFolder(source, { 'a.txt': 'a'.repeat(5000), 'sub/b.txt': 'b' });
    const first = await request(format);
    await pack(first, quiet());
    const bytes = await readFile(first.output);
    await writeFile(join(source, 'a.txt'), 'a'.repeat(5000));
    await pack(await request(format), quiet());
    expect(bytes.equals(await readFile(first.output))).toBe(true);
    expect(await readdir(folder)).toEqual([archiveName('m', format)]);
  },
);

it('packs a tar.gz that Python reads, below one folder, with names beyond the old limits', async () => {
  const long = `${'d'.repeat(120)}/${'f'.repeat(180)}.txt`;
  await makeFolder(source, { 'a.txt': 'a', [long]: 'long', 'ü.txt': 'ü' });
  const tgz = await request('tgz');
  await pack(tgz, quiet());
  const script =
    'import sys, json, tarfile; t = tarfile.open(sys.argv[1]); print(json.dumps([[m.name, m.isfile(), m.mode, m.mtime, t.extractfile(m).read().decode()] for m in t]))';
  const { stdout } = await promisify(execFile)('python3', ['-c', script, tgz.output]);
  const at = DATE.getTime() / 1000;
  expect(JSON.parse(stdout)).toEqual([
    ['m/a.txt', true, 0o644, at, 'a'],
    [`m/${long}`, true, 0o644, at, 'long'],
    ['m/ü.txt', true, 0o644, at, 'ü'],
    ['m/MAR-INF/MANIFEST.json', true, 0o644, at, '{"model": {}}'],
  ]);
});

it('writes a folder with the files and the manifest, and replaces the one that was there', async () => {
  await makeFolder(source, { 'a.txt': 'a', 'sub/b.txt': 'b' });
  await makeFolder(join(folder, 'm'), { 'old.txt': 'old' });
  await pack(await request('no-archive'), quiet());
  expect(Object.keys(await filesBelow(join(folder, 'm'))).sort()).toEqual([
    'MAR-INF/MANIFEST.json',
    'a.txt',
    'sub/b.txt',
  ]);
  expect(await readdir(folder)).toEqual(['m']);
});

it.each(PACK_FORMATS)('leaves nothing, and what was there, when it is stopped half-way (%s)', async (format) => {
  await makeFolder(source, { 'a.bin': Buffer.alloc(2_000_000, 1), 'b.bin': Buffer.alloc(2_000_000, 2) });
  const stopped = new AbortController();
  let bytes = 0;
  let names: Promise<string[]> | undefined;
  const onBytes = (count: number) => {
    bytes += count;
    if (bytes < 2_500_000) return;
    names ??= readdir(folder);
    stopped.abort(new Error('enough'));
  };
  if (format !== 'no-archive') await writeFile(join(folder, archiveName('m', format)), 'old');
  await expect(pack(await request(format), { signal: stopped.signal, onBytes })).rejects.toThrow('enough');
  // Until it is complete it has a hidden name of its own.
  expect((await names)?.some((name) => /^\.sconce-\w+\.partial$/.test(name))).toBe(true);
  expect(await readdir(folder)).toEqual(format === 'no-archive' ? [] : [archiveName('m', format)]);
  if (format !== 'no-archive') expect(await readFile(join(folder, archiveName('m', format)), 'utf8')).toBe('old');
});

it.each([
  ['shrinks', 10],
  ['grows', 3_000_000],
])('refuses a file that %s while it is packed', async (_, sizeBytes) => {
  await makeFolder(source, { 'a.bin': Buffer.alloc(2_000_000, 1) });
  const planned = await request('default');
  await truncate(join(source, 'a.bin'), sizeBytes);
  await expect(pack(planned, quiet())).rejects.toThrow(/a\.bin" changed while it was being packed/);
  expect(await readdir(folder)).toEqual([]);
});

it('gives plain files that everybody may read, whatever the modes were', async () => {
  await makeFolder(source, { 'a.txt': 'a' });
  const planned = await request('default');
  await pack(planned, quiet());
  expect((await stat(planned.output)).mode & 0o777 & ~0o022).toBe(0o644);
});
