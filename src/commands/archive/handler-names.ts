// How a manifest names handlers: the built-in ones, and which files of an archive a name may mean. The workers decide in the end; this
// is their rule for people who pack and check archives.

/** Handlers that need no file in the archive. */
export const BUILT_IN_HANDLERS: ReadonlySet<string> = new Set([
  'base_handler',
  'text_classifier',
  'image_classifier',
  'object_detector',
  'image_segmenter',
  'dali_image_classifier',
  'vllm_handler',
  'trt_llm_handler',
]);

/** Endings of files that the Node worker runs. */
export const NODE_ENDINGS: readonly string[] = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'];

export interface HandlerName {
  /** Paths in the archive, the first that exists counts. */
  readonly files: readonly string[];
  /** The function or export that is named, if one is. */
  readonly entryPoint: string | undefined;
}

/** `h`, `h.py`, `dir/h:function`, `package.module`. */
export function pythonHandler(name: string): HandlerName {
  const [path = '', entryPoint] = name.split(':', 2);
  const module = path.replace(/\.py$/, '');
  const slash = module.lastIndexOf('/') + 1;
  const file = module.slice(0, slash) + module.slice(slash).replaceAll('.', '/');
  return { files: [`${file}.py`, `${file}/__init__.py`], entryPoint: entryPoint || undefined };
}

/** `h`, `h.ts`, `dir/h.ts:export`. */
export function nodeHandler(name: string): HandlerName {
  const colon = name.lastIndexOf(':');
  const path = colon < 0 ? name : name.slice(0, colon);
  const entryPoint = colon < 0 ? undefined : name.slice(colon + 1) || undefined;
  const hasEnding = NODE_ENDINGS.some((ending) => path.endsWith(ending));
  return { files: hasEnding ? [path] : NODE_ENDINGS.map((ending) => path + ending), entryPoint };
}
