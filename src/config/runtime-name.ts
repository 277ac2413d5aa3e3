// How people write the runtime of a model, and which of ours they mean.
import type { RuntimeName } from '../core/model-spec.ts';

const RUNTIMES: ReadonlyMap<string, RuntimeName> = new Map([
  ['python', 'python'],
  ['python3', 'python'],
  ['node', 'node'],
  ['onnx', 'onnx'],
]);

/** The words that name a runtime, for error messages. */
export const RUNTIME_WORDS = [...RUNTIMES.keys()].join(', ');

/** The runtime that a word names, undefined when there is none. */
export function findRuntime(word: string, isCaseSensitive: boolean): RuntimeName | undefined {
  return RUNTIMES.get(isCaseSensitive ? word : word.toLowerCase());
}
