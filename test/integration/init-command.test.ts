// `sconce init`: each template works at once, from the first request to an archive that a server serves.
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AuthorFolder } from '../support/author-folder.ts';
import { linearNetwork } from '../support/tiny-onnx.ts';

const TEMPLATES = fileURLToPath(new URL('../../templates/', import.meta.url));

let author: AuthorFolder;

beforeEach(async () => {
  author = await AuthorFolder.create();
});

afterEach(() => author.remove());

/** Runs the line to its end, which has to be a good one; gives what it printed on stdout. */
async function done(script: string): Promise<string> {
  const terminal = await author.run(script);
  const code = await terminal.exited;
  expect(code, `${script}: ${terminal.stdout}\n${terminal.stderr}`).toBe(0);
  return terminal.stdout;
}

test.each([
  ['python', 'python3 -m unittest', { mood: 'glad', score: 2 }],
  ['typescript', 'node --test', { mood: 'glad', score: 2 }],
  ['onnx', 'node --test', { letter: expect.closeTo(0.9525, 3) }],
])(
  '%s: made, invoked, tested, packed, served',
  async (template, testCommand, answer) => {
    const told = await done(`sconce init first --template ${template}`);
    expect(told).toContain(`cd first && ${testCommand}`);
    expect(JSON.parse(await done('sconce invoke first first/sample.json'))).toMatchObject(answer);
    await done(`cd first && ${testCommand}`);
    await done('sconce archive create first');
    const server = await author.run('exec sconce serve first.mar');
    await server.find(/^first is ready\.$/m);
    const [, inference] = await server.find(/"inference":"([^"]+)"/);
    const response = await fetch(`${inference}/predictions/first`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: await readFile(join(author.path, 'first', 'sample.json')),
    });
    expect(await response.json()).toMatchObject(answer);
    // As `curl -T FILE` does, which is what the first steps say.
    const untyped = await fetch(`${inference}/predictions/first`, {
      method: 'PUT',
      body: await readFile(join(author.path, 'first', 'sample.json')),
    });
    expect(await untyped.json()).toMatchObject(answer);
    expect(await server.interrupt()).toBe(0);
  },
  120_000,
);

test('what it says to try can be pasted where names have spaces in them', async () => {
  const told = await done("sconce init 'my models/first' --template python");
  const invoke = /^ {2}(sconce invoke .*)$/m.exec(told)?.[1] ?? '';
  expect(JSON.parse(await done(invoke))).toMatchObject({ mood: 'glad' });
});

test('a folder in a folder, and the empty folder at hand, get their names', async () => {
  await done('sconce init models/second --template python');
  expect(await readFile(join(author.path, 'models/second/MAR-INF/MANIFEST.json'), 'utf8')).toContain('"second"');
  await mkdir(join(author.path, 'third'));
  expect(await done('cd third && sconce init . --template onnx')).toContain('sconce dev .');
  const readme = await readFile(join(author.path, 'third/README.md'), 'utf8');
  expect(readme).toMatch(/^# third$/m);
  expect(readme).not.toContain('{{');
  // What `init` takes for a name, `archive create` packs.
  await done('sconce init _fourth --template typescript');
  expect(await done('sconce archive create _fourth')).toMatch(/^_fourth\.mar\n/);
});

test.each([
  ['full --template python', /full: the folder is not empty/],
  ['full/file --template python', /full\/file: this is a file/],
  ["'not a name' --template python", /the folder gives the model its name/],
  ['new', /--template is missing: expected python, typescript, onnx/],
  ['new --template rust', /--template rust: expected python, typescript, onnx/],
  ['new', /--template/],
])('`sconce init %s` is refused', async (args, message) => {
  await author.write('full/file', 'mine');
  const terminal = await author.run(`sconce init ${args}`);
  expect(await terminal.exited).toBe(1);
  expect(terminal.stderr).toMatch(message);
  expect(await readFile(join(author.path, 'full/file'), 'utf8')).toBe('mine');
});

test('the network of the template is the one that the test support writes', async () => {
  const weights = [
    [-2, 0, 2],
    [-2, 0, 2],
  ];
  expect(await readFile(join(TEMPLATES, 'onnx/model.onnx'))).toEqual(linearNetwork(weights, [4, 0, -8]));
});
