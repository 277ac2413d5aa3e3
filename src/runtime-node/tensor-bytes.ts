// Tensors ↔ raw bytes: little-endian elements in row-major order; each element of BYTES behind its length of four bytes. ONNX Runtime has
// builds for little-endian machines only, so a typed array's own bytes are the right ones.
import { isUtf8 } from 'node:buffer';
import type { TensorDatatype } from '../core/model-signature.ts';
import { RequestError } from './request-error.ts';
import { arrayTypeOf, elementCount, shapeText, type Tensor, type TensorData } from './tensor.ts';

/** The tensor that these bytes are. Shares their memory where alignment allows. Throws RequestError, beginning with `where`. */
export function tensorFromBytes(
  bytes: Uint8Array,
  datatype: TensorDatatype,
  shape: readonly number[],
  where: string,
): Tensor {
  const count = elementCount(shape);
  if (datatype === 'BYTES') return { datatype, shape, data: textsFromBytes(bytes, count, where) };
  const data = dataFromBytes(bytes, datatype);
  if (data === undefined || data.length !== count) {
    const expected = count * (arrayTypeOf(datatype)?.BYTES_PER_ELEMENT ?? 1);
    throw new RequestError(
      `${where}: expected ${expected} bytes for ${datatype} ${shapeText(shape)}, found ${bytes.length}.`,
    );
  }
  if (datatype === 'BOOL') {
    const wrong = (data as Uint8Array).find((byte) => byte > 1);
    if (wrong !== undefined) throw new RequestError(`${where}: expected bytes of 0 and 1 for BOOL, found ${wrong}.`);
  }
  return { datatype, shape, data };
}

/** How many elements these bytes hold: by their length, for BYTES by walking over them. Throws RequestError, beginning with `where`. */
export function countElements(bytes: Uint8Array, datatype: TensorDatatype, where: string): number {
  const size = arrayTypeOf(datatype)?.BYTES_PER_ELEMENT;
  if (size === undefined) return textsFromBytes(bytes, undefined, where).length;
  if (bytes.length % size === 0) return bytes.length / size;
  throw new RequestError(
    `${where}: expected whole ${datatype} elements of ${size} bytes, found ${bytes.length} bytes.`,
  );
}

/** The tensor's raw bytes; shares its memory where it can. */
export function bytesOfTensor({ data }: Tensor): Uint8Array {
  if (!Array.isArray(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const texts = data.map((text) => Buffer.from(text));
  return Buffer.concat(texts.flatMap((text) => [lengthBytes(text.length), text]));
}

function dataFromBytes(bytes: Uint8Array, datatype: TensorDatatype): TensorData | undefined {
  const ArrayType = arrayTypeOf(datatype);
  if (ArrayType === undefined || bytes.length % ArrayType.BYTES_PER_ELEMENT !== 0) return undefined;
  const isAligned = bytes.byteOffset % ArrayType.BYTES_PER_ELEMENT === 0;
  // Uint8Array.from, not slice: a Buffer's slice would share the unaligned memory.
  const own = isAligned ? bytes : Uint8Array.from(bytes);
  return new ArrayType(own.buffer as ArrayBuffer, own.byteOffset, own.length / ArrayType.BYTES_PER_ELEMENT);
}

function textsFromBytes(bytes: Uint8Array, count: number | undefined, where: string): string[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const texts: string[] = [];
  let at = 0;
  while (at < buffer.length) {
    if (at + 4 > buffer.length) {
      throw new RequestError(
        `${where}: expected the four length bytes of BYTES element ${texts.length}, found ${buffer.length - at} bytes.`,
      );
    }
    const length = buffer.readUInt32LE(at);
    if (length > buffer.length - at - 4) {
      throw new RequestError(
        `${where}: BYTES element ${texts.length} claims ${length} bytes, but ${buffer.length - at - 4} are left.`,
      );
    }
    const content = buffer.subarray(at + 4, at + 4 + length);
    if (!isUtf8(content)) {
      throw new RequestError(
        `${where}: BYTES element ${texts.length} is not UTF-8 text, which ONNX strings have to be.`,
      );
    }
    texts.push(content.toString('utf8'));
    at += 4 + length;
  }
  if (count !== undefined && texts.length !== count)
    throw new RequestError(`${where}: expected ${count} BYTES elements, found ${texts.length}.`);
  return texts;
}

function lengthBytes(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(length, 0);
  return bytes;
}
