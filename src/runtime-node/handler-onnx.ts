// ONNX Runtime for handlers: one file of the archive as a session with plain inputs and outputs. The runtime is an optional package,
// loaded by the first handler that asks for it.
import { stat } from 'node:fs/promises';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { OnnxInput, OnnxOutput, OnnxSession } from './handler.ts';
import { LoadError } from './load-error.ts';
import { type OnnxSettings, sessionOptions } from './onnx-settings.ts';

/**
 * Opens an ONNX file; `gpuId` is the GPU of the worker, null for none. Rejects with a LoadError: MODEL_FILE_NOT_FOUND, or
 * HANDLER_INITIALIZE_FAILED with the runtime's own words.
 */
export async function openOnnx(file: string, settings: OnnxSettings, gpuId: number | null): Promise<OnnxSession> {
  const isFile = await stat(file).then(
    (found) => found.isFile(),
    () => false,
  );
  if (!isFile) {
    throw new LoadError('MODEL_FILE_NOT_FOUND', `context.onnx: there is no file ${file}. Is it in the archive?`);
  }
  const runtime = await importRuntime();
  try {
    const session = await runtime.InferenceSession.create(file, sessionOptions(settings, gpuId));
    return new Session(session, runtime.Tensor);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new LoadError('HANDLER_INITIALIZE_FAILED', `context.onnx: ${file} could not be opened: ${why}`);
  }
}

async function importRuntime(): Promise<typeof import('onnxruntime-node')> {
  try {
    return await import('onnxruntime-node');
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    throw new LoadError(
      'HANDLER_INITIALIZE_FAILED',
      `context.onnx needs the package onnxruntime-node: npm install onnxruntime-node beside sconce (${why}).`,
    );
  }
}

class Session implements OnnxSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #session: InferenceSession;
  readonly #tensor: typeof Tensor;
  readonly #inputTypes = new Map<string, Tensor.Type>();

  constructor(session: InferenceSession, tensor: typeof Tensor) {
    this.#session = session;
    this.#tensor = tensor;
    this.inputNames = session.inputNames;
    this.outputNames = session.outputNames;
    for (const input of session.inputMetadata) if (input.isTensor) this.#inputTypes.set(input.name, input.type);
  }

  async run(inputs: Readonly<Record<string, OnnxInput>>): Promise<Record<string, OnnxOutput>> {
    const feeds = Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, this.#feed(name, input)]));
    const results = await this.#session.run(feeds);
    return Object.fromEntries(
      Object.entries(results).map(([name, { type, data, dims }]) => [
        name,
        { type, data: data as OnnxOutput['data'], dims },
      ]),
    );
  }

  #feed(name: string, { data, dims }: OnnxInput): Tensor {
    const type = this.#inputTypes.get(name);
    if (type === undefined) {
      throw new TypeError(`The network has no input "${name}"; it has ${this.inputNames.join(', ')}.`);
    }
    try {
      return new this.#tensor(type, data as Tensor.DataType, dims);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new TypeError(`Input "${name}" of the network (${type}, dims ${dims.join(' x ')}): ${why}`, { cause });
    }
  }
}
