// A network in ONNX Runtime: its tensors as the file tells them, and the running of it on tensors of our own. The package is optional, and
// imported only here.
import type * as Ort from 'onnxruntime-node';
import type { TensorDatatype } from '../core/model-signature.ts';
import { type BatchAxes, findBatchAxes } from './batch-axis.ts';
import { LoadError } from './load-error.ts';
import type { OnnxSettings } from './onnx-settings.ts';
import { isOutOfMemory } from './request-error.ts';
import type { Tensor, TensorData } from './tensor.ts';
import type { Dimension, TensorSpec } from './tensor-spec.ts';

export interface OnnxSession {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Whether requests may be joined along the batch axes, and if not why. */
  readonly isJoinable: boolean;
  readonly notJoinableReason: string;
  /** Outputs that are not tensors (sequences, maps), which nobody can be given. */
  readonly skippedOutputs: readonly string[];
  /** The version of ONNX Runtime. */
  readonly runtimeVersion: string;
  /** Computes these outputs. Every input is there and has its datatype. Rejects with the runtime's own error. */
  run(inputs: ReadonlyMap<string, Tensor>, outputNames: readonly string[]): Promise<Map<string, Tensor>>;
}

type OrtType = Ort.Tensor.Type;

const ORT_TYPES: Readonly<Record<Exclude<TensorDatatype, 'BF16'>, OrtType>> = {
  BOOL: 'bool',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP16: 'float16',
  FP32: 'float32',
  FP64: 'float64',
  BYTES: 'string',
};

const DATATYPES: ReadonlyMap<OrtType, TensorDatatype> = new Map(
  Object.entries(ORT_TYPES).map(([datatype, type]) => [type, datatype as TensorDatatype]),
);

/** Loads the file. Throws LoadError, naming what does not fit. */
export async function openOnnxSession(
  path: string,
  settings: OnnxSettings,
  gpuId: number | null,
): Promise<OnnxSession> {
  const ort = await importRuntime();
  const session = await createSession(ort, path, settings, gpuId);
  const inputs = session.inputMetadata.map((metadata) => tensorOf(metadata, 'input'));
  const tensorOutputs = session.outputMetadata.filter((metadata) => metadata.isTensor);
  const outputs = tensorOutputs.map((metadata) => tensorOf(metadata, 'output'));
  const axes = findBatchAxes(inputs, outputs, settings.batchAxis);
  return {
    inputs: withAxes(inputs, axes.inputs),
    outputs: withAxes(outputs, axes.outputs),
    isJoinable: axes.isJoinable,
    notJoinableReason: axes.reason,
    skippedOutputs: session.outputMetadata.filter((metadata) => !metadata.isTensor).map(({ name }) => name),
    runtimeVersion: ort.env.versions.node ?? ort.env.versions.common,
    run: async (feeds, outputNames) => {
      const values: Record<string, Ort.Tensor> = {};
      for (const [name, tensor] of feeds) values[name] = toRuntime(ort, tensor);
      const results = await session.run(values, outputNames);
      const tensors = new Map<string, Tensor>();
      for (const name of outputNames) {
        const result = results[name];
        if (result !== undefined) tensors.set(name, fromRuntime(result as Ort.Tensor));
      }
      return tensors;
    },
  };
}

async function importRuntime(): Promise<typeof Ort> {
  try {
    return await import('onnxruntime-node');
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new LoadError(
      'HANDLER_INITIALIZE_FAILED',
      `ONNX models need the package onnxruntime-node, which cannot be imported (${text}). Run: npm install onnxruntime-node`,
    );
  }
}

async function createSession(
  ort: typeof Ort,
  path: string,
  settings: OnnxSettings,
  gpuId: number | null,
): Promise<Ort.InferenceSession> {
  const deviceId = gpuId ?? 0;
  const executionProviders = settings.executionProviders.map((name) => (name === 'cuda' ? { name, deviceId } : name));
  try {
    return await ort.InferenceSession.create(path, {
      executionProviders,
      intraOpNumThreads: settings.intraOpThreads,
      interOpNumThreads: settings.interOpThreads,
      executionMode: settings.interOpThreads > 1 ? 'parallel' : 'sequential',
      graphOptimizationLevel: settings.graphOptimizationLevel,
    });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const code = isOutOfMemory(text) ? 'WORKER_OUT_OF_MEMORY' : 'HANDLER_INITIALIZE_FAILED';
    throw new LoadError(code, `ONNX Runtime cannot load the model: ${sentence(text)}${adviceFor(text, settings)}`);
  }
}

/** Type 16 of the ONNX format is BF16, which the package's tensors do not have. */
function adviceFor(text: string, { executionProviders }: OnnxSettings): string {
  if (/Unsupported data type: 16\b/.test(text)) {
    return ' It has a BF16 input or output, which onnxruntime-node cannot pass on: export it with FP16 or FP32 ones.';
  }
  return executionProviders.includes('cuda') ? ' onnx.executionProviders: [cpu] needs no GPU.' : '';
}

function tensorOf(
  metadata: Ort.InferenceSession.ValueMetadata,
  kind: 'input' | 'output',
): Omit<TensorSpec, 'batchAxis'> {
  const datatype = metadata.isTensor ? DATATYPES.get(metadata.type) : undefined;
  if (!metadata.isTensor || datatype === undefined) {
    const type = metadata.isTensor ? `of type ${metadata.type}` : 'not a tensor';
    throw new LoadError(
      'HANDLER_INITIALIZE_FAILED',
      `The model's ${kind} "${metadata.name}" is ${type}, which cannot be served. Export the model with tensors of ONNX's basic types.`,
    );
  }
  const dimensions: readonly Dimension[] = metadata.shape;
  const shape = dimensions.map((dimension) => (typeof dimension === 'number' ? dimension : -1));
  return { name: metadata.name, datatype, shape, dimensions };
}

function withAxes(tensors: readonly Omit<TensorSpec, 'batchAxis'>[], axes: BatchAxes['inputs']): readonly TensorSpec[] {
  return tensors.map((tensor, index) => ({ ...tensor, batchAxis: axes[index] }));
}

function toRuntime(ort: typeof Ort, { datatype, shape, data }: Tensor): Ort.Tensor {
  if (datatype === 'BF16') throw new TypeError('ONNX Runtime for Node takes no BF16 tensors');
  return new ort.Tensor(ORT_TYPES[datatype], data, shape);
}

function fromRuntime({ type, dims, data }: Ort.Tensor): Tensor {
  const datatype = DATATYPES.get(type);
  if (datatype === undefined) throw new TypeError(`ONNX Runtime gave a tensor of type ${type}, which cannot be sent`);
  // Where the engine has a Float16Array, half-precision results come as one; ours are its bits.
  const bits =
    datatype === 'FP16' && ArrayBuffer.isView(data) && !(data instanceof Uint16Array)
      ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)
      : data;
  return { datatype, shape: dims, data: bits as TensorData };
}

function sentence(text: string): string {
  const line = text.split(/\s+/).join(' ').trim();
  return /[.!?]$/.test(line) ? line : `${line}.`;
}
