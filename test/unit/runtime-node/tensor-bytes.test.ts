import { expect, test } from 'vitest';
import { bytesOfTensor, countElements, tensorFromBytes } from '../../../src/runtime-node/tensor-bytes.ts';

const X = 'Input "x"';

test('raw bytes are little-endian elements, wherever they begin in memory', () => {
  const bytes = Buffer.alloc(9);
  bytes.writeFloatLE(1.5, 1);
  bytes.writeFloatLE(-2, 5);
  const tensor = tensorFromBytes(bytes.subarray(1), 'FP32', [2], X);
  expect(tensor.data).toEqual(Float32Array.of(1.5, -2));
  expect(Buffer.from(bytesOfTensor(tensor))).toEqual(bytes.subarray(1));
});

test('64-bit integers keep all their bits', () => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(-9007199254740993n);
  expect(tensorFromBytes(bytes, 'INT64', [1], X).data[0]).toBe(-9007199254740993n);
});

test('BYTES elements stand behind their lengths', () => {
  const tensor = { datatype: 'BYTES', shape: [3], data: ['', 'ü', 'ab'] } as const;
  const bytes = bytesOfTensor({ ...tensor, data: [...tensor.data] });
  expect([...bytes]).toEqual([0, 0, 0, 0, 2, 0, 0, 0, 0xc3, 0xbc, 2, 0, 0, 0, 0x61, 0x62]);
  expect(tensorFromBytes(bytes, 'BYTES', [3], X)).toEqual(tensor);
  expect(countElements(bytes, 'BYTES', X)).toBe(3);
});

test.each([
  [
    'a length that is not the shape’s',
    () => tensorFromBytes(Buffer.alloc(7), 'FP32', [2], X),
    'expected 8 bytes for FP32 [2], found 7',
  ],
  [
    'half an element',
    () => countElements(Buffer.alloc(7), 'INT16', X),
    'whole INT16 elements of 2 bytes, found 7 bytes',
  ],
  ['a BOOL that is 2', () => tensorFromBytes(Buffer.of(0, 2), 'BOOL', [2], X), 'bytes of 0 and 1 for BOOL, found 2'],
  [
    'a cut length',
    () => tensorFromBytes(Buffer.of(1, 0), 'BYTES', [1], X),
    'four length bytes of BYTES element 0, found 2',
  ],
  [
    'a length beyond the end',
    () => tensorFromBytes(Buffer.of(255, 255, 255, 255, 1), 'BYTES', [1], X),
    'claims 4294967295 bytes, but 1 are left',
  ],
  [
    'too few texts',
    () => tensorFromBytes(Buffer.of(0, 0, 0, 0), 'BYTES', [2], X),
    'expected 2 BYTES elements, found 1',
  ],
  [
    'bytes that are no text',
    () => tensorFromBytes(Buffer.of(1, 0, 0, 0, 0xff), 'BYTES', [1], X),
    'element 0 is not UTF-8',
  ],
])('%s is refused', (_, read, message) => {
  expect(read).toThrow(message);
  expect(read).toThrow(X);
});
