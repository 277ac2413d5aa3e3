import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseManifest, readConfigText, readManifest } from '../../../src/archive/manifest.ts';
import { ServingError } from '../../../src/core/errors.ts';
import { makeFolder } from '../../support/archive-forge.ts';

function refusalOf(json: string): string {
  try {
    parseManifest(json);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(ServingError);
    expect((thrown as ServingError).code).toBe('MANIFEST_INVALID');
    return (thrown as ServingError).message;
  }
  throw new Error('the manifest was accepted');
}

const withModel = (model: unknown) => JSON.stringify({ model });

describe('parseManifest', () => {
  it('reads what the archiver writes', () => {
    const json = `{
      "createdOn": "05/11/2025 14:03:09", "runtime": "python", "archiverVersion": "0.12.0",
      "model": { "modelName": "pets", "serializedFile": "pets.pt", "handler": "pets_handler.py", "modelFile": "net.py",
        "modelVersion": "2.1", "requirementsFile": "requirements.txt", "configFile": "model-config.yaml" } }`;
    expect(parseManifest(json)).toEqual({
      createdOn: '05/11/2025 14:03:09',
      runtime: 'python',
      archiverVersion: '0.12.0',
      modelName: 'pets',
      modelVersion: '2.1',
      handler: 'pets_handler.py',
      serializedFile: 'pets.pt',
      modelFile: 'net.py',
      requirementsFile: 'requirements.txt',
      configFile: 'model-config.yaml',
    });
  });

  it('gives version 1.0 to a model that names none, and takes null and "" as not given', () => {
    expect(parseManifest(withModel({ modelVersion: '', handler: null, modelName: '' }))).toEqual({
      modelVersion: '1.0',
    });
  });

  it('ignores keys that it does not know', () => {
    const json = '{"modelServerVersion": "1", "model": {"modelName": "m", "extensions": {"a": [1]}, "envelope": 3}}';
    expect(parseManifest(json)).toEqual({ modelName: 'm', modelVersion: '1.0' });
  });

  it('leaves it to others whether the name can be used, since a request may give another', () => {
    expect(parseManifest(withModel({ modelName: 'my model' }))).toMatchObject({ modelName: 'my model' });
  });

  it('is not moved by __proto__ and constructor keys', () => {
    const manifest = parseManifest(
      '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}, "model": {"__proto__": {"handler": "x"}}}',
    );
    expect(manifest).toEqual({ modelVersion: '1.0' });
    expect(manifest.handler).toBeUndefined();
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it.each([
    [withModel({ handler: 7 }), 'model.handler: expected a string, found a number'],
    [withModel({ modelVersion: 1.5 }), 'model.modelVersion: expected a string, found a number'],
    [withModel({ modelName: ['a'] }), 'model.modelName: expected a string, found a list'],
    [withModel('m'), 'model: expected an object, found a string'],
    ['{"runtime": {}, "model": {}}', 'runtime: expected a string, found an object'],
    ['[]', 'expected an object, found a list'],
    ['null', 'expected an object, found null'],
    ['{}', 'Missing Model entry in manifest file.'],
    ['{"model": null}', 'Missing Model entry in manifest file.'],
  ])('refuses %s and names the field', (json, words) => {
    expect(refusalOf(json)).toContain(words);
  });

  it.each(['serializedFile', 'modelFile', 'requirementsFile', 'configFile'])(
    'keeps model.%s inside the archive',
    (field) => {
      for (const path of ['../x', '/etc/passwd', 'a/../../x', 'a\\b', 'C:x', 'a\0', '.', './']) {
        expect(refusalOf(withModel({ [field]: path }))).toContain(`model.${field}: `);
      }
      expect(parseManifest(withModel({ [field]: 'sub/x.bin' }))).toMatchObject({ [field]: 'sub/x.bin' });
    },
  );

  it('says where broken JSON is broken', () => {
    expect(refusalOf('{\n  "model": {,}\n}')).toMatch(/not valid JSON at line 2, column 13/);
    expect(refusalOf('')).toMatch(/not valid JSON: Unexpected end/);
    expect(refusalOf('hello')).toMatch(/not valid JSON/);
  });
});

describe('an unpacked folder', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sconce-manifest-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('has a default manifest when it has none of its own', async () => {
    expect(await readManifest(folder)).toEqual({ modelVersion: '1.0' });
  });

  it('without a manifest is configured by its model-config.yaml', async () => {
    await makeFolder(folder, { 'model-config.yaml': 'batchSize: 4\n' });
    expect(await readManifest(folder)).toEqual({ modelVersion: '1.0', configFile: 'model-config.yaml' });
    await makeFolder(folder, { 'MAR-INF/MANIFEST.json': '{"model": {}}' });
    expect(await readManifest(folder)).toEqual({ modelVersion: '1.0' });
  });

  it('may have a manifest that starts with a byte order mark', async () => {
    await makeFolder(folder, { 'MAR-INF/MANIFEST.json': '\ufeff{"model": {"modelName": "m"}}' });
    expect(await readManifest(folder)).toMatchObject({ modelName: 'm' });
  });

  it('is refused when its manifest is too large, not UTF-8, or not a file', async () => {
    await makeFolder(folder, { 'MAR-INF/MANIFEST.json': Buffer.alloc(1024 * 1024 + 1, ' ') });
    await expect(readManifest(folder)).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
      message: /larger than 1048576/,
    });
    await writeFile(join(folder, 'MAR-INF/MANIFEST.json'), Buffer.from('{"model": {"modelName": "\xe9"}}', 'latin1'));
    await expect(readManifest(folder)).rejects.toMatchObject({ code: 'MANIFEST_INVALID', message: /not UTF-8/ });
    await rm(join(folder, 'MAR-INF/MANIFEST.json'));
    await makeFolder(join(folder, 'MAR-INF/MANIFEST.json'), {});
    await expect(readManifest(folder)).rejects.toMatchObject({ code: 'MANIFEST_INVALID', message: /is not a file/ });
  });

  it('gives the text of the configuration that its manifest names', async () => {
    await makeFolder(folder, { 'sub/model-config.yaml': 'batchSize: 4\n' });
    const configFile = 'sub/model-config.yaml';
    expect(await readConfigText(folder, { configFile })).toBe('batchSize: 4\n');
    expect(await readConfigText(folder, { configFile: undefined })).toBeUndefined();
    await expect(readConfigText(folder, { configFile: 'other.yaml' })).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
      message: expect.stringContaining('model.configFile: the archive has no file "other.yaml"'),
    });
  });
});
