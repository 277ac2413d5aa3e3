import { describe, expect, it } from 'vitest';
import type { ArchiveContent, ContentEntry } from '../../../../src/archive/content.ts';
import { checkContent } from '../../../../src/commands/archive/check.ts';
import { findingLines, hasErrors } from '../../../../src/commands/archive/finding.ts';
import { type ArchiveFiles, manifestFile } from '../../../support/archive-forge.ts';

const HANDLER = 'class Handler:\n    def handle(self, data, context):\n        return data\n';
const PYTHON = { modelName: 'm', modelVersion: '1.0', handler: 'h.py' };

function contentOf(files: ArchiveFiles, more: readonly Partial<ContentEntry>[] = []): ArchiveContent {
  const entries = Object.entries(files).map(([path, content]) => ({ path, sizeBytes: content.length }));
  const texts = Object.entries(files).map(([path, content]) => [path, String(content)] as const);
  return {
    format: 'zip',
    entries: [...entries, ...more].map((entry) => ({
      path: '',
      sizeBytes: 1,
      packedBytes: undefined,
      oddity: undefined,
      ...entry,
    })),
    texts: new Map(texts),
    networks: new Map(),
  };
}

async function linesFor(content: ArchiveContent, python = 'python3'): Promise<string[]> {
  return findingLines(await checkContent(content, python)).map((line) => line.trim());
}

const lint = (files: ArchiveFiles, python?: string) => linesFor(contentOf(files), python);
const lintModel = (model: Record<string, unknown>, files: ArchiveFiles = {}, rest: Record<string, unknown> = {}) =>
  lint({ ...manifestFile({ ...PYTHON, ...model }, rest), 'h.py': HANDLER, ...files });

describe('a sound archive', () => {
  it.each([
    ['a class', {}, {}],
    ['a function', { handler: 'h:go' }, { 'h.py': 'def go(data, context):\n    return data\n' }],
    ['a name without its ending', { handler: 'h' }, {}],
    ['a subfolder', { handler: 'sub/h.py' }, { 'sub/h.py': HANDLER }],
    ['a built-in handler', { handler: 'image_classifier', serializedFile: 'w.pt' }, { 'w.pt': 'w' }],
    [
      'a base class from elsewhere',
      {},
      { 'h.py': 'from ts.torch_handler.base_handler import BaseHandler\nclass H(BaseHandler):\n    pass\n' },
    ],
    ['a star import', {}, { 'h.py': 'from other import *\n', 'other.py': HANDLER }],
    ['an assigned function', { handler: 'h:go' }, { 'h.py': 'go = lambda data, context: data\n' }],
    [
      'a conditional function',
      {},
      { 'h.py': 'try:\n    import x\nexcept ImportError:\n    def handle(d, c):\n        return d\n' },
    ],
    ['a handle set in __init__', {}, { 'h.py': 'class H:\n    def __init__(self):\n        self.handle = print\n' }],
    [
      'all its files',
      { serializedFile: 'w.pt', requirementsFile: 'requirements.txt', configFile: 'c.yaml' },
      { 'w.pt': 'w', 'requirements.txt': 'numpy', 'c.yaml': 'batchSize: 2' },
    ],
  ])('with %s has no findings', async (_, model, files) => {
    expect(await lintModel(model, files)).toEqual([]);
  });

  it.each([
    [
      'handler.ts',
      "import { defineHandler } from 'sconce/handler';\nexport default defineHandler({ predictOne: () => 1 });\n",
    ],
    ['handler.mjs', 'export const handler = { predictOne: () => 1 };\n'],
    ['handler.cjs', 'module.exports = { predictOne: () => 1 };\n'],
    ['handler.ts:other', 'export const other = { predictOne: () => 1 };\n'],
  ])('with %s has no findings', async (handler, text) => {
    const model = { modelName: 'm', modelVersion: '1', handler };
    const file = handler.replace(':other', '');
    expect(await lint({ ...manifestFile(model, { runtime: 'node' }), [file]: text })).toEqual([]);
  });
});

describe('the settings of a network without code', () => {
  const IMAGES = {
    producer: 'test',
    opset: 17,
    inputs: [{ name: 'pixels', datatype: 'FP32', shape: ['batch', 3, 32, 32] }],
    outputs: [{ name: 'scores', datatype: 'FP32', shape: ['batch', 10] }],
  };

  function lintNetwork(config: string, files: ArchiveFiles = {}) {
    const manifest = { modelName: 'm', modelVersion: '1.0', serializedFile: 'net.onnx', configFile: 'c.yaml' };
    const content = contentOf({ ...manifestFile(manifest), 'net.onnx': 'n', 'c.yaml': config, ...files });
    return linesFor({ ...content, networks: new Map([['net.onnx', IMAGES]]) });
  }

  it('are sound', async () => {
    const config = 'onnx: {intraOpThreads: 2}\nimage: {mean: [1, 2, 3]}\nclassification: {topK: 3}\n';
    expect(await lintNetwork(config, { 'index_to_name.json': '{"0": "cat"}' })).toEqual([]);
  });

  it('have a key or a value that loading would refuse, all of them with their lines', async () => {
    const config = [
      'onnx:',
      '  batchAxis: maybe',
      'image:',
      '  width: 64',
      '  resize:',
      '    shorterSide: 0',
      'classification:',
      '  topk: 3',
    ].join('\n');
    expect(await lintNetwork(config, { 'index_to_name.json': '["cat", 5]' })).toEqual([
      'error    c.yaml:2: onnx.batchAxis must be a whole number of at least 0, or none or auto; found "maybe".',
      'error    index_to_name.json: It has {"1":5}; expected a class index and its name.',
      'error    c.yaml:4: image.width is 64, but input pixels takes 32.',
      'error    c.yaml:8: classification.topk is not a setting; the settings of classification are topK, softmax, output.',
    ]);
    expect(await lintNetwork('image:\n  resize: {filter: best}\n')).toEqual([
      expect.stringMatching(/^error {4}c\.yaml:2: image\.resize\.filter must be one of/),
    ]);
    expect(await lintNetwork('classification: {output: probabilities}')).toEqual([
      expect.stringMatching(
        /^error {4}c\.yaml:1: classification\.output is probabilities, which the model does not have/,
      ),
    ]);
  });
});

describe('lint finds', () => {
  it('a handler file that is missing, and guesses the one that was meant', async () => {
    expect(await lintModel({ handler: 'hh.py' })).toEqual([
      'error    MAR-INF/MANIFEST.json: model.handler: the archive has no file "hh.py", and there is no built-in handler of this name. Is it "h.py"?',
    ]);
    expect(await lintModel({ handler: 'image_clasifier' })).toEqual([
      expect.stringContaining('Is it "image_classifier"?'),
    ]);
    expect(await lintModel({ handler: 'package.module' })).toEqual([
      expect.stringMatching(/^warning .*no file "package\/module.py"/),
    ]);
  });

  it('a manifest without a handler', async () => {
    expect(await lintModel({ handler: undefined })).toEqual([
      expect.stringMatching(/^error .*model\.handler: there is none/),
    ]);
  });

  it('a syntax error in Python, with its line', async () => {
    const [line, ...more] = await lintModel({}, { 'h.py': 'def handle(data, context):\n    return data +\n' });
    expect(line).toMatch(/^error {4}h\.py:2: SyntaxError: .*\(Python 3\.\d+\)\.$/);
    expect(more).toEqual([]);
  });

  it('a syntax error in another Python file, and one that only compiling finds', async () => {
    expect(await lintModel({}, { 'net.py': 'class Net(:\n' })).toEqual([
      expect.stringMatching(/^error {4}net\.py:1: SyntaxError/),
    ]);
    expect(await lintModel({}, { 'net.py': 'x = 1\nreturn x\n' })).toEqual([
      expect.stringMatching(/^error {4}net\.py:2: .*outside function/),
    ]);
  });

  it('a file that Python cannot parse at all', async () => {
    expect(await lintModel({}, { 'net.py': 'x = "\0"\n' })).toEqual([
      expect.stringMatching(/^error {4}net\.py(:1)?: /),
    ]);
  });

  it('an entry point that is not there', async () => {
    expect(await lintModel({ handler: 'h:go' }, { 'h.py': 'def other(d, c):\n    return d\n' })).toEqual([
      'error    h.py: There is no function go, and of classes it needs exactly one; it has none. Define the function, or one class with a method handle, or name another function (file:function).',
    ]);
    expect(await lintModel({}, { 'h.py': `${HANDLER}\n${HANDLER.replace('Handler', 'Second')}` })).toEqual([
      expect.stringContaining('it has Handler, Second.'),
    ]);
    expect(await lintModel({}, { 'h.py': 'x = 1\nclass Handler:\n    def predict(self):\n        pass\n' })).toEqual([
      'error    h.py:2: The class Handler has no method handle. Define handle(self, data, context).',
    ]);
  });

  it('nothing in Python without an interpreter, and says so', async () => {
    const lines = await lint({ ...manifestFile(PYTHON), 'h.py': 'def (' }, '/absent/python');
    expect(lines).toEqual([
      expect.stringMatching(/^note {5}The Python files were not checked: \/absent\/python cannot be run/),
    ]);
  });

  it('never runs the files', async () => {
    const file = `/tmp/sconce-lint-ran-${process.pid}`;
    const code = `open(${JSON.stringify(file)}, "w")\n${HANDLER}`;
    expect(await lintModel({}, { 'h.py': code, 'sitecustomize.py': code, 'json.py': code })).toEqual([]);
    await expect(import('node:fs/promises').then(({ stat }) => stat(file))).rejects.toThrow('ENOENT');
  });

  it.each([
    [
      'a syntax error',
      'handler.ts',
      'export default {\n  predictOne( => 1 };\n',
      /^error {4}handler\.ts:2: Expected identifier/,
    ],
    [
      'no handler among the exports',
      'handler.ts',
      'export const other = 1;\n',
      /does not export a handler as its default, or as "handler"; it exports other\. Write: export default/,
    ],
    ['no exports', 'handler.ts', 'const other = 1;\n', /it exports nothing/],
    ['no such export', 'handler.ts:go', 'export const other = 1;\n', /does not export "go"; it exports other/],
    [
      'an import of a file that is not packed',
      'handler.ts',
      "import { x } from './words.ts';\nexport default { predictOne: () => x };\n",
      /^error {4}handler\.ts:1: The archive has no file for the import "\.\/words\.ts"\. Add it\.$/,
    ],
  ])('%s in TypeScript', async (_, handler, text, expected) => {
    const model = { modelName: 'm', modelVersion: '1', handler };
    const lines = await lint({ ...manifestFile(model, { runtime: 'node' }), 'handler.ts': text });
    expect(lines).toEqual([expect.stringMatching(expected)]);
  });

  it('a TypeScript handler that is missing', async () => {
    const model = { modelName: 'm', modelVersion: '1', handler: 'handlr' };
    const lines = await lint({ ...manifestFile(model, { runtime: 'node' }), 'handler.ts': '' });
    expect(lines).toEqual([expect.stringMatching(/^error .*no file for "handlr".*Is it "handler\.ts"\?$/)]);
  });

  it.each([
    ['modelName', 7],
    ['modelVersion', 1.5],
    ['handler', ['h.py']],
    ['serializedFile', true],
    ['modelFile', {}],
    ['requirementsFile', 1],
    ['configFile', 1],
  ])('model.%s of a wrong type', async (field, value) => {
    const lines = await lintModel({ [field]: value });
    expect(lines).toContainEqual(
      `error    MAR-INF/MANIFEST.json: model.${field}: expected a text, found ${JSON.stringify(value)}. Write it in quotes.`,
    );
  });

  it('every wrong field at once, where the server stops at the first', async () => {
    expect(await lintModel({ modelName: 7, modelVersion: 2 }, {}, { runtime: 3 })).toHaveLength(3);
  });

  it('a manifest that is not JSON, with its line', async () => {
    expect(await lint({ 'MAR-INF/MANIFEST.json': '{\n  "model": {,\n' })).toEqual([
      expect.stringMatching(/^error {4}MAR-INF\/MANIFEST\.json: not valid JSON/),
    ]);
    expect(await lint({ 'MAR-INF/MANIFEST.json': '{}' })).toEqual([expect.stringContaining('Missing Model entry')]);
    expect(await lint({ 'MAR-INF/MANIFEST.json': '[]' })).toEqual([expect.stringContaining('expected an object')]);
  });

  it('an archive without a manifest', async () => {
    expect(await lint({ 'h.py': HANDLER })).toEqual([
      expect.stringMatching(/^warning {2}There is no MAR-INF\/MANIFEST\.json/),
    ]);
    expect(await lint({ 'net.onnx': 'x' })).toEqual([expect.stringMatching(/^note .*the only \.onnx file is served/)]);
  });

  it.each([
    ['ruby', 'error'],
    ['LSP', 'error'],
    ['Python', 'error'],
  ])('the runtime %s', async (runtime, severity) => {
    const lines = await lintModel({}, {}, { runtime });
    expect(lines).toEqual([
      `${severity}    MAR-INF/MANIFEST.json: runtime: "${runtime}" is none of python, python3, node, onnx.`,
    ]);
  });

  it('names and versions that no model may have', async () => {
    expect(await lintModel({ modelName: 'a b' })).toEqual([
      expect.stringContaining('model.modelName: "a b" is no name for a model'),
    ]);
    expect(await lintModel({ modelVersion: 'all' })).toEqual([
      expect.stringContaining('model.modelVersion: "all" is no version'),
    ]);
    expect(await lintModel({ modelName: undefined })).toEqual([
      expect.stringMatching(/^warning .*has to give model_name/),
    ]);
  });

  it.each(['serializedFile', 'modelFile', 'requirementsFile', 'configFile'])(
    'a %s that is not there',
    async (field) => {
      expect(await lintModel({ [field]: 'absent.bin' })).toEqual([
        `error    MAR-INF/MANIFEST.json: model.${field}: the archive has no file "absent.bin". Add the file, or correct the name.`,
      ]);
      expect(await lintModel({ [field]: '../up' })).toEqual([expect.stringContaining('climbs out of its folder')]);
    },
  );

  it('misspelt keys of the manifest', async () => {
    expect(await lintModel({ serialisedFile: 'w.pt' })).toEqual([
      'warning  MAR-INF/MANIFEST.json: "model.serialisedFile" is ignored; did you mean "serializedFile"?',
    ]);
    expect(await lintModel({ extensions: {}, sourceVocab: 'x' })).toEqual([]);
  });

  it('misspelt keys and wrong values of model-config.yaml, with their lines', async () => {
    const yaml = 'minWorkers: 1\nbatchsize: 4\nmaxBatchDelay: soon\nmine: 1\n';
    expect(await lintModel({ configFile: 'c.yaml' }, { 'c.yaml': yaml })).toEqual([
      'error    c.yaml:3: maxBatchDelay: expected a whole number of at least 0, found "soon"',
      'warning  c.yaml:2: "batchsize" is left to the handler; did you mean "batchSize"?',
    ]);
  });

  it('YAML that cannot be parsed, with its line', async () => {
    const lines = await lintModel({ configFile: 'c.yaml' }, { 'c.yaml': 'a: 1\nb: [1,\n' });
    expect(lines).toEqual([expect.stringMatching(/^error {4}c\.yaml:\d: line \d/)]);
    expect(await lintModel({ configFile: 'c.yaml' }, { 'c.yaml': '- a\n' })).toEqual([
      expect.stringMatching(/^error {4}c\.yaml: expected keys/),
    ]);
  });

  it('a model-config.yaml that the manifest does not name', async () => {
    expect(await lintModel({}, { 'model-config.yaml': 'batchSize: 2' })).toEqual([
      expect.stringMatching(/^warning {2}model-config\.yaml: The manifest does not name it/),
    ]);
  });

  it('names that clash, climb or are odd', async () => {
    const lines = await linesFor(
      contentOf({ ...manifestFile(PYTHON), 'h.py': HANDLER, 'Data.txt': '', 'data.txt': '' }, [
        { path: '../up' },
        { path: 'a\\b' },
        { path: 'h.py/inner' },
        { path: 'twice' },
        { path: 'twice' },
        { path: 'link', oddity: 'a symbolic link' },
      ]),
    );
    expect(lines).toEqual([
      'error    The name "../up" climbs out of its folder with "..". Rename the file.',
      'error    The name "a\\\\b" contains a backslash. Rename the file.',
      'error    "link" is a symbolic link. Pack the file itself.',
      'error    "Data.txt" and "data.txt" are one name on some disks. Rename one of them.',
      'error    The archive has two entries "twice". Pack it again.',
      'error    "h.py" is a file, and a folder for "h.py/inner". Rename one of them.',
    ]);
  });

  it('archives over the limits', async () => {
    const base = { ...manifestFile(PYTHON), 'h.py': HANDLER };
    const gib = 1024 ** 3;
    expect(await linesFor(contentOf(base, [{ path: 'w', sizeBytes: 60 * gib }]))).toEqual([
      expect.stringMatching(/^error {4}It unpacks to 64\.4 GB; more than 53\.7 GB is refused/),
    ]);
    expect(await linesFor(contentOf(base, [{ path: 'w', sizeBytes: gib, packedBytes: 1000 }]))).toEqual([
      expect.stringMatching(/^error {4}w: It unpacks to more than 1000 times/),
    ]);
    const many = Array.from({ length: 60_000 }, (_, index) => ({ path: `d${index}/f` }));
    expect(await linesFor(contentOf(base, many))).toEqual([
      expect.stringMatching(/^error {4}It holds more than 100000 files and folders/),
    ]);
  });

  it('files that nobody meant to pack', async () => {
    const names = ['.DS_Store', '__pycache__/h.pyc', '.git/config', '.env', 'h.py~', 'old.mar', '.secret'];
    const lines = await linesFor(
      contentOf(
        { ...manifestFile(PYTHON), 'h.py': HANDLER },
        names.map((path) => ({ path })),
      ),
    );
    expect(lines).toHaveLength(names.length);
    expect(lines.every((line) => line.startsWith('warning'))).toBe(true);
    expect(lines).toContainEqual(expect.stringContaining('".env" is usually full of secrets'));
  });

  it('a built-in handler without weights', async () => {
    expect(await lintModel({ handler: 'object_detector' })).toEqual([
      expect.stringMatching(/^warning .*which the handler object_detector loads/),
    ]);
  });

  it('an ONNX file that is none, and an ONNX model without a network', async () => {
    const model = { modelName: 'm', modelVersion: '1' };
    const files = { ...manifestFile(model, { runtime: 'onnx' }) };
    expect(await lint(files)).toEqual([expect.stringContaining('the archive has no .onnx file. Name the network.')]);
    const content = contentOf({ ...files, 'net.onnx': 'x' });
    const broken = { ...content, networks: new Map([['net.onnx', 'is no ONNX network, or is damaged']]) };
    expect(await linesFor(broken)).toEqual([
      'error    net.onnx: The file is no ONNX network, or is damaged. Export it again.',
    ]);
    expect(await lint({ ...files, 'a.onnx': 'x', 'b.onnx': 'x' })).toEqual([
      expect.stringContaining('several .onnx files (a.onnx, b.onnx)'),
    ]);
  });
});

it('counts errors only as errors', async () => {
  expect(hasErrors(await checkContent(contentOf({ 'h.py': HANDLER }), 'python3'))).toBe(false);
  expect(hasErrors(await checkContent(contentOf({ 'h.py': 'def' }), 'python3'))).toBe(true);
});
