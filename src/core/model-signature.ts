// The tensors that a model takes and gives, as the model itself says.

/** Element types by their Open Inference Protocol names. */
export const TENSOR_DATATYPES = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'BF16',
  'FP32',
  'FP64',
  'BYTES',
] as const;

export type TensorDatatype = (typeof TENSOR_DATATYPES)[number];

export function isTensorDatatype(value: unknown): value is TensorDatatype {
  return (TENSOR_DATATYPES as readonly unknown[]).includes(value);
}

export interface TensorSignature {
  readonly name: string;
  readonly datatype: TensorDatatype;
  /** -1 for a dimension that may vary. */
  readonly shape: readonly number[];
}

export interface ModelSignature {
  /** What runs the model, for clients of the Open Inference Protocol: `onnxruntime_onnx`, … */
  readonly platform: string;
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
}
