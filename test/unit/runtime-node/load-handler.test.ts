import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { LoadError } from '../../../src/runtime-node/load-error.ts';
import { type LoadedHandler, loadHandler } from '../../../src/runtime-node/load-handler.ts';
import { handlerFolder, removeHandlerFolders } from '../../support/handler-folder.ts';

afterEach(async () => {
  vi.unstubAllEnvs();
  await removeHandlerFolders();
});

describe('finding the handler', () => {
  test('a name without an extension, and no name at all, find handler.ts', async () => {
    const folder = await handlerFolder({ 'handler.ts': predicting("'found'") });
    expect(await answer(await loadHandler('handler', folder))).toBe('found');
    expect(await answer(await loadHandler(null, folder))).toBe('found');
  });

  test('a handler in a subfolder is found by its path', async () => {
    const folder = await handlerFolder({ 'src/deep.mts': predicting("'deep'") });
    expect(await answer(await loadHandler('src/deep.mts', folder))).toBe('deep');
  });

  test('a missing file is told with the files that are there', async () => {
    const folder = await handlerFolder({ 'handlr.ts': predicting('1'), 'notes.txt': '' });
    expect(await failure(loadHandler('handler.ts', folder))).toEqual([
      'HANDLER_NOT_FOUND',
      'No handler handler.ts: the archive has handlr.ts, but not handler.ts. Correct model.handler in the manifest.',
    ]);
    expect(await failure(loadHandler('handler', folder))).toEqual([
      'HANDLER_NOT_FOUND',
      expect.stringContaining('but not handler.ts, .mts, .cts, .js, .mjs or .cjs'),
    ]);
  });

  test('a file outside the folder is refused', async () => {
    const folder = await handlerFolder({});
    expect(await failure(loadHandler('../other/handler.ts', folder))).toEqual([
      'HANDLER_NOT_FOUND',
      expect.stringContaining("lies outside the model's folder"),
    ]);
  });
});

describe('picking the export', () => {
  test.each([
    ['a named export "handler"', 'handler.ts', "export const handler = { predict: () => ['it'] };", null],
    ['an export named in the manifest', 'h.ts', "export const mine = { predict: () => ['it'] };", 'h.ts:mine'],
    ['what module.exports is', 'handler.cjs', "module.exports = { predict: () => ['it'] };", 'handler.cjs'],
    ['module.exports.handler', 'handler.cjs', "exports.handler = { predict: () => ['it'] };", 'handler.cjs'],
    [
      'a default export that was compiled to CommonJS',
      'handler.js',
      "Object.defineProperty(exports, '__esModule', { value: true }); exports.default = { predict: () => ['it'] };",
      'handler.js',
    ],
    [
      'a class instance',
      'handler.ts',
      "class H { #word = 'it'; predict() { return [this.#word]; } }\nexport default new H();",
      null,
    ],
  ])('%s is the handler', async (_what, file, text, name) => {
    const folder = await handlerFolder({ [file]: text });
    expect(await answer(await loadHandler(name, folder))).toBe('it');
  });

  test.each([
    [
      'export const other = 1;',
      'handler.ts does not export a handler as its default, or as "handler"; it exports other.',
    ],
    ['export default { predict: 1 };', 'The handler in handler.ts has a "predict" that is not a function.'],
    ['export default { load() {} };', 'must have either predict (a batch) or predictOne (one request); it has neither'],
    ['export default { predict() {}, predictOne() {} };', 'predictOne (one request); it has both.'],
  ])('%s is refused with what to export', async (text, message) => {
    const folder = await handlerFolder({ 'handler.ts': text });
    expect(await failure(loadHandler(null, folder))).toEqual(['HANDLER_NOT_FOUND', expect.stringContaining(message)]);
  });
});

describe('the code of an archive', () => {
  test('imports its own TypeScript, JSON and sconce/handler, and waits at its top level', async () => {
    const folder = await handlerFolder({
      'handler.ts': `
        import { defineHandler, HandlerError } from 'sconce/handler';
        import { double } from './lib/double.js';
        import labels from './labels.json';
        import typed from './labels.json' with { type: 'json' };
        const base: number = await Promise.resolve(20);
        export default defineHandler({
          predict: () => [[double(base), labels[1], typed.length, new HandlerError(418, 'x').status].join(' ')],
        });`,
      'lib/double.ts': 'export function double(x: number): number { return 2 * x; }',
      'labels.json': '["cat", "dog"]',
    });
    expect(await answer(await loadHandler(null, folder))).toBe('40 dog 2 418');
  });

  test('imports ES and CommonJS packages of its node_modules, each from where it lies', async () => {
    const folder = await handlerFolder({
      'handler.ts': `
        import { name } from 'modern';
        import old, { place } from 'old/lib/index.js';
        import { inner } from './part/inner.ts';
        export default { predict: async () => [[name, old.word, place, inner, (await import('modern')).name].join(' ')] };`,
      'part/inner.ts': "import { name } from 'modern'; export const inner = name;",
      'node_modules/modern/package.json': '{"name": "modern", "type": "module", "exports": {"import": "./m.js"}}',
      'node_modules/modern/m.js': "export const name = 'modern:' + import.meta.url.split('/').at(-1);",
      'part/node_modules/modern/package.json': '{"name": "modern", "main": "own.js"}',
      'part/node_modules/modern/own.js': "exports.name = 'own';",
      'node_modules/old/lib/index.js':
        "exports.word = 'old'; exports.place = __dirname.split('/').slice(-2).join('/');",
    });
    expect(await answer(await loadHandler(null, folder))).toBe('modern:m.js old old/lib own modern:m.js');
  });

  test('requires packages, built-in modules, its own files and sconce/handler from CommonJS', async () => {
    const folder = await handlerFolder({
      'handler.cjs': `
        const { basename } = require('node:path');
        const { defineHandler } = require('sconce/handler');
        const old = require('old');
        module.exports = defineHandler({ predict: () => [[basename(__filename), old.word, require('./own.cjs').own].join(' ')] });`,
      'own.cjs': "exports.own = require('path').basename(__dirname) !== '' ? 'own' : '';",
      'node_modules/old/index.js': "exports.word = 'old';",
    });
    expect(await answer(await loadHandler('handler.cjs', folder))).toBe('handler.cjs old own');
  });

  test('finds its own place, in each file, and may declare a require of its own', async () => {
    const folder = await handlerFolder({
      'handler.ts': `#!/usr/bin/env node
        import { readFileSync } from 'node:fs';
        import { createRequire } from 'node:module';
        import { here } from './part/here.ts';
        const require = createRequire(import.meta.url);
        const text = readFileSync(new URL('./words.txt', import.meta.url), 'utf8');
        export default { predict: () => [[text, here, require('./data.json').n].join(' ')] };`,
      'part/here.ts': "import { basename } from 'node:path'; export const here = basename(import.meta.dirname);",
      'words.txt': 'words',
      'data.json': '{"n": 7}',
    });
    expect(await answer(await loadHandler(null, folder))).toBe('words part 7');
  });

  test('leaves no file behind, and none is there when the first line of the handler runs', async () => {
    const temporary = await handlerFolder({});
    vi.stubEnv('TMPDIR', temporary);
    const folder = await handlerFolder({
      'handler.ts': `
        import { readdirSync } from 'node:fs';
        import { tmpdir } from 'node:os';
        const seen = [tmpdir(), ...readdirSync(tmpdir())];
        export default { predict: () => [seen] };`,
    });
    expect(await answer(await loadHandler(null, folder))).toEqual([temporary, basename(folder)]);
    expect(await readdir(folder)).toEqual(['handler.ts']);
    expect(await readdir(temporary)).toEqual([basename(folder)]);
  });

  test('traces name the lines of its own files', async () => {
    const folder = await handlerFolder({
      'handler.ts': `
        import { fail } from './part/fail.ts';
        interface Unused { readonly a: number }
        export default { predict: () => { const x: Unused = { a: 1 };
          return fail(x.a); } };`,
      'part/fail.ts': "type N = number;\n\n\nexport function fail(n: N): never {\n  throw new Error('no ' + n);\n}",
    });
    const handler = await loadHandler(null, folder);
    const error: unknown = await answer(handler).catch((thrown: unknown) => thrown);
    const stack = error instanceof Error ? (error.stack ?? '') : '';
    expect(stack).toContain('part/fail.ts:5:9');
    expect(stack).toMatch(/handler\.ts:5:\d+/);
  });

  test('a syntax error is told with file, line and column', async () => {
    const folder = await handlerFolder({
      'handler.ts': "import './broken.ts';",
      'broken.ts': 'const a = 1;\nconst b = = 2;\n',
    });
    const error = await loadHandler(null, folder).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(LoadError);
    if (!(error instanceof LoadError)) return;
    expect([error.code, error.message]).toEqual(['HANDLER_IMPORT_FAILED', 'broken.ts:2:11: Unexpected "="']);
    expect(error.trace).toContain('const b = = 2;');
  });

  test('an import that leads nowhere is told with its place', async () => {
    const folder = await handlerFolder({
      'handler.ts': "import { x } from 'absent';\nexport default { predict: () => [x] };",
    });
    expect(await failure(loadHandler(null, folder))).toEqual([
      'HANDLER_IMPORT_FAILED',
      'handler.ts:1:19: Could not resolve "absent"',
    ]);
  });

  test('what a module throws while it is imported is told with its line', async () => {
    const folder = await handlerFolder({ 'handler.ts': "\n\nthrow new TypeError('not today');" });
    const error = await loadHandler(null, folder).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'HANDLER_IMPORT_FAILED', message: 'TypeError: not today.' });
    expect(error instanceof LoadError ? error.trace : '').toContain('handler.ts:3:7');
    expect(await readFile(`${folder}/handler.ts`, 'utf8')).toContain('not today');
  });
});

function predicting(expression: string): string {
  return `export default { predict: () => [${expression}] };`;
}

/** What a handler answers, whatever it is asked. */
async function answer(handler: LoadedHandler): Promise<unknown> {
  const predict: unknown = Reflect.get(handler, 'predict');
  if (typeof predict !== 'function') return 'no predict';
  const results: unknown = await predict.call(handler, []);
  return Array.isArray(results) ? results[0] : results;
}

async function failure(loading: Promise<unknown>): Promise<readonly [string, string]> {
  const error: unknown = await loading.then(
    () => new Error('it loaded'),
    (thrown: unknown) => thrown,
  );
  return error instanceof LoadError ? [error.code, error.message] : ['not a LoadError', String(error)];
}
