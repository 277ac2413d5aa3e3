import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TensorDatatype } from '../../../src/core/model-signature.ts';
import { parseJson } from '../../../src/runtime-node/json-text.ts';
import { OutputError, RequestError } from '../../../src/runtime-node/request-error.ts';
import { flatJsonOfTensor, jsonOfTensor, shapeOfJson, tensorFromJson } from '../../../src/runtime-node/tensor-json.ts';

const read = (text: string, datatype: TensorDatatype, shape?: readonly number[]) => {
  const value = parseJson(Buffer.from(text), 'The body', true);
  return tensorFromJson(value, datatype, shape ?? shapeOfJson(value), 'Input "x"');
};

describe('JSON with 64-bit integers', () => {
  test.each([
    ['9223372036854775807', 9223372036854775807n],
    ['-9223372036854775808', -9223372036854775808n],
    ['9007199254740993', 9007199254740993n],
    ['1', 1n],
  ])('keeps %s to its last digit', (text, expected) => {
    const tensor = read(`[${text}]`, 'INT64');
    expect(tensor.data[0]).toBe(expected);
    expect(jsonOfTensor(tensor, 'Output "y"')).toBe(`[${text}]`);
  });

  test('leaves long digits inside strings, fractions and exponents alone', () => {
    const text =
      '{"a 12345678901234567890": ["1234567890123456789", 0.1234567890123456789, 1e3, "\\"12345678901234567"]}';
    expect(parseJson(Buffer.from(text), 'The body', true)).toEqual(JSON.parse(text));
  });

  test('agrees with JSON.parse in everything but integers beyond 2^53', () => {
    const rounded = (value: unknown): unknown => {
      if (typeof value === 'bigint') return Number(value);
      if (Array.isArray(value)) return value.map(rounded);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, rounded(item)]));
    };
    fc.assert(
      fc.property(fc.json(), (rest) => {
        const text = `[12345678901234567890,${rest}]`;
        const value = parseJson(Buffer.from(text), 'The body', true);
        expect(Array.isArray(value) && value[0]).toBe(12345678901234567890n);
        expect(JSON.stringify(rounded(value))).toBe(JSON.stringify(JSON.parse(text)));
      }),
    );
  });

  test('says where a document is no JSON, and that NaN has to be sent in binary', () => {
    expect(() => parseJson(Buffer.from('[1, NaN]'), 'The body', false)).toThrow(/The body is not JSON: .*binary/);
    expect(() => parseJson(Buffer.from(' '), 'The body', false)).toThrow('The body is not JSON: it is empty.');
    expect(() => parseJson(Buffer.from([0x22, 0xff, 0x22]), 'The body', false)).toThrow('not UTF-8');
    const deep = `${'['.repeat(1e5)}12345678901234567890${']'.repeat(1e5)}`;
    expect(() => parseJson(Buffer.from(deep), 'The body', true)).toThrow('The body nests its lists too deep.');
  });
});

describe('a tensor of JSON', () => {
  test('comes from nested lists, a flat list or a scalar', () => {
    expect(read('[[1,2],[3,4]]', 'FP32')).toEqual({
      datatype: 'FP32',
      shape: [2, 2],
      data: Float32Array.of(1, 2, 3, 4),
    });
    expect(read('[1,2,3,4]', 'INT8', [2, 2]).data).toEqual(Int8Array.of(1, 2, 3, 4));
    expect(read('5', 'UINT16')).toEqual({ datatype: 'UINT16', shape: [], data: Uint16Array.of(5) });
    expect(read('[[],[]]', 'FP32').shape).toEqual([2, 0]);
    expect(read('[true,false,1,0]', 'BOOL').data).toEqual(Uint8Array.of(1, 0, 1, 0));
    expect(read('["a","ü"]', 'BYTES').data).toEqual(['a', 'ü']);
  });

  test.each<[string, TensorDatatype, string]>([
    ['[[1,2],[3]]', 'FP32', 'expected a list of 2 at depth 2, found one of 1'],
    ['[[1,2],3]', 'FP32', 'expected a list of 2 at depth 2, found 3'],
    ['[1,[2]]', 'FP32', 'expected a number at [1], found a list of 1'],
    ['[1,"2"]', 'FP32', 'expected a number at [1], found "2"'],
    ['[null]', 'FP64', 'expected a number at [0], found null'],
    ['[1e39]', 'FP32', 'expected a number in the range of FP32 at [0], found 1e+39'],
    ['[1e400]', 'FP64', 'expected a number in the range of FP64'],
    ['[65520]', 'FP16', 'expected a number in the range of FP16'],
    ['[1.5]', 'INT32', 'expected a whole number from -2147483648 to 2147483647 (INT32) at [0], found 1.5'],
    ['[256]', 'UINT8', 'from 0 to 255 (UINT8)'],
    ['[-1]', 'UINT32', 'from 0 to 4294967295 (UINT32)'],
    ['[9223372036854775808]', 'INT64', 'of 64 bits, written in digits at [0], found 9223372036854775808'],
    ['[1e18]', 'INT64', 'written in digits'],
    ['[-1]', 'UINT64', 'of 64 bits from 0 on'],
    ['["yes"]', 'BOOL', 'expected true or false at [0], found "yes"'],
    ['[5]', 'BYTES', 'expected a string at [0], found 5'],
  ])('refuses %s as %s, naming the input and the place', (text, datatype, message) => {
    expect(() => read(text, datatype)).toThrow(RequestError);
    expect(() => read(text, datatype)).toThrow(message);
    expect(() => read(text, datatype)).toThrow('Input "x"');
  });

  test('is refused when it has another number of elements than its shape', () => {
    expect(() => read('[1,2,3]', 'FP32', [2, 2])).toThrow('expected 4 elements for the shape [2, 2], found 3');
    expect(() => read('[[1,2,3,4]]', 'FP32', [2, 2])).toThrow('its lists have the shape [1, 4], expected [2, 2]');
  });

  test('is written back as it was read', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 3, maxLength: 3 }), {
          minLength: 1,
        }),
        (rows) => {
          const text = JSON.stringify(rows);
          const tensor = read(text, 'FP32');
          expect(JSON.parse(jsonOfTensor(tensor, 'y'))).toEqual(JSON.parse(text));
          expect(JSON.parse(flatJsonOfTensor(tensor, 'y'))).toEqual(JSON.parse(text).flat());
        },
      ),
    );
  });

  test('with NaN or infinity is no answer in JSON', () => {
    const tensor = { datatype: 'FP32', shape: [1, 2], data: Float32Array.of(1, Number.NaN) } as const;
    expect(() => jsonOfTensor(tensor, 'Output "y"')).toThrow(OutputError);
    expect(() => jsonOfTensor(tensor, 'Output "y"')).toThrow(/Output "y" holds NaN at \[0\]\[1\].*binary/);
  });

  test('of three dimensions, and of booleans and texts, nests as its shape says', () => {
    const data = Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    expect(jsonOfTensor({ datatype: 'FP64', shape: [2, 2, 2], data }, 'y')).toBe('[[[1,2],[3,4]],[[5,6],[7,8]]]');
    expect(jsonOfTensor({ datatype: 'BOOL', shape: [2, 1], data: Uint8Array.of(1, 0) }, 'y')).toBe('[[true],[false]]');
    expect(jsonOfTensor({ datatype: 'BYTES', shape: [1], data: ['"'] }, 'y')).toBe('["\\""]');
    expect(jsonOfTensor({ datatype: 'FP16', shape: [], data: Uint16Array.of(0x3c00) }, 'y')).toBe('1');
    expect(jsonOfTensor({ datatype: 'FP32', shape: [0, 2], data: new Float32Array(0) }, 'y')).toBe('[]');
  });
});
