// `sconce serve MODEL`: one model at once, and what to try with it; or why it cannot be served.
import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { DIGITS } from '../support/digits.ts';
import { offspringOf } from '../support/processes.ts';
import { Terminal } from '../support/terminal.ts';
import { identityNetwork } from '../support/tiny-onnx.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MAIN = join(ROOT, 'dist/main.js');

let folder: string;
const terminals: Terminal[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-serve-model-'));
});

afterEach(async () => {
  for (const terminal of terminals.splice(0)) await terminal.close();
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test('an .onnx file is served, with its tensors and a request to copy', async () => {
  const network = identityNetwork([
    { name: 'pair', type: 'FP32', shape: ['batch', 2] },
    { name: 'flag', type: 'BOOL', shape: ['batch'] },
  ]);
  await writeFile(join(folder, 'tiny.onnx'), network);
  const terminal = await serve('./tiny.onnx');
  const [steps] = await terminal.find(/^tiny is ready\.\n[\s\S]*?:\d+\/models\/tiny\n/m);
  expect(steps).toContain('  input  pair: FP32 [-1, 2]\n  input  flag: BOOL [-1]\n  output pair_out: FP32 [-1, 2]\n');
  expect(await answersTo(steps)).toEqual([
    { pair_out: [[0, 0]], flag_out: [false] },
    expect.objectContaining({ name: 'tiny', platform: 'onnxruntime_onnx' }),
    [expect.objectContaining({ modelName: 'tiny', runtime: 'onnx', modelUrl: 'tiny.onnx', minWorkers: 1 })],
  ]);
  await endsWell(terminal);
});

test('a folder is served; where zeros would fill the screen, a file is asked for', async () => {
  await cp(`${DIGITS}onnx-model`, join(folder, 'reader'), { recursive: true });
  const terminal = await serve('reader');
  const [steps] = await terminal.find(/^digits is ready\.\n[\s\S]*?:\d+\/models\/digits\n/m);
  const answers = await answersTo(steps.replace('-T FILE', `-T ${DIGITS}samples/3.png`));
  expect(Object.keys(answers[0] as object)[0]).toBe('three');
  expect(answers).toHaveLength(3);
  await endsWell(terminal);
});

test('a model with a handler is served without tensors', async () => {
  await cp(`${ROOT}examples/typescript-handler/model`, join(folder, 'words'), { recursive: true });
  const terminal = await serve('words/');
  const [steps] = await terminal.find(/^words is ready\.\n[\s\S]*?:\d+\/models\/words\n/m);
  expect(steps).not.toContain('input');
  await writeFile(join(folder, 'text'), 'the cat and the dog');
  const answers = await answersTo(steps.replace('-T FILE', `-T ${join(folder, 'text')}`));
  expect(answers[0]).toMatchObject({ words: 5, distinct: 4 });
  await endsWell(terminal);
});

test('a model that cannot be loaded is told with the reason', async () => {
  await writeFile(join(folder, 'broken.onnx'), 'no network');
  const terminal = await serve('broken.onnx');
  const [line] = await terminal.find(/^broken cannot start: .+$/m);
  expect(line).toContain('ONNX Runtime cannot load the model');
  await endsWell(terminal);
});

test('an archive that cannot be registered is told with the reason', async () => {
  await writeFile(join(folder, 'broken.mar'), 'no archive');
  const terminal = await serve('broken.mar');
  const [line] = await terminal.find(/^sconce: load_models: broken\.mar is not loaded: .+$/m);
  expect(line).toContain('neither a zip nor');
  await endsWell(terminal);
});

test('a model that is not there ends the command', async () => {
  const terminal = await serve('./missing.onnx');
  expect(await terminal.exited).toBe(1);
  expect(terminal.stderr).toBe('sconce: ./missing.onnx: there is no such file or folder\n');
  expect(await terminal.leftFiles()).toEqual([]);
});

/** The command in the foreground, in the folder of the test's models. */
async function serve(model: string): Promise<Terminal> {
  const terminal = await Terminal.run(`exec node ${MAIN} serve ${model}`, { cwd: folder });
  terminals.push(terminal);
  return terminal;
}

async function endsWell(terminal: Terminal): Promise<void> {
  expect(await terminal.interrupt()).toBe(0);
  expect(await terminal.leftFiles()).toEqual([]);
  expect(await offspringOf(terminal)).toEqual([]);
}

/** What the commands among these lines print, read as JSON. */
async function answersTo(lines: string): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (const [, command = ''] of lines.matchAll(/^ +(curl .+)$/gm)) {
    const { stdout } = await promisify(execFile)('bash', ['-euc', command.replace('curl', 'curl -sS')]);
    answers.push(JSON.parse(stdout));
  }
  return answers;
}
