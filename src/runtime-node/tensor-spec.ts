// An input or output of a network, and whether a request's tensor fits it.
import type { TensorDatatype, TensorSignature } from '../core/model-signature.ts';
import { RequestError } from './request-error.ts';
import { elementCount, reshaped, shapeText, type Tensor } from './tensor.ts';

/** A dimension as the model gives it: its size, or its name ("" when it has none). */
export type Dimension = number | string;

export interface TensorSpec extends TensorSignature {
  /** As `shape`, but with the names of the dimensions that may vary. */
  readonly dimensions: readonly Dimension[];
  /** Where its rows are counted; undefined for a tensor without such an axis. */
  readonly batchAxis: number | undefined;
}

/** Elements of one row where no dimension but the batch axis varies; undefined otherwise. */
export function sampleSize({ shape, batchAxis }: TensorSpec): number | undefined {
  const sample = batchAxis === undefined ? shape : shape.toSpliced(batchAxis, 1);
  return sample.includes(-1) ? undefined : elementCount(sample);
}

/** Throws RequestError unless the datatype is the input's. */
export function checkDatatype(datatype: string, spec: TensorSpec): void {
  if (datatype !== spec.datatype)
    throw new RequestError(`Input "${spec.name}": expected datatype ${spec.datatype}, found ${datatype}.`);
}

/** Throws RequestError unless the shape is one that the input takes. */
export function checkShape(shape: readonly number[], spec: TensorSpec): void {
  const isFit =
    shape.length === spec.shape.length &&
    shape.every((size, axis) => spec.shape[axis] === -1 || spec.shape[axis] === size);
  if (!isFit) {
    throw new RequestError(`Input "${spec.name}": expected shape ${shapeText(spec.shape)}, found ${shapeText(shape)}.`);
  }
  if (spec.batchAxis !== undefined && shape[spec.batchAxis] === 0)
    throw new RequestError(`Input "${spec.name}": expected at least one row, found shape ${shapeText(shape)}.`);
}

/**
 * The shape that a JSON value of this shape stands for: its own, or that of one sample that came without its batch axis, nested or as a flat
 * list of all its elements. Throws RequestError for a value that is neither.
 */
export function shapeForJson(
  found: readonly number[],
  spec: TensorSpec,
): { shape: readonly number[]; isBare: boolean } {
  const { shape, batchAxis } = spec;
  if (found.length === shape.length) {
    checkShape(found, spec);
    return { shape: found, isBare: false };
  }
  if (batchAxis !== undefined) {
    const withAxis = found.toSpliced(batchAxis, 0, 1);
    if (withAxis.length === shape.length) {
      checkShape(withAxis, spec);
      return { shape: withAxis, isBare: true };
    }
    if (found.length <= 1 && sampleSize(spec) === elementCount(found)) return { shape: oneRow(spec), isBare: true };
  }
  const orSample = batchAxis === undefined ? '' : ` or, for one sample, ${shapeText(shape.toSpliced(batchAxis, 1))}`;
  throw new RequestError(
    `Input "${spec.name}": expected shape ${shapeText(shape)}${orSample}, found ${shapeText(found)}.`,
  );
}

/** The shape of one row, for an input of which only the batch axis varies. */
export function oneRow({ shape, batchAxis }: TensorSpec): readonly number[] {
  return batchAxis === undefined ? shape : shape.with(batchAxis, 1);
}

/** An output as the answer to one sample that came without its batch axis. */
export function withoutBatchAxis(tensor: Tensor, axis: number | undefined): Tensor {
  return axis === undefined || tensor.shape[axis] !== 1 ? tensor : reshaped(tensor, tensor.shape.toSpliced(axis, 1));
}

/** Whether elements of the datatype are bigints. */
export function isBigInteger(datatype: TensorDatatype): boolean {
  return datatype === 'INT64' || datatype === 'UINT64';
}
