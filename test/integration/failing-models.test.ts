// Every way in which a model fails to start, with real workers: a synchronous registration answers with its own type, with what happened, where,
// and what to do, as soon as the worker has ended; after an asynchronous one describe says the same.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ArchiveFiles, makeFolder, manifestFile } from '../support/archive-forge.ts';
import { untilNoOffspring } from '../support/processes.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { ask, register, unregister, untilModel } from '../support/serving-client.ts';

let store: string;
let server: TestServer;

beforeAll(async () => {
  store = await mkdtemp(join(tmpdir(), 'sconce-failing-'));
  server = await startServer({ modelStore: store, settings: { install_py_dep_per_model: true, python_wheels: store } });
});
afterAll(async () => {
  await server?.stop();
  await rm(store, { recursive: true, force: true });
});

interface FailingModel {
  readonly name: string;
  readonly files: ArchiveFiles;
  readonly model?: Record<string, unknown>;
  readonly runtime?: string;
  readonly parameters?: Record<string, unknown>;
  readonly status?: number;
  readonly type: string;
  /** What happened. */
  readonly words: readonly (string | RegExp)[];
  /** What to do; none where the words say it. */
  readonly hint?: string;
  /** In the last lines of the trace. */
  readonly trace?: readonly string[];
}

/** A handler whose `initialize` does this. It says something first, so that the log has the moment. */
function initialize(...lines: string[]): ArchiveFiles {
  const body = ['print("initialize begins", flush=True)', ...lines].map((line) => `        ${line}\n`).join('');
  const imports = 'import ctypes, os, pickle, signal, sys, time\n';
  const handle = '    def handle(self, data, context):\n        return data\n';
  return { 'handler.py': `${imports}class Handler:\n    def initialize(self, context):\n${body}${handle}` };
}

const FAILING: readonly FailingModel[] = [
  {
    name: 'missing-package',
    files: { 'handler.py': 'import cv2\n' },
    type: 'HandlerImportException',
    words: ["ModuleNotFoundError: No module named 'cv2'.", /The worker runs Python \d\.\d+\./],
    hint: 'Install opencv-python-headless for the worker',
    trace: ['handler.py", line 1, in <module>', 'import cv2'],
  },
  {
    name: 'package-missing-in-initialize',
    files: initialize('import sklearn_that_is_not_there.tree'),
    type: 'HandlerInitializeException',
    words: ["ModuleNotFoundError: No module named 'sklearn_that_is_not_there'"],
    hint: 'name it in the archive’s requirementsFile'.replace('’', "'"),
    trace: ['in initialize'],
  },
  {
    name: 'syntax-error',
    files: { 'handler.py': 'ready = True\n\ndef handle(data, context:\n    return data\n' },
    type: 'HandlerImportException',
    words: ['SyntaxError: ', '(handler.py, line 3)'],
    hint: 'Correct that line.',
    trace: ['def handle(data, context:'],
  },
  {
    name: 'import-raises',
    files: { 'handler.py': 'limit = int("many")\n' },
    type: 'HandlerImportException',
    words: ["ValueError: invalid literal for int() with base 10: 'many'."],
    hint: 'while it was imported',
    trace: ['handler.py", line 1, in <module>'],
  },
  {
    name: 'made-for-another-python',
    files: { 'handler.py': 'import legacy\n', 'legacy.pyc': 'not the magic of any Python' },
    type: 'HandlerImportException',
    words: ["ImportError: bad magic number in 'legacy'"],
    hint: 'A package was built for another Python',
  },
  {
    name: 'missing-system-library',
    files: { 'handler.py': 'import ctypes\nctypes.CDLL("libGL-of-nobody.so.1")\n' },
    type: 'HandlerImportException',
    words: ['OSError: libGL-of-nobody.so.1: cannot open shared object file'],
    hint: 'install the system package that has it',
  },
  {
    name: 'no-such-handler',
    files: { 'model.py': '' },
    type: 'HandlerNotFoundException',
    words: ['No handler handler.py: the archive has model.py'],
    hint: 'Correct model.handler in the manifest',
  },
  {
    name: 'no-handler-named',
    files: { 'handler.py': '' },
    model: { handler: undefined },
    type: 'HandlerNotFoundException',
    words: ['The model has no handler.'],
    hint: 'Correct model.handler in the manifest',
  },
  {
    name: 'two-classes',
    files: { 'handler.py': 'class A:\n    pass\nclass B:\n    pass\n' },
    type: 'HandlerNotFoundException',
    words: ['Expected only one class', 'A, B'],
    hint: 'Keep one class in the file of the handler',
  },
  {
    name: 'no-handle',
    files: { 'handler.py': 'class A:\n    def initialize(self, context):\n        pass\n' },
    type: 'HandlerNotFoundException',
    words: ['Expect handle method in class A'],
    hint: 'Give the class a method handle(self, data, context).',
  },
  {
    name: 'initialize-raises',
    files: initialize('raise RuntimeError("weights of another shape")'),
    type: 'HandlerInitializeException',
    words: ['RuntimeError: weights of another shape.'],
    hint: 'the last lines say where',
    trace: ['handler.py", line 5, in initialize', 'RuntimeError: weights of another shape'],
  },
  {
    name: 'model-file-missing',
    files: { ...initialize('open("weights.pt")'), 'labels.json': '[]' },
    type: 'ModelFileNotFoundException',
    words: ["No such file or directory: 'weights.pt'.", 'The archive has MAR-INF, handler.py, labels.json.'],
    hint: '--serialized-file',
    trace: ['open("weights.pt")'],
  },
  {
    name: 'weights-only',
    files: initialize('raise pickle.UnpicklingError("Weights only load failed. This file can still be loaded")'),
    type: 'HandlerInitializeException',
    words: ['UnpicklingError: Weights only load failed.'],
    hint: 'pass weights_only=False for a file that you trust',
  },
  {
    name: 'git-lfs-pointer',
    files: { ...initialize('pickle.load(open("w.pt", "rb"))'), 'w.pt': 'version https://git-lfs.github.com/spec/v1\n' },
    type: 'HandlerInitializeException',
    words: ["UnpicklingError: invalid load key, 'v'."],
    hint: 'git lfs pull',
  },
  {
    name: 'out-of-memory',
    files: initialize('raise MemoryError()'),
    status: 507,
    type: 'OutOfMemoryException',
    words: ['MemoryError.'],
    hint: 'fewer workers',
  },
  {
    name: 'gpu-out-of-memory',
    files: initialize('raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")'),
    status: 507,
    type: 'OutOfMemoryException',
    words: ['CUDA out of memory.'],
    hint: 'deviceIds',
  },
  {
    name: 'sys-exit',
    files: initialize('sys.exit(3)'),
    type: 'HandlerInitializeException',
    words: ['SystemExit: 3.'],
    hint: 'must not call sys.exit',
  },
  {
    name: 'leaves',
    files: initialize('print("good bye", file=sys.stderr, flush=True)', 'os._exit(4)'),
    type: 'WorkerCrashException',
    words: ['exit code 4', 'good bye'],
    hint: 'what it printed before may tell more',
  },
  {
    name: 'is-killed',
    files: initialize('os.kill(os.getpid(), signal.SIGKILL)'),
    type: 'WorkerCrashException',
    words: ['signal SIGKILL'],
    hint: 'the system was out of memory and killed it',
  },
  {
    name: 'native-crash',
    files: initialize('ctypes.string_at(0)'),
    type: 'WorkerCrashException',
    words: ['signal SIGSEGV'],
    hint: 'Native code crashed',
    trace: ['Fatal Python error: Segmentation fault', 'handler.py", line 5 in initialize'],
  },
  {
    name: 'hangs-in-initialize',
    files: initialize('time.sleep(600)'),
    parameters: { startup_timeout: 3 },
    type: 'StartupTimeoutException',
    words: ['within the start-up timeout of 3 s; it was at handler.py, line 5, in initialize.'],
    hint: 'Raise startup_timeout',
    trace: ['most recent call first', 'handler.py", line 5 in initialize'],
  },
  {
    name: 'hangs-in-import',
    files: { 'handler.py': 'import time\n\ntime.sleep(600)\n' },
    parameters: { startup_timeout: 3 },
    type: 'StartupTimeoutException',
    words: ['it was at handler.py, line 3, in <module>.'],
    hint: 'Raise startup_timeout',
  },
  {
    name: 'typescript-import',
    files: { 'handler.ts': "import lost from 'package-of-nobody';\nexport default lost;\n" },
    runtime: 'node',
    model: { handler: 'handler.ts' },
    type: 'HandlerImportException',
    words: ['package-of-nobody'],
  },
  {
    name: 'typescript-load',
    files: {
      'handler.ts':
        "import { defineHandler } from 'sconce/handler';\n" +
        "export default defineHandler({ load: () => { throw new Error('no weights today'); }, predict: () => [] });\n",
    },
    runtime: 'node',
    model: { handler: 'handler.ts' },
    type: 'HandlerInitializeException',
    words: ['Error: no weights today'],
    trace: ['handler.ts:2'],
  },
];

const NAME = new Map(FAILING.map((model) => [model.name, model]));

async function add({ name, files, model, runtime = 'python' }: FailingModel): Promise<void> {
  const manifest = manifestFile({ modelName: name, modelVersion: '1.0', handler: 'handler.py', ...model }, { runtime });
  await makeFolder(join(store, name), { ...manifest, ...files });
}

describe.each([...NAME.keys()])('a model that fails: %s', (name) => {
  const model = NAME.get(name);
  if (model === undefined) throw new Error(name);
  const { status = 500, type, words, hint, trace = [], parameters } = model;

  test('answers a synchronous registration with its own type, what happened, where, and what to do', async () => {
    await add(model);
    const answer = await register(server, name, parameters);
    const answeredAt = Date.now();
    expect(answer.status, answer.text).toBe(status);
    const document = JSON.parse(answer.text);
    expect(document).toMatchObject({ code: status, type });
    for (const word of words) expect(document.message).toMatch(word);
    expect(document.message).toContain(hint ?? '');
    for (const line of trace) expect(document.message).toContain(line);
    expect((await ask(`${server.management}/models/${name}`)).status).toBe(404);
    const last = server.log.findLast((line) => line['model'] === name && line['stream'] !== undefined);
    const isTimeout = type === 'StartupTimeoutException';
    if (last !== undefined && !isTimeout) expect(answeredAt - Date.parse(String(last['time']))).toBeLessThan(1_000);
  });

  test('says the same in describe after an asynchronous one', async () => {
    expect((await register(server, name, { ...parameters, synchronous: false })).status).toBe(202);
    const { lastError, loading } = await untilModel(server, name, (view) => view.lastError !== undefined);
    expect(lastError).toMatchObject({ code: status, type, worker: expect.stringMatching(/^\d+$/) });
    for (const word of words) expect(lastError?.message).toMatch(word);
    if (hint === undefined) expect(lastError?.hint).toBeUndefined();
    else expect(lastError?.hint).toContain(hint);
    for (const line of trace) expect(lastError?.trace?.join('\n')).toContain(line);
    expect(Math.abs(Date.parse(lastError?.at ?? '') - Date.now())).toBeLessThan(30_000);
    expect(loading?.find(({ phase }) => phase === 'load')?.state).toMatch(/^(failed|running)$/);
    expect((await unregister(server, name, { timeout: 0 })).status).toBe(200);
  });
});

test('packages that cannot be installed are told before any worker starts', async () => {
  await makeFolder(join(store, 'needs-packages'), {
    ...manifestFile({ modelName: 'needs-packages', handler: 'handler.py', requirementsFile: 'requirements.txt' }),
    ...initialize('pass'),
    'requirements.txt': 'ladder-of-nobody==3.0\n',
  });
  const answer = await register(server, 'needs-packages');
  expect(answer.status).toBe(400);
  const document = JSON.parse(answer.text);
  expect(document.type).toBe('ModelException');
  expect(document.message).toContain('No matching distribution found for ladder-of-nobody==3.0');
  expect(document.message).toContain('python_wheels');
  expect((await ask(`${server.management}/models/needs-packages`)).status).toBe(404);
});

test('nothing of all that is left', async () => {
  await untilNoOffspring(server);
});
