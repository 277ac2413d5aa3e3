import { execFile } from 'node:child_process';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readContent } from '../../../src/archive/read-content.ts';
import { type ZipEntry, ZipWriter } from '../../../src/archive/zip-writer.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-zip-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const AT = new Date(Date.UTC(2024, 1, 29, 13, 14, 16));
const entry = (path: string, sizeBytes: number, changes: Partial<ZipEntry> = {}): ZipEntry => ({
  path,
  isDeflated: true,
  modifiedAt: AT,
  isUtc: true,
  sizeBytes,
  ...changes,
});

async function* chunksOf(...texts: readonly string[]) {
  for (const text of texts) yield Buffer.from(text);
}

/** Writes a zip and answers what Python's zipfile reads from it, each entry with its date, method and content. */
async function written(
  name: string,
  zip64From: number | undefined,
  ...entries: readonly (readonly [ZipEntry, readonly string[]])[]
): Promise<{ readonly path: string; readonly read: unknown }> {
  const path = join(folder, name);
  const handle = await open(path, 'w');
  const writer = new ZipWriter(handle, zip64From);
  for (const [each, texts] of entries) await writer.add(each, chunksOf(...texts));
  await writer.end();
  await handle.close();
  const script = [
    'import json, sys, zipfile',
    'z = zipfile.ZipFile(sys.argv[1])',
    'assert z.testzip() is None',
    'print(json.dumps([[i.filename, list(i.date_time), i.compress_type, i.external_attr >> 16, z.read(i).decode()] for i in z.infolist()]))',
  ].join('\n');
  const { stdout } = await promisify(execFile)('python3', ['-c', script, path]);
  return { path, read: JSON.parse(stdout) };
}

it('writes what Python reads: names, dates, methods, modes, content', async () => {
  const { read } = await written(
    'plain.zip',
    undefined,
    [entry('a.txt', 4), ['aa', 'bb']],
    [entry('dir/ü.txt', 1, { isDeflated: false }), ['c']],
    [entry('empty', 0), []],
  );
  const date = [2024, 2, 29, 13, 14, 16];
  expect(read).toEqual([
    ['a.txt', date, 8, 0o100644, 'aabb'],
    ['dir/ü.txt', date, 0, 0o100644, 'c'],
    ['empty', date, 8, 0o100644, ''],
  ]);
});

it('states sizes and checksum before the content, so that readers that stream can read stored entries', async () => {
  const { path } = await written('streamed.zip', undefined, [entry('a', 3, { isDeflated: false }), ['abc']]);
  const header = await readFile(path);
  expect(header.readUInt16LE(6) & 0b1000).toBe(0);
  expect(header.readUInt32LE(14)).toBe(0x352441c2);
  expect([header.readUInt32LE(18), header.readUInt32LE(22)]).toEqual([3, 3]);
});

it('writes Zip64 records where sizes, offsets or the directory ask for it', async () => {
  const { path, read } = await written(
    'big.zip',
    5,
    [entry('small', 1), ['s']],
    [entry('large', 6), ['large!']],
    [entry('stored', 6, { isDeflated: false }), ['stored']],
  );
  expect(read).toMatchObject([
    ['small', {}, 8, {}, 's'],
    ['large', {}, 8, {}, 'large!'],
    ['stored', {}, 0, {}, 'stored'],
  ]);
  expect((await readFile(path)).includes(Buffer.from('PK\x06\x06', 'latin1'))).toBe(true);
  expect((await readContent(path)).entries.map(({ path: name, sizeBytes }) => [name, sizeBytes])).toEqual([
    ['small', 1],
    ['large', 6],
    ['stored', 6],
  ]);
});

it('tells years that a zip cannot tell as the nearest one', async () => {
  const { read } = await written(
    'years.zip',
    undefined,
    [entry('old', 0, { modifiedAt: new Date(0) }), []],
    [entry('new', 0, { modifiedAt: new Date(Date.UTC(2200, 0, 1)) }), []],
  );
  expect(read).toEqual([
    ['old', [1980, 1, 1, 0, 0, 0], 8, 0o100644, ''],
    ['new', [2107, 12, 31, 0, 0, 0], 8, 0o100644, ''],
  ]);
});
