// Hostile archives and bodies, as a server meets them: each is refused with a 4xx, leaves nothing, and changes nothing for others.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  forgeBomb,
  forgedTar,
  forgeMar,
  forgeTarGz,
  makeFolder,
  makeMar,
  manifestFile,
} from '../support/archive-forge.ts';
import { type ContractBench, startBench } from '../support/contract-bench.ts';
import type { ErrorBody } from '../support/http-exchange.ts';
import { residentBytes } from '../support/processes.ts';

const JSON_TYPE = { 'Content-Type': 'application/json' };
const MANIFEST = manifestFile({ modelName: 'm', modelVersion: '1.0', handler: 'h.py', configFile: 'c.yaml' });
const laughs = (levels: number) =>
  Array.from({ length: levels }, (_, level) => {
    const uses = Array.from({ length: 10 }, () => (level === 0 ? 'ha' : `*l${level - 1}`));
    return `l${level}: &l${level} [${uses.join(', ')}]\n`;
  }).join('');

const hostile: Readonly<Record<string, (path: string) => Promise<void>>> = {
  'no archive': (path) => writeFile(path, 'text'),
  'nothing at all': (path) => writeFile(path, ''),
  'zip slip': (path) => forgeMar(path, [{ name: '../../evil.py', content: 'x' }]),
  'tar slip': (path) => forgeTarGz(path, [{ name: '../evil.py', content: 'x' }]),
  'absolute name': (path) => forgeTarGz(path, [{ name: '/tmp/evil.py', content: 'x' }]),
  'link in a zip': (path) => forgeMar(path, [{ name: 'h.py', mode: 0o120777, content: '/etc/passwd' }]),
  'link in a tar': (path) => forgeTarGz(path, [{ name: 'm/h.py', type: '2', linkName: '/etc/passwd' }]),
  'hard link': (path) => forgeTarGz(path, [{ name: 'm/h.py', type: '1', linkName: '/etc/passwd' }]),
  device: (path) => forgeTarGz(path, [{ name: 'm/dev', type: '3' }]),
  'zip bomb': (path) => forgeBomb(path, 200),
  'tar bomb': (path) =>
    writeFile(path, gzipSync(forgedTar([{ name: 'm/zeros', content: Buffer.alloc(200 * 1024 * 1024) }]))),
  'names that clash': (path) =>
    forgeMar(path, [
      { name: 'A', content: 'x' },
      { name: 'a', content: 'x' },
    ]),
  'wrong checksum': (path) => forgeMar(path, [{ name: 'a', content: 'x', crc: 1 }]),
  'YAML bomb': (path) => makeMar(path, { ...MANIFEST, 'h.py': '', 'c.yaml': laughs(9) }),
  'YAML that makes objects': (path) =>
    makeMar(path, { ...MANIFEST, 'h.py': '', 'c.yaml': 'a: !!python/object/apply:os.system ["true"]\n' }),
  'manifest of a wrong type': (path) => makeMar(path, manifestFile({ modelName: {}, handler: 'h.py' })),
  'manifest that leads out': (path) => makeMar(path, manifestFile({ modelName: 'm', configFile: '../../c.yaml' })),
};

describe.each(['documented', 'torchserve'])('in the %s dialect', (dialect) => {
  let bench: ContractBench;

  beforeAll(async () => {
    bench = await startBench({ settings: { api_dialect: dialect, enable_model_api: true } });
  });
  afterAll(() => bench.stop());

  async function expectUnharmed(): Promise<void> {
    expect(await bench.unpackedFolders()).toEqual([]);
    expect((await bench.manage('GET', '/models')).json()).toMatchObject({ models: [] });
  }

  test.each(Object.keys(hostile))('%s is refused', async (kind) => {
    await hostile[kind]?.(join(bench.store, 'evil.mar'));
    const before = await residentBytes(bench.server.pid);
    const answer = await bench.manage('POST', '/models?url=evil.mar&model_name=evil&initial_workers=0');
    // TorchServe calls an archive that cannot be unpacked its own failure; the golden recording says which.
    const refusals = dialect === 'documented' ? [400] : [400, 500];
    expect(refusals, answer.body).toContain(answer.status);
    expect((answer.json() as ErrorBody).message).not.toBe('');
    expect((await residentBytes(bench.server.pid)) - before).toBeLessThan(100e6);
    await expectUnharmed();
  });

  test('keys that are the names of what every object has are names like others', async () => {
    for (const body of ['{"__proto__": {"url": "x"}}', '{"constructor": {"prototype": {"url": "x"}}}']) {
      const answer = await bench.manage('POST', '/models', { headers: JSON_TYPE, body });
      expect(answer.status).toBe(400);
    }
    for (const query of ['__proto__=x', 'constructor=x', '__proto__[url]=x']) {
      expect((await bench.manage('POST', `/models?${query}`)).status).toBe(400);
    }
    await makeFolder(join(bench.store, 'polluting'), {
      'MAR-INF/MANIFEST.json': '{"__proto__": {"model": {"modelName": "x"}}, "model": {"constructor": {"a": 1}}}',
      'h.py': '',
    });
    expect((await bench.manage('POST', '/models?url=polluting&model_name=__proto__')).status).toBeGreaterThanOrEqual(
      400,
    );
    await expectUnharmed();
  });

  test('a JSON content type without a body leaves the query in force', async () => {
    await makeFolder(join(bench.store, 'plain'), {
      ...manifestFile({ modelName: 'plain', handler: 'h.py' }),
      'h.py': '',
    });
    const answer = await bench.manage('POST', '/models?url=plain&initial_workers=0', { headers: JSON_TYPE, body: '' });
    expect(answer.status, answer.body).toBe(200);
    await bench.clear('plain');
  });
});
