// `sconce invoke`: one run of a model from the command line; answers on stdout, the rest on stderr, and nothing left behind.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeMar, manifestFile } from '../support/archive-forge.ts';
import { AuthorFolder } from '../support/author-folder.ts';
import { untilNoOffspring } from '../support/processes.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/typescript-handler/model', import.meta.url));

/** Tells what it got, and how many requests came with it. */
const ECHO = `from ts.utils.util import PredictionException


class Handler:
    def initialize(self, context):
        print("loading")

    def handle(self, data, context):
        return [self.answer(row, index, len(data), context) for index, row in enumerate(data)]

    def answer(self, row, index, size, context):
        body = row.get("body")
        if body == {"do": "refuse"}:
            raise PredictionException("not like this", 422)
        if body == {"do": "fail"}:
            raise ValueError("broken inside")
        if body == {"do": "bytes"}:
            return bytes([0, 255, 10])
        kind = context.get_request_header(index, "Content-Type")
        shown = body if isinstance(body, (dict, list, str)) else len(body)
        return {"body": shown, "type": kind, "batch": size, "extra": context.get_request_header(index, "X-Extra"),
                "explain": context.get_request_header(index, "explain")}
`;

let author: AuthorFolder;

beforeEach(async () => {
  author = await AuthorFolder.create();
  await author.write('echo/handler.py', ECHO);
});

afterEach(() => author.remove());

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command to its end, and sees that neither files nor processes are left. */
async function invoke(args: string): Promise<Outcome> {
  const terminal = await author.run(`sconce invoke ${args}`);
  const code = await terminal.exited;
  await untilNoOffspring(terminal);
  expect(await terminal.leftFiles()).toEqual([]);
  return { code, stdout: terminal.stdout, stderr: terminal.stderr };
}

const answersOf = ({ stdout }: Outcome) =>
  stdout
    .split(/\n(?=\{)/)
    .filter((text) => text.trim() !== '')
    .map((text) => JSON.parse(text));

test('a file is one request; its answer is all of stdout, and the times of the stages are on stderr', async () => {
  await author.write('a.json', '{"x": 1}');
  const outcome = await invoke('echo -H "X-Extra: yes" -H "X-Other: no" a.json');
  expect(outcome.code).toBe(0);
  expect(answersOf(outcome)).toEqual([
    { body: { x: 1 }, type: 'application/json', batch: 1, extra: 'yes', explain: 'False' },
  ]);
  expect(outcome.stderr).toMatch(/^loading$/m);
  for (const stage of ['spawn', 'load', 'queue', 'handler', 'total'])
    expect(outcome.stderr).toMatch(new RegExp(`^${stage} +[\\d.]+ m?s$`, 'm'));
});

test('several requests are answered in their order, each by itself', async () => {
  await author.write('a.txt', 'words');
  await author.write('b.bin', new Uint8Array(7));
  const outcome = await invoke(`echo a.txt b.bin - --json '[1]' < a.txt`);
  expect(outcome.code).toBe(0);
  expect(answersOf(outcome).map(({ body, type, batch }) => [body, type, batch])).toEqual([
    ['words', 'text/plain', 1],
    [7, 'application/octet-stream', 1],
    [5, 'application/octet-stream', 1],
    [[1], 'application/json', 1],
  ]);
  expect(outcome.stderr).toMatch(/^b\.bin: 200, application\/json, \d+ bytes$/m);
  expect(outcome.stderr).toMatch(/^handler b\.bin +[\d.]+ m?s$/m);
});

test('--batch hands them to the handler together, also when the model’s own batches are smaller', async () => {
  await author.write('echo/model-config.yaml', 'batchSize: 2\n');
  await author.write('a.json', '{}');
  const outcome = await invoke(`echo --batch a.json a.json a.json a.json --json '{}' --explain`);
  expect(outcome.code).toBe(0);
  expect(answersOf(outcome).map(({ batch, explain }) => [batch, explain])).toEqual(Array(5).fill([5, 'True']));
});

test('an archive and standard input work, too, and unpacking is one of the stages', async () => {
  const files = { ...manifestFile({ modelName: 'packed', handler: 'h.py' }), 'h.py': ECHO };
  await makeMar(join(author.path, 'packed.mar'), files);
  const outcome = await invoke(`packed.mar - <<< '{"from": "a pipe"}'`);
  expect(outcome.code).toBe(0);
  expect(answersOf(outcome)).toMatchObject([{ body: { from: 'a pipe' }, type: 'application/json' }]);
  expect(outcome.stderr).toMatch(/^unpack +[\d.]+ m?s$/m);
});

test('--output gets the bytes, one to one', async () => {
  const outcome = await invoke(`echo --json '{"do": "bytes"}' --output answer.bin`);
  expect(outcome).toMatchObject({ code: 0, stdout: '' });
  expect([...(await readFile(join(author.path, 'answer.bin')))]).toEqual([0, 255, 10]);
  expect((await invoke(`echo --json 1 --output nowhere/x`)).code).toBe(1);
});

test('a stream is written part by part', async () => {
  await author.write('lines', 'the cat\nthe dog');
  const outcome = await invoke(`${EXAMPLE} lines --content-type text/plain -H 'Accept: application/x-ndjson'`);
  expect(outcome.code).toBe(0);
  expect(
    outcome.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).words),
  ).toEqual([2, 2]);
});

test('what the handler refuses and where it fails is told, with exit status 1', async () => {
  const refused = await invoke(`echo --json '{"do": "refuse"}'`);
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toContain('not like this');
  const failed = await invoke(`echo --json '{"do": "fail"}'`);
  expect(failed).toMatchObject({ code: 1, stdout: '' });
  expect(failed.stderr).toMatch(/handler\.py", line \d+, in answer[\s\S]*ValueError: broken inside/);
  expect(failed.stderr).toContain('PREDICTION_FAILED');
});

test.each(['', '--batch'])('a model that does not load is told once, with file, line and trace %s', async (flag) => {
  await author.write('echo/handler.py', 'import nothing_of_this_name\n');
  const outcome = await invoke(`echo --json 1 --json 2 ${flag}`);
  expect(outcome).toMatchObject({ code: 1, stdout: '' });
  expect(outcome.stderr.match(/^✗ .*$/gm)).toEqual([expect.stringMatching(/^✗ handler\.py:1 ModuleNotFoundError: /)]);
  expect(outcome.stderr.match(/Traceback/g)).toHaveLength(1);
});

test('Ctrl-C in the middle of a request leaves nothing', async () => {
  await author.write(
    'echo/handler.py',
    'import time\n\n\ndef handle(data, context):\n    print("in", data is None, flush=True)\n    if data: time.sleep(600)\n',
  );
  const terminal = await author.run('exec sconce invoke echo --json 1');
  await terminal.find(/^in False$/m);
  expect(await terminal.interrupt()).toBe(130);
  await untilNoOffspring(terminal);
  expect(await terminal.leftFiles()).toEqual([]);
});

test('Ctrl-C while the model loads says nothing: nothing went wrong', async () => {
  await author.write('echo/handler.py', 'import time\nprint("importing", flush=True)\ntime.sleep(600)\n');
  const terminal = await author.run('exec sconce invoke echo --json 1');
  await terminal.find(/^importing$/m);
  expect(await terminal.interrupt()).toBe(130);
  expect(terminal.stderr).toBe('importing\n');
  expect(await terminal.leftFiles()).toEqual([]);
});

test.each([
  ['nothing --json 1', 'nothing: there is no such file or folder'],
  ['echo', 'there is no request; name files'],
  ['echo missing.json', 'missing.json: there is no such file'],
  ["echo --json '{'", '--json {: this is not JSON'],
  ['echo a b --output x', /there is no such file|--output takes the answer of one request/],
  ['echo --json 1 --wait', '--wait waits for a debugger'],
])('`invoke %s` ends with one line', async (args, message) => {
  const outcome = await invoke(args);
  expect(outcome).toMatchObject({ code: 1, stdout: '' });
  expect(outcome.stderr).toMatch(message);
  expect(outcome.stderr.trim().split('\n')).toHaveLength(1);
});
