import { describe, expect, it } from 'vitest';
import { type ErrorCode, ServingError } from '../../../src/core/errors.ts';
import { describeStartFailure, withStartHint } from '../../../src/core/start-failure.ts';
import { startHint } from '../../../src/core/start-hint.ts';

const hint = (code: ErrorCode, message: string, trace = '') =>
  startHint(new ServingError(code, message, { trace }), 'python');

describe('the hint for a worker that could not start', () => {
  it.each<[ErrorCode, string, string]>([
    ['HANDLER_IMPORT_FAILED', "ModuleNotFoundError: No module named 'cv2'.", 'Install opencv-python-headless '],
    ['HANDLER_IMPORT_FAILED', "ModuleNotFoundError: No module named 'PIL'.", 'Install pillow '],
    ['HANDLER_IMPORT_FAILED', "ModuleNotFoundError: No module named 'sklearn.tree'.", 'Install scikit-learn '],
    ['HANDLER_INITIALIZE_FAILED', "ModuleNotFoundError: No module named 'yaml'.", 'Install pyyaml '],
    ['HANDLER_IMPORT_FAILED', "ModuleNotFoundError: No module named 'my.own'.", 'Install my '],
    ['HANDLER_IMPORT_FAILED', "ModuleNotFoundError: No module named 'my'.", 'install_py_dep_per_model=true'],
    ['HANDLER_IMPORT_FAILED', "ImportError: cannot import name 'x' from 'y'.", 'another version'],
    ['HANDLER_IMPORT_FAILED', 'ImportError: libGL.so.1: cannot open shared object file.', 'library libGL.so.1'],
    ['HANDLER_IMPORT_FAILED', "ImportError: bad magic number in 'handler': b'U'.", 'another Python'],
    ['HANDLER_IMPORT_FAILED', 'ImportError: /x.so: undefined symbol: _PyGen_Send.', 'another Python'],
    ['HANDLER_IMPORT_FAILED', 'SyntaxError: invalid syntax (handler.py, line 3).', 'Correct that line'],
    ['HANDLER_INITIALIZE_FAILED', 'SystemExit: 3.', 'must not call sys.exit'],
    ['WARMUP_FAILED', 'Warm-up request 1 of 1 failed: ValueError: no.', 'Correct that request under warmup'],
    ['MODEL_FILE_NOT_FOUND', 'The file of warm-up request 1 of 1 (x) cannot be read.', 'correct its name under warmup'],
    ['HANDLER_INITIALIZE_FAILED', 'UnpicklingError: Weights only load failed.', 'weights_only=False'],
    ['HANDLER_INITIALIZE_FAILED', "UnpicklingError: invalid load key, 'v'.", 'git lfs pull'],
    ['HANDLER_INITIALIZE_FAILED', "UnpicklingError: invalid load key, 'x'.", 'damaged'],
    ['HANDLER_INITIALIZE_FAILED', 'RuntimeError: Error(s) in loading state_dict for Net.', 'modelFile'],
    ['HANDLER_INITIALIZE_FAILED', 'AssertionError: Torch not compiled with CUDA enabled.', 'map_location'],
    ['HANDLER_INITIALIZE_FAILED', 'ValueError: two.', 'the last lines say where'],
    ['HANDLER_IMPORT_FAILED', 'ValueError: two.', 'while it was imported'],
    ['MODEL_FILE_NOT_FOUND', 'FileNotFoundError: weights.pt.', '--serialized-file'],
    ['WORKER_OUT_OF_MEMORY', 'OutOfMemoryError: CUDA out of memory.', 'deviceIds'],
    ['WORKER_OUT_OF_MEMORY', 'MemoryError.', 'fewer workers'],
    ['HANDLER_NOT_FOUND', 'No handler x.py.', 'model.handler'],
    ['HANDLER_NOT_FOUND', 'Expected only one class in custom service code: A, B.', 'Keep one class'],
    ['HANDLER_NOT_FOUND', 'Expect handle method in class A: it has none.', 'handle(self, data, context)'],
    ['WORKER_CRASHED_AT_START', 'The worker process ended before it was ready (signal SIGKILL)', 'dmesg'],
    ['WORKER_CRASHED_AT_START', 'The worker process ended before it was ready (exit code 137)', 'dmesg'],
    ['WORKER_CRASHED_AT_START', 'The worker process ended before it was ready (signal SIGSEGV)', 'Native code'],
    [
      'WORKER_CRASHED_AT_START',
      'The worker process ended before it was ready (exit code 4)',
      'what it printed before may tell more',
    ],
    ['STARTUP_TIMEOUT', 'The worker was not ready.', 'startup_timeout'],
  ])('%s %s', (code, message, words) => {
    expect(hint(code, message)).toContain(words);
  });

  it('is looked for in the trace as well', () => {
    const trace = "ModuleNotFoundError: No module named 'yaml'\nThe above exception was the direct cause";
    expect(hint('HANDLER_INITIALIZE_FAILED', 'RuntimeError: cannot start.', trace)).toContain('Install pyyaml ');
  });

  it('leaves to the Node worker what that says itself', () => {
    const error = new ServingError('HANDLER_NOT_FOUND', 'No handler x. Correct model.handler in the manifest.');
    expect(startHint(error, 'node')).toBeUndefined();
    const memory = 'RangeError: out of memory. Give the model fewer workers or the machine more memory.';
    expect(startHint(new ServingError('WORKER_OUT_OF_MEMORY', memory), 'node')).toBeUndefined();
  });

  it('is not given where the worker has said what to set', () => {
    const message =
      'The handler loads the model in an async function, which nothing awaits: set asyncCommunication: true in model-config.yaml.';
    expect(hint('HANDLER_INITIALIZE_FAILED', message)).toBeUndefined();
  });
});

describe('a failed start', () => {
  it('tells callers what happened and what to do in one message, and describe both apart', () => {
    const trace = 'Traceback\nMemoryError';
    const failure = withStartHint(new ServingError('WORKER_OUT_OF_MEMORY', 'MemoryError.', { trace }), 'python');
    const advice = 'Give the model fewer workers or the machine more memory.';
    expect(failure.message).toBe(`MemoryError. ${advice}`);
    const at = new Date(0);
    expect(describeStartFailure(failure, '9000', at)).toEqual({
      worker: '9000',
      code: 'WORKER_OUT_OF_MEMORY',
      message: 'MemoryError.',
      hint: advice,
      trace,
      at,
    });
  });
});
