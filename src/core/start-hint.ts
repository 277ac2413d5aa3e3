// What to do about a worker that could not start: one table, from what its error says to a sentence for whoever packed the model. Workers
// tell what happened and where; advice is given nowhere else.
import type { ErrorCode, ServingError } from './errors.ts';
import type { RuntimeName } from './model-spec.ts';

interface HintRule {
  /** Looked for in the message and, below it, the trace. */
  readonly pattern?: RegExp;
  /** Only for errors of these codes; absent for all. */
  readonly codes?: readonly ErrorCode[];
  /** Only for Python workers: the Node worker's messages say for themselves what to do about this. */
  readonly isPythonOnly?: true;
  readonly hint: string | ((groups: Readonly<Record<string, string | undefined>>) => string);
}

/** Modules that are imported under another name than their package is installed by. */
const PACKAGE_OF_MODULE: ReadonlyMap<string, string> = new Map([
  ['attr', 'attrs'],
  ['bs4', 'beautifulsoup4'],
  ['Crypto', 'pycryptodome'],
  ['cv2', 'opencv-python-headless'],
  ['dateutil', 'python-dateutil'],
  ['docx', 'python-docx'],
  ['dotenv', 'python-dotenv'],
  ['faiss', 'faiss-cpu'],
  ['fitz', 'pymupdf'],
  ['git', 'gitpython'],
  ['grpc', 'grpcio'],
  ['jwt', 'pyjwt'],
  ['magic', 'python-magic'],
  ['OpenSSL', 'pyopenssl'],
  ['PIL', 'pillow'],
  ['serial', 'pyserial'],
  ['skimage', 'scikit-image'],
  ['sklearn', 'scikit-learn'],
  ['yaml', 'pyyaml'],
]);

const MEMORY = 'Give the model fewer workers or the machine more memory.';

/** The first rule that fits counts: particular causes before general ones. */
const RULES: readonly HintRule[] = [
  {
    codes: ['STARTUP_TIMEOUT'],
    hint: 'Raise startup_timeout if the model needs longer to load.',
  },
  {
    pattern: /CUDA out of memory|CUDA error: out of memory|CUDA_ERROR_OUT_OF_MEMORY|HIP out of memory/,
    hint: 'Give the GPU fewer workers, spread them by deviceIds in model-config.yaml, or load the model in a smaller data type.',
  },
  { codes: ['WORKER_OUT_OF_MEMORY'], hint: MEMORY },
  {
    codes: ['WORKER_CRASHED_AT_START'],
    pattern: /\bSIGKILL\b|exit code 137\b/,
    hint: `Most often the system was out of memory and killed it; its log (dmesg) says so. ${MEMORY}`,
  },
  {
    codes: ['WORKER_CRASHED_AT_START'],
    pattern: /\bSIG(?:SEGV|BUS|ILL|FPE|ABRT)\b/,
    hint:
      'Native code crashed: a package, and no line of the handler by itself. Where Python was then stands in the last lines. ' +
      'Most often packages do not fit each other, the CPU or the driver: install versions that belong together.',
  },
  {
    pattern: /(?<library>lib[\w.+-]+\.so[\w.]*): cannot open shared object file/,
    hint: ({ library }) =>
      `A package needs the system's library ${library}: install the system package that has it` +
      `${library?.startsWith('libGL') === true ? ', or opencv-python-headless in place of opencv-python' : ''}.`,
  },
  {
    pattern:
      /bad magic number in|undefined symbol: _?Py|Module use of python\d|cpython-\d+[\w.-]*\.so|compiled using NumPy 1\.x|numpy\.dtype size changed|numpy\.core\.multiarray failed to import|incompatible architecture|wrong ELF class/,
    hint: "A package was built for another Python, another NumPy or another machine: install it again with the worker's own interpreter.",
  },
  {
    pattern: /ModuleNotFoundError: No module named '(?<module>[^']+)'/,
    hint: ({ module = '' }) => {
      const name = module.split('.')[0] ?? module;
      return (
        `Install ${PACKAGE_OF_MODULE.get(name) ?? name} for the worker's interpreter, or name it in the archive's requirementsFile and set ` +
        `install_py_dep_per_model=true; a file of your own belongs into the archive (--extra-files).`
      );
    },
  },
  {
    pattern: /ImportError: cannot import name/,
    hint: 'The package has another version than the handler expects, or a file of the archive hides it by its name.',
  },
  {
    pattern: /\b(?:SyntaxError|IndentationError|TabError): /,
    hint: "Correct that line. Syntax that is newer than the worker's Python counts as an error, too; the setting python names the interpreter.",
  },
  {
    pattern: /\bSystemExit\b/,
    hint: 'A handler must not call sys.exit: raise an exception that says what is wrong.',
  },
  {
    pattern: /weights_only|Weights only load failed|WeightsUnpickler/,
    hint:
      'torch.load takes nothing but tensors from torch 2.6 on. Save the state_dict alone, allow the classes with ' +
      'torch.serialization.add_safe_globals, or pass weights_only=False for a file that you trust.',
  },
  {
    pattern: /invalid load key, 'v'|version https:\/\/git-lfs/,
    hint: 'The weights are a Git LFS pointer and no weights: run git lfs pull, and pack the archive again.',
  },
  {
    pattern: /UnpicklingError|PytorchStreamReader failed|invalid load key/,
    hint: 'The file of weights is damaged, or of another format than the handler expects: save and pack it again.',
  },
  {
    pattern: /loading state_dict for/,
    hint: 'The weights belong to another class than the one in modelFile: pack the two that were saved together.',
  },
  {
    pattern:
      /not compiled with CUDA enabled|No CUDA GPUs are available|NVIDIA driver|deserialize object on a CUDA device/,
    hint: 'The handler wants a GPU that this worker does not have: load with map_location="cpu", or set deviceType.',
  },
  {
    codes: ['MODEL_FILE_NOT_FOUND'],
    pattern: /^The file of warm-up request/,
    hint: 'Pack the file into the archive, or correct its name under warmup in model-config.yaml.',
  },
  {
    codes: ['MODEL_FILE_NOT_FOUND'],
    isPythonOnly: true,
    hint: "Relative names are looked for in the model's folder: pack the file into the archive (--serialized-file, --extra-files), or correct its name.",
  },
  {
    codes: ['HANDLER_NOT_FOUND'],
    pattern: /only one class/,
    hint: 'Keep one class in the file of the handler and import the others, or write a function handle(data, context).',
  },
  {
    codes: ['HANDLER_NOT_FOUND'],
    pattern: /handle method/,
    hint: 'Give the class a method handle(self, data, context).',
  },
  {
    codes: ['HANDLER_NOT_FOUND'],
    isPythonOnly: true,
    hint: 'Correct model.handler in the manifest, or give handler when registering: module, module.py or module:function.',
  },
  {
    codes: ['HANDLER_IMPORT_FAILED'],
    isPythonOnly: true,
    hint: 'The module of the handler raised this while it was imported; the last lines say where.',
  },
  {
    // Said by the worker, and enough.
    pattern: /nothing awaits/,
    hint: 'set asyncCommunication: true in model-config.yaml.',
  },
  {
    codes: ['HANDLER_INITIALIZE_FAILED'],
    isPythonOnly: true,
    hint: 'The handler raised this while it loaded the model; the last lines say where.',
  },
  {
    codes: ['WARMUP_FAILED'],
    hint: 'Correct that request under warmup in model-config.yaml, or the handler.',
  },
  {
    codes: ['WORKER_CRASHED_AT_START'],
    pattern: /exit code/,
    isPythonOnly: true,
    hint: 'The process ended by itself and said no more than this; what it printed before may tell more.',
  },
];

/** The advice for this error, undefined where its message says enough. */
export function startHint({ code, message, details }: ServingError, runtime: RuntimeName): string | undefined {
  const text = `${message}\n${details.trace ?? ''}`;
  for (const { pattern, codes, isPythonOnly, hint } of RULES) {
    if (codes?.includes(code) === false || (isPythonOnly === true && runtime !== 'python')) continue;
    const match = pattern === undefined ? undefined : pattern.exec(text);
    if (match === null) continue;
    const advice = typeof hint === 'string' ? hint : hint(match?.groups ?? {});
    // The Node worker gives some of it itself.
    return message.includes(advice) ? undefined : advice;
  }
  return undefined;
}
