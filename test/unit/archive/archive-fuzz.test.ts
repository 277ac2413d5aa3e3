// What strangers may send, made up by chance: archives of evil parts, manifests, configurations. Whatever it is, it is taken or refused in
// words; nothing is written outside, nothing is left, and no prototype changes.
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseManifest } from '../../../src/archive/manifest.ts';
import { unpack } from '../../../src/archive/unpack.ts';
import { DEFAULT_UNPACK_LIMITS } from '../../../src/archive/unpack-limits.ts';
import { parseYaml, UnusableYaml } from '../../../src/config/yaml-text.ts';
import { ServingError } from '../../../src/core/errors.ts';
import {
  type ForgedTarMember,
  type ForgedZipEntry,
  forgedTar,
  forgedZip,
  manifestFile,
  paxRecord,
} from '../../support/archive-forge.ts';

const LIMITS = { ...DEFAULT_UNPACK_LIMITS, maxUnpackedBytes: 1_000_000, maxEntries: 40 };

let sandbox: string;
let file: string;

beforeEach(async () => {
  sandbox = await mkdtemp(join(tmpdir(), 'sconce-fuzz-'));
  file = join(sandbox, 'archive');
  await mkdir(join(sandbox, 'dest-evil'));
});
afterEach(() => rm(sandbox, { recursive: true, force: true }));

const part = fc.constantFrom(
  'a',
  'A',
  'b',
  '..',
  '.',
  '',
  'é',
  'e\u0301',
  '\\',
  '\0',
  'C:',
  'dest-evil',
  '\n',
  ' ',
  '…'.repeat(90),
);
const evilName = fc
  .tuple(
    fc.constantFrom('', '', '', '/', '../', 'm/', './'),
    fc.array(part, { maxLength: 5 }),
    fc.constantFrom('', '', '/'),
  )
  .map(([head, parts, tail]) => head + parts.join('/') + tail);
const name = fc.oneof(
  { arbitrary: fc.constantFrom('m/a', 'm/b', 'm/c/d', 'e'), weight: 3 },
  { arbitrary: evilName, weight: 1 },
);
const content = fc.oneof(fc.string({ maxLength: 300 }), fc.constant('x'.repeat(70_000)));
const lie = fc.option(fc.nat({ max: 2 ** 32 - 1 }), { nil: undefined });
const rarely = { freq: 20, nil: undefined };

/** Without the keys that have no value. */
function given<T extends object>(record: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as never;
}

const zipEntry = fc
  .record({
    name,
    content,
    method: fc.constantFrom(0, 8, 8, 14),
    mode: fc.constantFrom(0o100644, 0o100644, 0o104777, 0o040755, 0o120777, 0o020644, 0),
    crc: fc.option(fc.nat({ max: 2 ** 32 - 1 }), { ...rarely, freq: 3 }),
    claimedSize: fc.option(lie, { freq: 2, nil: undefined }),
    claimedPackedSize: fc.option(lie, { freq: 2, nil: undefined }),
    flags: fc.constantFrom(0x800, 0x800, 0, 0x808, 0x801),
    claimedOffset: fc.option(fc.nat({ max: 400 }), { freq: 2, nil: undefined }),
  })
  .map((entry) => given(entry) as ForgedZipEntry);

const tarMember = fc
  .record({
    name,
    content,
    type: fc.constantFrom('0', '0', '0', '5', '1', '2', '3', '6', '7', 'L', 'K', 'x', 'g', 'S', 'V'),
    linkName: fc.constantFrom('', 'a', '/etc/passwd', '../..'),
    claimedSize: fc.option(lie, { freq: 2, nil: undefined }),
    breaksChecksum: fc.option(fc.boolean(), { freq: 2, nil: undefined }),
  })
  .map((member) => {
    const text = member.type === 'x' || member.type === 'g' ? paxRecord('path', member.name) : member.content;
    return given({ ...member, content: text }) as ForgedTarMember;
  });

/** Unpacks, and looks at what became of it and of everything around it. */
async function unpackAndLook(bytes: Buffer): Promise<void> {
  const folder = join(sandbox, 'dest');
  await writeFile(file, bytes);
  const outcome: unknown = await unpack(file, folder, LIMITS, new AbortController().signal).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome !== undefined) expect(outcome).toMatchObject({ code: 'ARCHIVE_INVALID' });
  const left = await readdir(sandbox);
  expect(left.sort()).toEqual(outcome === undefined ? ['archive', 'dest', 'dest-evil'] : ['archive', 'dest-evil']);
  expect(await readdir(join(sandbox, 'dest-evil'))).toEqual([]);
  if (outcome !== undefined) return;
  const kinds = await readdir(folder, { recursive: true, withFileTypes: true });
  expect(kinds.filter((entry) => !entry.isFile() && !entry.isDirectory())).toEqual([]);
  await rm(folder, { recursive: true });
}

it('any zip is unpacked or refused', async () => {
  const entries = fc.array(zipEntry, { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(entries, (some) => unpackAndLook(forgedZip(some))),
    { numRuns: 400 },
  );
});

it('any tar.gz is unpacked or refused', async () => {
  const members = fc.array(tarMember, { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(members, (some) => unpackAndLook(gzipSync(forgedTar(some)))),
    { numRuns: 400 },
  );
});

it('any bytes are unpacked or refused, also when they begin as an archive does or are a changed gzip', async () => {
  const sound = gzipSync(
    forgedTar([
      { name: 'm/a', content: 'a'.repeat(2000) },
      { name: 'm/b', content: 'b' },
    ]),
  );
  const changed = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }).map((changes) => {
    const bytes = Buffer.from(sound);
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    return bytes;
  });
  const starts = fc.constantFrom('PK\x03\x04', 'PK\x05\x06', '\x1f\x8b\x08', '');
  const random = fc
    .tuple(starts, fc.uint8Array({ maxLength: 400 }))
    .map(([start, bytes]) => Buffer.concat([Buffer.from(start, 'latin1'), bytes]));
  await fc.assert(fc.asyncProperty(fc.oneof(changed, random), unpackAndLook), { numRuns: 300 });
});

const key = fc.constantFrom(
  'model',
  'modelName',
  'handler',
  'configFile',
  'runtime',
  '__proto__',
  'constructor',
  'prototype',
  'x',
);
const { document } = fc.letrec((tie) => ({
  document: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, 0, -1.5, '', 'a.py', '../x', 'a\0b', '/etc/passwd'),
    fc.array(tie('document'), { maxLength: 3 }),
    fc.array(fc.tuple(key, tie('document')), { maxLength: 4 }).map(fromEntries),
  ),
}));

/** As JSON.parse makes them: `__proto__` is a key like others. */
function fromEntries(entries: [string, unknown][]): object {
  return JSON.parse(
    `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`,
  );
}

it('any manifest is taken or refused', () => {
  const honest = String(manifestFile({ modelName: 'm', handler: 'h.py' })['MAR-INF/MANIFEST.json']);
  const cut = fc.tuple(fc.nat(), fc.string({ maxLength: 3 })).map(([at, put]) => {
    const place = at % honest.length;
    return honest.slice(0, place) + put + honest.slice(place + 1);
  });
  const wrapped = fc
    .oneof(
      document,
      document.map((model) => ({ model })),
    )
    .map((value) => JSON.stringify(value));
  fc.assert(
    fc.property(fc.oneof(wrapped, cut, fc.string()), (text) => {
      try {
        const manifest = parseManifest(text);
        for (const path of [manifest.configFile, manifest.serializedFile, manifest.requirementsFile]) {
          expect(path ?? '').not.toMatch(/\.\.\/|^\/|\0/);
        }
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(ServingError);
        expect(thrown).toMatchObject({ code: 'MANIFEST_INVALID' });
      }
      expect(Object.keys(Object.prototype)).toEqual([]);
      expect(Reflect.get({}, 'x')).toBeUndefined();
    }),
    { numRuns: 1000 },
  );
});

it('any configuration is taken or refused, and soon', async () => {
  const token = fc.constantFrom(
    ...['a', 'b: ', '- ', '[', ']', '{', '}', ', ', ': ', '\n', '\n  ', '\t', '&x ', '*x', '<<: ', '? ', '| ', '> '],
    ...[
      '!!python/name:os.system ',
      '!!binary ',
      '!!set ',
      '!!omap ',
      '__proto__: ',
      'constructor: ',
      '"',
      "'",
      '#',
      '%',
      '---\n',
    ],
    ...['...\n', '1e999', '0x', '~', '.nan', '\ufeff', '\u2028', '\0'],
  );
  const text = fc.array(token, { maxLength: 60 }).map((tokens) => tokens.join(''));
  const bomb = fc.tuple(fc.integer({ min: 2, max: 12 }), fc.integer({ min: 2, max: 12 })).map(([levels, width]) =>
    Array.from({ length: levels }, (_, level) => {
      const uses = Array.from({ length: width }, () => (level === 0 ? '"x"' : `*l${level - 1}`));
      return `l${level}: &l${level} [${uses.join(', ')}]\n`;
    }).join(''),
  );
  await fc.assert(
    fc.asyncProperty(fc.oneof({ arbitrary: text, weight: 5 }, { arbitrary: bomb, weight: 1 }), async (yaml) => {
      const beganAt = performance.now();
      const outcome: unknown = await parseYaml(yaml).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (outcome !== undefined) expect(outcome).toBeInstanceOf(UnusableYaml);
      expect(performance.now() - beganAt).toBeLessThan(5_000);
      expect(Object.keys(Object.prototype)).toEqual([]);
    }),
    { numRuns: 500 },
  );
});
