// Which kind of model a `load` means, and why a load failed, in the words of the protocol.
import type { LoadMessage } from '../protocol/messages.ts';
import type { HandlerResources } from './handler-context.ts';
import { LoadError } from './load-error.ts';
import { isOutOfMemory } from './request-error.ts';
import type { RuntimeModel } from './runtime-model.ts';

export interface LoadedModel {
  readonly model: RuntimeModel;
  readonly runtime: { readonly name: string; readonly version: string };
  /** Lines for the log. */
  readonly remarks: readonly string[];
}

const TRACE_LINES = 30;

/** Loads an ONNX network, or the author's handler when one is named. Rejects with a LoadError. */
export async function loadModel(load: LoadMessage, resources: HandlerResources): Promise<LoadedModel> {
  try {
    if (load.handler === null) {
      const { loadOnnxModel } = await import('./onnx-model.ts');
      return await loadOnnxModel(load);
    }
    const { loadHandlerModel } = await import('./handler-model.ts');
    const model = await loadHandlerModel(load, resources);
    return { model, runtime: { name: 'node', version: process.versions.node }, remarks: [] };
  } catch (error) {
    throw loadErrorOf(error);
  }
}

function loadErrorOf(error: unknown): LoadError {
  if (error instanceof LoadError) return error;
  const { name, message, stack = '' } = error instanceof Error ? error : new Error(String(error));
  const trace = stack.split('\n').slice(0, TRACE_LINES).join('\n');
  const summary = `${name}: ${message.split(/\s+/).join(' ').trim()}`;
  if (isOutOfMemory(message)) {
    const hint = 'Give the model fewer workers or the machine more memory.';
    return new LoadError('WORKER_OUT_OF_MEMORY', `${summary}. ${hint}`, trace);
  }
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
    const hint = "Relative names are looked for in the model's folder: is the file in the archive?";
    return new LoadError('MODEL_FILE_NOT_FOUND', `${summary}. ${hint}`, trace);
  }
  return new LoadError('HANDLER_INITIALIZE_FAILED', `${summary}.`, trace);
}
