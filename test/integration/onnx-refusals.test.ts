// Requests that do not fit an ONNX model, of as many kinds as there are: each gets its own 400, and the worker lives on.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NodeWorker, type WorkerRequest } from '../support/node-worker.ts';
import { encodeGreyPng } from '../support/png.ts';
import { identityNetwork } from '../support/tiny-onnx.ts';

const DIGITS = fileURLToPath(new URL('../../examples/digits/onnx-model/', import.meta.url));
const V2 = { open_inference: 'v2' };
const ZEROS = new Array<number>(64).fill(0);
const IMAGE = { name: 'image', shape: [1, 1, 8, 8], datatype: 'FP32', data: ZEROS };
const BAD_PNG = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.alloc(30)]);

let folder: string;
let single: NodeWorker;
let several: NodeWorker;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-onnx-'));
  const network = identityNetwork([
    { name: 'ids', type: 'INT64', shape: ['batch', 2] },
    { name: 'name', type: 'BYTES', shape: ['batch'] },
    { name: 'flag', type: 'BOOL', shape: ['batch', 1] },
  ]);
  await writeFile(join(folder, 'several.onnx'), network);
  single = new NodeWorker(DIGITS);
  several = new NodeWorker(folder);
  const image = { maxPixels: 1000 };
  expect(await single.load({ modelDir: DIGITS, modelFile: 'digits.onnx', modelConfig: { image } })).toMatchObject({
    type: 'ready',
  });
  expect(await several.load({ modelDir: folder })).toMatchObject({ type: 'ready' });
});

afterAll(async () => {
  expect(await single.stop()).toBe(0);
  expect(await several.stop()).toBe(0);
  await rm(folder, { recursive: true, force: true });
});

const v2 = (fields: object, tail: Uint8Array = new Uint8Array(0), length?: number): WorkerRequest => {
  const head = Buffer.from(JSON.stringify(fields));
  const binary = tail.length > 0 || length !== undefined;
  return {
    body: Buffer.concat([head, tail]),
    headers: binary ? { ...V2, 'Inference-Header-Content-Length': String(length ?? head.length) } : V2,
  };
};

const binaryImage = (size: number, more: object = {}) => ({
  inputs: [{ name: 'image', shape: [1, 1, 8, 8], datatype: 'FP32', parameters: { binary_data_size: size }, ...more }],
});

const SINGLE: readonly (readonly [kind: string, request: WorkerRequest, message: RegExp])[] = [
  ['no JSON', { body: '[1,' }, /^The body is not JSON: /],
  ['NaN in JSON', { body: '[NaN]' }, /NaN nor Infinity: send such tensors in binary/],
  ['an empty body', { body: '' }, /^The body is not JSON: it is empty/],
  ['no UTF-8', { body: Buffer.of(0x5b, 0xff) }, /not UTF-8/],
  ['an unknown name', { body: '{"picture":[1]}' }, /no input "picture"; its inputs are "image"/],
  ['no name at all', { body: '{}' }, /Input "image" is missing/],
  [
    'an object for a tensor',
    { body: '{"image":{"a":1}}' },
    /Input "image": expected lists of FP32 elements, found an object/,
  ],
  [
    'a text for a number',
    { body: JSON.stringify([...ZEROS.slice(1), 'x']) },
    /expected a number at \[0\]\[0\]\[7\]\[7\], found "x"/,
  ],
  ['null', { body: 'null' }, /Input "image": expected shape/],
  [
    'a wrong rank',
    { body: '[[1,2],[3,4]]' },
    /expected shape \[-1, 1, 8, 8\] or, for one sample, \[1, 8, 8\], found \[2, 2\]/,
  ],
  ['a wrong size', { body: '[[[[1,2]]]]' }, /expected shape \[-1, 1, 8, 8\], found \[1, 1, 1, 2\]/],
  ['a flat list too long', { body: JSON.stringify([...ZEROS, 1]) }, /found \[65\]/],
  ['ragged lists', { body: JSON.stringify([[[...new Array(7).fill(ZEROS.slice(0, 8)), [1]]]]) }, /found \[?.*one of 1/],
  ['no rows', { body: '[]' }, /found \[0\]/],
  ['a number beyond the type', { body: JSON.stringify([...ZEROS.slice(1), 1e39]) }, /in the range of FP32/],
  [
    'raw bytes of a wrong length',
    { body: Buffer.alloc(255), contentType: 'application/octet-stream' },
    /whole FP32 elements of 4 bytes, found 255/,
  ],
  [
    'raw bytes of half a sample',
    { body: Buffer.alloc(128), contentType: 'application/octet-stream' },
    /a multiple of 64 FP32 elements/,
  ],
  ['no raw bytes', { body: Buffer.alloc(0), contentType: 'application/octet-stream' }, /found 0/],
  ['a broken image', { body: BAD_PNG, contentType: 'image/png' }, /The image cannot be decoded/],
  ['an image of another kind', { body: 'GIF89a', contentType: 'image/gif' }, /none of PNG, JPEG and WebP/],
  [
    'JSON as a form',
    { inputs: [{ name: '[1,2]', contentType: '', bytes: Buffer.alloc(0) }] },
    /send the header Content-Type: application\/json/,
  ],
  ['v2: a form', { headers: V2, inputs: [] }, /takes one JSON body, not a form/],
  ['v2: no object', { body: '[1]', headers: V2 }, /expected a JSON object with "inputs"/],
  ['v2: no inputs', v2({}), /inputs: expected a list, found nothing/],
  ['v2: an input that is no object', v2({ inputs: [1] }), /inputs\[0\]: expected an object, found 1/],
  ['v2: an input without a name', v2({ inputs: [{}] }), /inputs\[0\].name: expected a string, found nothing/],
  ['v2: an unknown input', v2({ inputs: [{ ...IMAGE, name: 'x' }] }), /no input "x"/],
  ['v2: an input twice', v2({ inputs: [IMAGE, IMAGE] }), /Input "image" comes twice/],
  ['v2: a wrong datatype', v2({ inputs: [{ ...IMAGE, datatype: 'INT8' }] }), /expected datatype FP32, found INT8/],
  ['v2: no datatype', v2({ inputs: [{ ...IMAGE, datatype: undefined }] }), /expected datatype FP32, found nothing/],
  ['v2: a negative size', v2({ inputs: [{ ...IMAGE, shape: [-1, 1, 8, 8] }] }), /shape has -1, which is not a size/],
  [
    'v2: a huge shape',
    v2({ inputs: [{ ...IMAGE, shape: [2 ** 52, 2 ** 52, 8, 8] }] }),
    /more elements than can be counted/,
  ],
  ['v2: no shape', v2({ inputs: [{ ...IMAGE, shape: undefined }] }), /shape must be a list of sizes; found nothing/],
  [
    'v2: a wrong shape',
    v2({ inputs: [{ ...IMAGE, shape: [1, 8, 8] }] }),
    /expected shape \[-1, 1, 8, 8\], found \[1, 8, 8\]/,
  ],
  [
    'v2: too few elements',
    v2({ inputs: [{ ...IMAGE, data: [1] }] }),
    /expected 64 elements for the shape \[1, 1, 8, 8\], found 1/,
  ],
  [
    'v2: a shape that claims more rows',
    v2({ inputs: [{ ...IMAGE, shape: [1e9, 1, 8, 8] }] }),
    /expected 64000000000 elements/,
  ],
  ['v2: no data', v2({ inputs: [{ ...IMAGE, data: undefined }] }), /has neither data nor binary_data_size/],
  ['v2: an id that is no text', v2({ id: 5, inputs: [IMAGE] }), /id: expected a string, found 5/],
  [
    'v2: an unknown output',
    v2({ inputs: [IMAGE], outputs: [{ name: 'y' }] }),
    /no output "y"; its outputs are "scores"/,
  ],
  [
    'v2: an output twice',
    v2({ inputs: [IMAGE], outputs: [{ name: 'scores' }, { name: 'scores' }] }),
    /asked for twice/,
  ],
  [
    'v2: an output without a name',
    v2({ inputs: [IMAGE], outputs: [{}] }),
    /outputs\[0\]: expected an object with a name/,
  ],
  [
    'v2: a flag that is none',
    v2({ inputs: [IMAGE], parameters: { binary_data_output: 'yes' } }),
    /binary_data_output must be true or false/,
  ],
  [
    'v2: shared memory',
    v2({ inputs: [{ ...IMAGE, parameters: { shared_memory_region: 'r' } }] }),
    /shared memory is not offered/,
  ],
  [
    'v2: classification',
    v2({ inputs: [IMAGE], outputs: [{ name: 'scores', parameters: { classification: 3 } }] }),
    /classification extension is not offered/,
  ],
  [
    'v2: binary of a wrong length',
    v2(binaryImage(252), Buffer.alloc(252)),
    /expected 256 bytes for FP32 \[1, 1, 8, 8\], found 252/,
  ],
  [
    'v2: binary that is missing',
    v2(binaryImage(256), Buffer.alloc(100)),
    /binary_data_size is 256, but 100 bytes are left/,
  ],
  [
    'v2: binary that is left over',
    v2(binaryImage(256), Buffer.alloc(300)),
    /name 256 bytes of binary data .* but 300 came/,
  ],
  ['v2: a size that is none', v2(binaryImage(-1), Buffer.alloc(1)), /must be a number of bytes; found -1/],
  ['v2: data twice', v2(binaryImage(256, { data: ZEROS }), Buffer.alloc(256)), /both data and binary_data_size/],
  [
    'v2: a header longer than the body',
    v2({ inputs: [IMAGE] }, new Uint8Array(0), 1e6),
    /expected the length of the JSON, at most \d+, found 1000000/,
  ],
  [
    'v2: a header that is no number',
    { body: '{}', headers: { ...V2, 'inference-header-content-length': '1e3' } },
    /found 1e3/,
  ],
  [
    'v2: raw bytes of a wrong length',
    { body: Buffer.alloc(100), headers: { ...V2, 'inference-header-content-length': '0' } },
    /25 elements do not make a tensor of shape/,
  ],
];

test.each(SINGLE)('a request with %s is refused', async (_, request, message) => {
  const answer = await single.ask(request);
  expect(answer).toMatchObject({ code: 'HANDLER_ERROR', status: 400 });
  expect(answer.message).toMatch(message);
});

const part = (name: string, contentType: string) => ({ name, contentType, bytes: BAD_PNG });

const GOOD = { ids: [[1, 2]], name: ['a'], flag: [[true]] };

const SEVERAL: readonly (readonly [kind: string, request: WorkerRequest, message: RegExp])[] = [
  [
    'a list instead of names',
    { body: '[1]' },
    /has the inputs "ids", "name", "flag": expected a JSON object that names them/,
  ],
  [
    'an input missing',
    { body: JSON.stringify({ ids: [[1, 2]], name: ['a'] }) },
    /Input "flag" is missing; the request has "ids", "name"/,
  ],
  [
    'rows that disagree',
    { body: JSON.stringify({ ...GOOD, name: ['a', 'b'] }) },
    /"name": expected 1 rows, as many as input "ids" has, found 2/,
  ],
  [
    'a fraction for an integer',
    { body: JSON.stringify({ ...GOOD, ids: [[1, 2.5]] }) },
    /"ids": expected a whole number of 64 bits/,
  ],
  [
    'an integer of 65 bits',
    { body: '{"ids":[[1,18446744073709551616]],"name":["a"],"flag":[[true]]}' },
    /found 18446744073709551616/,
  ],
  [
    'a number for a text',
    { body: JSON.stringify({ ...GOOD, name: [5] }) },
    /"name": expected a string at \[0\], found 5/,
  ],
  [
    'a text for a truth value',
    { body: JSON.stringify({ ...GOOD, flag: [['no']] }) },
    /"flag": expected true or false at \[0\]\[0\], found "no"/,
  ],
  [
    'a text with a zero in it',
    { body: JSON.stringify({ ...GOOD, name: ['a\u0000b'] }) },
    /"name": element 0 holds the character U\+0000/,
  ],
  ['a raw body', { body: Buffer.alloc(16), contentType: 'application/octet-stream' }, /A raw body is one tensor/],
  ['an image', { body: BAD_PNG, contentType: 'image/png' }, /none of the model's inputs .* has the shape of a picture/],
  ['an image in a form', { inputs: [part('ids', 'application/octet-stream')] }, /A PNG picture came, but none of/],
  ['an image for a text', { inputs: [part('name', 'application/octet-stream')] }, /A PNG picture came, but none of/],
  [
    'an image as an urlencoded form',
    { inputs: [{ name: '\ufffdPNG\r\n', contentType: '', bytes: Buffer.alloc(0) }] },
    /came as a form .* but is binary: send its own Content-Type, or with curl -T FILE/,
  ],
  [
    'a form with an unknown field',
    { inputs: [{ name: 'idx', contentType: '', bytes: Buffer.from('1') }] },
    /no input "idx"/,
  ],
  [
    'a form with a bad field',
    { inputs: [{ name: 'ids', contentType: 'application/json', bytes: Buffer.from('{') }] },
    /Input "ids" is not JSON/,
  ],
];

test.each(SEVERAL)('a request to a model of several inputs with %s is refused', async (_, request, message) => {
  const answer = await several.ask(request);
  expect(answer).toMatchObject({ code: 'HANDLER_ERROR', status: 400 });
  expect(answer.message).toMatch(message);
});

test('a body of another type is refused with 415, and a picture beyond the limit with 413', async () => {
  expect(await single.ask({ body: 'x', contentType: 'application/pdf' })).toMatchObject({ status: 415 });
  const body = encodeGreyPng(40, 40, new Uint8Array(1600));
  expect(await single.ask({ body, contentType: 'image/png' })).toMatchObject({ code: 'HANDLER_ERROR', status: 413 });
});

test('a picture for a network without an image section is told which section to write; bytes of any meaning may be one', async () => {
  const modelDir = await mkdtemp(join(folder, 'pictures-'));
  const png = encodeGreyPng(8, 8, new Uint8Array(64));
  const asTyped = { body: png, contentType: '' };
  const refusal = async (type: 'FP32' | 'UINT8', shape: readonly (number | string)[]): Promise<string | number> => {
    await writeFile(join(modelDir, 'network.onnx'), identityNetwork([{ name: 'x', type, shape }]));
    const worker = new NodeWorker(modelDir);
    expect(await worker.load({ modelDir })).toMatchObject({ type: 'ready' });
    const { status, message } = await worker.ask(asTyped);
    expect(await worker.stop()).toBe(0);
    return status === 200 ? status : `${status}: ${message}`;
  };
  const advised = /^400: A PNG picture came, but no image section .* input "x" .*"image: \{ width: 8, height: 8 \}"/;
  expect(await refusal('FP32', ['batch', 1, 8, 8])).toMatch(advised);
  expect(await refusal('UINT8', ['batch', 1, 8, 8])).toMatch(advised);
  expect(await refusal('UINT8', ['size'])).toBe(200);
});

test('null stands for what a request of the Open Inference Protocol leaves out', async () => {
  const input = { ...IMAGE, parameters: null };
  const given = v2({ id: null, parameters: null, inputs: [input], outputs: null });
  expect(await single.ask(given)).toMatchObject({ status: 200 });
  const binary = binaryImage(256, { data: null });
  expect(await single.ask(v2(binary, Buffer.alloc(256)))).toMatchObject({ status: 200 });
  const text = v2({ inputs: [{ ...IMAGE, parameters: { binary_data_size: null } }] });
  expect(await single.ask(text)).toMatchObject({ status: 200 });
});

test('a batch of refusals around a good request leaves the good one its answer', async () => {
  const good = { body: JSON.stringify(ZEROS) };
  const [alone] = await single.batch([good]);
  const answers = await single.batch([{ body: '[' }, good, { body: '{"x":1}' }, good]);
  expect(answers.map(({ status }) => status)).toEqual([400, 200, 400, 200]);
  expect(answers[1]?.bytes).toEqual(alone?.bytes);
  expect(answers[3]?.bytes).toEqual(alone?.bytes);
});
