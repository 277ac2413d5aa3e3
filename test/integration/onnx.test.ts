// ONNX models with no code of their author's: real networks answer with the numbers of the bare runtime, in every form of request, alone and
// in batches.
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { LoadMessage } from '../../src/protocol/messages.ts';
import { type Pixels, type ResampleFilter, resample } from '../../src/runtime-node/resample.ts';
import { NodeWorker, type WorkerAnswer, type WorkerRequest } from '../support/node-worker.ts';
import { divisionNetwork, type ElementType, identityNetwork, type Passage } from '../support/tiny-onnx.ts';
import { torchPython } from '../support/torch.ts';

const DIGITS = fileURLToPath(new URL('../../examples/digits/onnx-model/', import.meta.url));
const NETWORKS = fileURLToPath(new URL('../support/onnx_networks.py', import.meta.url));
const V2 = { open_inference: 'v2' };

const python = torchPython();
let folder: string;
const workers: NodeWorker[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-onnx-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

afterEach(async () => {
  for (const worker of workers.splice(0)) expect(await worker.stop(), worker.output).toBe(0);
});

/** A loaded worker. */
async function serve(modelDir: string, load: Partial<LoadMessage> = {}): Promise<NodeWorker> {
  const worker = new NodeWorker(modelDir);
  workers.push(worker);
  expect(await worker.load({ modelDir, ...load })).toMatchObject({ type: 'ready' });
  return worker;
}

/** A loaded worker for a network that the test wrote. */
async function serveBytes(network: Buffer, load: Partial<LoadMessage> = {}): Promise<NodeWorker> {
  const modelDir = await mkdtemp(join(folder, 'model-'));
  await writeFile(join(modelDir, 'network.onnx'), network);
  return serve(modelDir, load);
}

interface V2Answer {
  readonly id?: string;
  readonly outputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: number[];
    readonly data?: unknown[];
    readonly parameters?: { readonly binary_data_size: number };
  }[];
}

/** A binary request of the Open Inference Protocol. */
function binaryRequest(
  inputs: readonly { name: string; datatype: string; shape: number[]; bytes: Uint8Array }[],
  more: object = { parameters: { binary_data_output: true } },
): WorkerRequest {
  const head = Buffer.from(
    JSON.stringify({
      inputs: inputs.map(({ bytes, ...input }) => ({ ...input, parameters: { binary_data_size: bytes.length } })),
      ...more,
    }),
  );
  return {
    body: Buffer.concat([head, ...inputs.map(({ bytes }) => bytes)]),
    headers: { ...V2, 'Inference-Header-Content-Length': String(head.length) },
  };
}

/** The outputs of a binary answer by name. */
function binaryOutputs(answer: WorkerAnswer): Map<string, { shape: number[]; bytes: Buffer }> {
  const headLength = Number(answer.headers['inference-header-content-length']);
  const head = JSON.parse(answer.bytes.subarray(0, headLength).toString()) as V2Answer;
  let at = headLength;
  return new Map(
    head.outputs.map(({ name, shape, parameters }) => {
      const bytes = answer.bytes.subarray(at, at + (parameters?.binary_data_size ?? 0));
      at += bytes.length;
      return [name, { shape, bytes: Buffer.from(bytes) }];
    }),
  );
}

const floats = (bytes: Uint8Array): Float32Array => new Float32Array(Uint8Array.from(bytes).buffer);
const bytesOf = (data: Float32Array | BigInt64Array): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** Numbers between -1 and 1 that are the same in every run. */
function numbers(count: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (state * 48271) % 2147483647;
    return (state / 2147483647) * 2 - 1;
  });
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): void {
  expect(actual.length).toBe(expected.length);
  let largest = 0;
  for (let index = 0; index < actual.length; index += 1) {
    largest = Math.max(largest, Math.abs((actual[index] ?? Number.NaN) - (expected[index] ?? Number.NaN)));
  }
  expect(largest).toBeLessThan(tolerance);
}

describe.skipIf(python === undefined)('networks of torch', () => {
  beforeAll(async () => {
    if (python !== undefined) await promisify(execFile)(python, [NETWORKS, folder]);
  }, 120_000);

  /** Serves a network of its own folder, and opens the same file in the bare runtime. */
  async function open(name: string, load: Partial<LoadMessage> = {}) {
    const modelDir = await mkdtemp(join(folder, `${name}-`));
    await copyFile(join(folder, `${name}.onnx`), join(modelDir, `${name}.onnx`));
    const bare = await InferenceSession.create(join(modelDir, `${name}.onnx`), { intraOpNumThreads: 1 });
    return { worker: await serve(modelDir, load), bare };
  }

  test.each([
    ['mlp', [784]],
    ['resnet18', [3, 224, 224]],
    ['squeezenet', [3, 224, 224]],
  ])('%s: binary, raw and JSON, alone and in a batch, have the numbers of the bare runtime', async (name, sample) => {
    const { worker, bare } = await open(name, { batchSize: 4 });
    const size = sample.reduce((product, length) => product * length, 1);
    const input = bare.inputNames[0] ?? '';
    const output = bare.outputNames[0] ?? '';
    const samples = [1, 2, 3].map((seed) => numbers(size, seed));
    const expected = await Promise.all(
      samples.map(
        async (data) => (await bare.run({ [input]: new Tensor('float32', data, [1, ...sample]) }))[output]?.data,
      ),
    );
    const requests = samples.flatMap((data): WorkerRequest[] => [
      binaryRequest([{ name: input, datatype: 'FP32', shape: [1, ...sample], bytes: bytesOf(data) }]),
      { body: bytesOf(data), contentType: 'application/octet-stream', headers: { accept: 'application/octet-stream' } },
      { body: JSON.stringify([...data]) },
    ]);
    const check = (answers: readonly WorkerAnswer[]) => {
      for (const [index, answer] of answers.entries()) {
        const numbersOfAnswer =
          index % 3 === 0
            ? floats(binaryOutputs(answer).get(output)?.bytes ?? Buffer.alloc(0))
            : index % 3 === 1
              ? floats(answer.bytes)
              : (answer.json() as number[]);
        expectClose(numbersOfAnswer, expected[Math.floor(index / 3)] as Float32Array, 1e-4);
      }
    };
    check(await worker.batch(requests));
    const alone: WorkerAnswer[] = [];
    for (const request of requests) alone.push(await worker.ask(request));
    check(alone);
  });

  test('an LSTM of two inputs and three outputs is joined along the axis that each tensor has its batch on', async () => {
    const { worker, bare } = await open('lstm');
    const request = (rows: number, steps: number, seed: number) => {
      const data = { steps: numbers(rows * steps * 8, seed), hidden: numbers(rows * 16, seed + 1) };
      const shapes = { steps: [rows, steps, 8], hidden: [1, rows, 16] };
      return { data, shapes };
    };
    const asked = [request(1, 5, 1), request(2, 5, 3), request(1, 3, 5), request(3, 5, 7)];
    const answers = await worker.batch(
      asked.map(({ data, shapes }) =>
        binaryRequest([
          { name: 'hidden', datatype: 'FP32', shape: shapes.hidden, bytes: bytesOf(data.hidden) },
          { name: 'steps', datatype: 'FP32', shape: shapes.steps, bytes: bytesOf(data.steps) },
        ]),
      ),
    );
    for (const [index, { data, shapes }] of asked.entries()) {
      const expected = await bare.run({
        steps: new Tensor('float32', data.steps, shapes.steps),
        hidden: new Tensor('float32', data.hidden, shapes.hidden),
      });
      const outputs = binaryOutputs(answers[index] as WorkerAnswer);
      for (const name of ['sequence', 'last_hidden', 'last_cell']) {
        expect(outputs.get(name)?.shape).toEqual(expected[name]?.dims);
        expectClose(floats(outputs.get(name)?.bytes ?? Buffer.alloc(0)), expected[name]?.data as Float32Array);
      }
    }
  });

  test('an LSTM answers a single sample without batch axes as it was asked', async () => {
    const { worker } = await open('lstm');
    const steps = [[0, 1, 2, 3, 4, 5, 6, 7]];
    const hidden = [new Array(16).fill(0.25)];
    const bare = (await worker.ask({ body: JSON.stringify({ steps, hidden }) })).json() as Record<string, number[][]>;
    const whole = await worker.ask({ body: JSON.stringify({ steps: [steps], hidden: [hidden] }) });
    const batched = whole.json() as Record<string, number[][][]>;
    expect(bare['sequence']).toEqual(batched['sequence']?.[0]);
    expect(bare['last_cell']?.[0]).toEqual(batched['last_cell']?.[0]?.[0]);
  });

  test('an embedding of INT64 words answers several outputs by name, and a bad word fails alone', async () => {
    const { worker, bare } = await open('embedding');
    const ids = [
      [1, 2, 3],
      [4, 5, 99],
      [7, 8, 100],
    ];
    const answers = await worker.batch(ids.map((row) => ({ body: JSON.stringify({ ids: [row] }) })));
    for (const [index, row] of ids.slice(0, 2).entries()) {
      const expected = await bare.run({ ids: new Tensor('int64', row.map(BigInt), [1, 3]) });
      const { mean, twice } = (answers[index] as WorkerAnswer).json() as { mean: number[][]; twice: number[][] };
      expectClose(mean[0] ?? [], expected['mean']?.data as Float32Array);
      expect(twice).toEqual([row.map((id) => id * 2)]);
    }
    expect(answers[2]).toMatchObject({ code: 'PREDICTION_FAILED' });
    expect(answers[2]?.message).toContain('out of data bounds');
  });

  test('pictures become the tensors that torchvision makes of them', async () => {
    const expected = JSON.parse(await readFile(join(folder, 'expected.json'), 'utf8')) as Record<string, number[]>;
    const network = identityNetwork([{ name: 'image', type: 'FP32', shape: ['batch', 3, 224, 224] }]);
    const normalized = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
    const classic = { resize: { shorterSide: 256 }, crop: 'center', width: 224, height: 224, ...normalized };
    for (const [name, image] of Object.entries({ classic, exact: {} })) {
      const worker = await serveBytes(network, { modelConfig: { image } });
      for (const kind of ['png', 'jpg', 'webp']) {
        const body = await readFile(join(folder, `picture.${kind}`));
        const answer = await worker.ask({ body, contentType: '', headers: { accept: 'application/octet-stream' } });
        // Two levels of 255, and the standard deviation that they were divided by.
        const tolerance = name === 'classic' ? 2 / 255 / 0.224 : 2 / 255;
        expectClose(floats(answer.bytes), expected[`${name}.${kind}`] ?? [], tolerance);
      }
    }
  });

  test('every filter resizes by the numbers of Pillow', async () => {
    const expected = JSON.parse(await readFile(join(folder, 'expected.json'), 'utf8')) as Record<string, number[]>;
    const pixels: Pixels = { width: 340, height: 253, channels: 1, data: Uint8Array.from(expected['grey'] ?? []) };
    for (const filter of ['nearest', 'box', 'bilinear', 'bicubic', 'lanczos'] satisfies ResampleFilter[]) {
      for (const [width, height] of [
        [60, 41],
        [500, 300],
      ] as const) {
        const { data } = resample(pixels, width, height, filter);
        expectClose(data, expected[`${filter}.${width}`] ?? [], filter === 'nearest' ? 0.5 : 1.5);
      }
    }
  });
});

describe('every element type', () => {
  const JSON_VALUES: Readonly<Record<Exclude<ElementType, 'BF16'>, string>> = {
    FP32: '[0.5,-1.25]',
    FP64: '[0.1,1e+300]',
    FP16: '[0.5,65504]',
    UINT8: '[0,255]',
    INT8: '[-128,127]',
    UINT16: '[0,65535]',
    INT16: '[-32768,32767]',
    INT32: '[-2147483648,2147483647]',
    UINT32: '[0,4294967295]',
    INT64: '[-9223372036854775808,9007199254740993]',
    UINT64: '[0,18446744073709551615]',
    BOOL: '[true,false]',
    BYTES: '["","grüße 🙂 \\u0001"]',
  };
  const types = Object.keys(JSON_VALUES) as (keyof typeof JSON_VALUES)[];
  const passages: Passage[] = types.map((type) => ({ name: type, type, shape: ['batch', 2] }));

  test('comes back from JSON and from binary as it went in, in batches too', async () => {
    const worker = await serveBytes(identityNetwork(passages));
    const rows = types.map((type) => `"${type}":[${JSON_VALUES[type]}]`);
    const plain = { body: `{${rows.join(',')}}` };
    const bare = { body: `{${types.map((type) => `"${type}":${JSON_VALUES[type]}`).join(',')}}` };
    const [first, second, sample] = await worker.batch([plain, plain, bare]);
    const outRows = types.map((type) => `"${type}_out":[${JSON_VALUES[type]}]`).join(',');
    expect(first?.bytes.toString()).toBe(`{${outRows.replace('\\u0001', '\\u0001')}}`);
    expect(second?.bytes).toEqual(first?.bytes);
    expect(sample?.bytes.toString()).toBe(`{${types.map((type) => `"${type}_out":${JSON_VALUES[type]}`).join(',')}}`);

    const asV2 = types.map(
      (type) => `{"name":"${type}","datatype":"${type}","shape":[1,2],"data":${JSON_VALUES[type]}}`,
    );
    const v2 = await worker.ask({
      body: `{"id":"a \\"b","inputs":[${asV2.join(',')}],"parameters":{"binary_data_output":true}}`,
      headers: V2,
    });
    expect(v2.headers['content-type']).toBe('application/octet-stream');
    const binary = binaryOutputs(v2);
    const back = await worker.ask(
      binaryRequest(
        types.map((type) => ({
          name: type,
          datatype: type,
          shape: [1, 2],
          bytes: binary.get(`${type}_out`)?.bytes ?? Buffer.alloc(0),
        })),
        { id: 'b', outputs: types.map((type) => ({ name: `${type}_out` })) },
      ),
    );
    const text = back.bytes.toString();
    for (const type of types) {
      expect(text).toContain(`{"name":"${type}_out","datatype":"${type}","shape":[1,2],"data":${JSON_VALUES[type]}}`);
    }
    expect((back.json() as V2Answer).id).toBe('b');
  });

  test('a classification of one number for each row is refused while loading', async () => {
    const modelDir = await mkdtemp(join(folder, 'flat-'));
    await writeFile(join(modelDir, 'network.onnx'), identityNetwork([{ name: 'x', type: 'FP32', shape: ['batch'] }]));
    const worker = new NodeWorker(modelDir);
    const answer = await worker.load({ modelDir, modelConfig: { classification: {} } });
    expect(answer).toMatchObject({ type: 'error', code: 'HANDLER_INITIALIZE_FAILED' });
    expect(answer['message']).toMatch(/classification\.output is .*one number for each row/);
    await worker.exited;
  });

  test('BF16 is refused while loading, saying what to do', async () => {
    const modelDir = await mkdtemp(join(folder, 'bf16-'));
    await writeFile(join(modelDir, 'network.onnx'), identityNetwork([{ name: 'x', type: 'BF16', shape: [1] }]));
    const worker = new NodeWorker(modelDir);
    const answer = await worker.load({ modelDir });
    expect(answer).toMatchObject({ type: 'error', code: 'HANDLER_INITIALIZE_FAILED' });
    expect(answer['message']).toMatch(/BF16 input or output.*export it with FP16 or FP32/);
    await worker.exited;
  });
});

describe('strings', () => {
  test('come as a plain text, a JSON list, and by form', async () => {
    const worker = await serveBytes(identityNetwork([{ name: 'text', type: 'BYTES', shape: ['batch'] }]));
    expect((await worker.ask({ body: 'hello', contentType: 'text/plain' })).json()).toBe('hello');
    expect((await worker.ask({ body: '["a","b"]' })).json()).toEqual(['a', 'b']);
    const field = { name: 'text', contentType: '', bytes: Buffer.from('hello') };
    expect((await worker.ask({ inputs: [field] })).json()).toBe('hello');
  });
});

describe('answers', () => {
  test('only the outputs that were asked for are given, binary where wanted', async () => {
    const passages: Passage[] = ['a', 'b', 'c'].map((name) => ({ name, type: 'FP32', shape: ['batch'] }));
    const worker = await serveBytes(identityNetwork(passages));
    const inputs = ['a', 'b', 'c'].map((name, data) => ({ name, datatype: 'FP32', shape: [1], data: [data] }));
    const body = JSON.stringify({
      inputs,
      outputs: [{ name: 'c_out', parameters: { binary_data: true } }, { name: 'a_out' }],
    });
    const [partial, whole] = await worker.batch([{ body, headers: V2 }, { body: JSON.stringify({ inputs }) }]);
    expect([...binaryOutputs(partial as WorkerAnswer)].map(([name, { bytes }]) => [name, bytes.length])).toEqual([
      ['c_out', 4],
      ['a_out', 0],
    ]);
    expect(((whole as WorkerAnswer).json() as V2Answer).outputs.map(({ name, data }) => [name, data])).toEqual([
      ['a_out', [0]],
      ['b_out', [1]],
      ['c_out', [2]],
    ]);
  });

  test('NaN fails in JSON, saying so, and is given in binary', async () => {
    const worker = await serveBytes(divisionNetwork());
    const failed = await worker.ask({ body: '[[1,0]]' });
    expect(failed).toMatchObject({ code: 'OUTPUT_NOT_SERIALISABLE' });
    expect(failed.message).toMatch(/Output "y" holds NaN at \[0\]\[1\]/);
    const raw = await worker.ask({ body: '[[1,0]]', headers: { Accept: 'application/octet-stream' } });
    expect([...floats(raw.bytes)]).toEqual([1, Number.NaN]);
  });

  test('an answer beyond the limit fails its own request', async () => {
    const worker = await serveBytes(divisionNetwork(), { maxResponseBytes: 20 });
    const rows = (count: number) => ({ body: JSON.stringify(new Array(count).fill([1, 1])) });
    expect(await worker.batch([rows(1), rows(10)])).toMatchObject([
      { code: undefined },
      { code: 'RESPONSE_TOO_LARGE' },
    ]);
  });

  test('a request of more rows than the batch size is computed whole', async () => {
    const worker = await serveBytes(divisionNetwork(), { batchSize: 2 });
    const body = JSON.stringify(new Array(5).fill([1, 2]));
    expect((await worker.ask({ body })).json()).toEqual(new Array(5).fill([1, 1]));
  });

  test('labels come most probable first, for one sample and for several', async () => {
    const modelDir = await mkdtemp(join(folder, 'labels-'));
    await writeFile(
      join(modelDir, 'network.onnx'),
      identityNetwork([{ name: 'scores', type: 'FP32', shape: ['batch', 4] }]),
    );
    await writeFile(join(modelDir, 'index_to_name.json'), JSON.stringify({ 0: ['n01', 'crane'], 1: '7', 2: 'crane' }));
    const worker = await serve(modelDir, { modelConfig: { classification: { topK: 3, softmax: false } } });
    expect((await worker.ask({ body: '[0.25,0.125,0.5,0.0625]' })).bytes.toString()).toBe(
      '{"crane":0.5,"crane (0)":0.25,"7":0.125}',
    );
    expect((await worker.ask({ body: '[[0,0,0,1],[0,1,0,0]]' })).json()).toMatchObject([{ 3: 1 }, { 7: 1 }]);
    const softmaxed = await serve(modelDir, { modelConfig: { classification: {} } });
    const answer = (await softmaxed.ask({ body: '[1000,1000,0,0]' })).json() as Record<string, number>;
    expect(answer['crane']).toBe(0.5);
    const v2 = { inputs: [{ name: 'scores', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] }] };
    const raw = await softmaxed.ask({ body: JSON.stringify(v2), headers: V2 });
    expect((raw.json() as V2Answer).outputs[0]?.data).toEqual([1, 2, 3, 4]);
  });

  test('the description of a model is its signature', async () => {
    const worker = await serve(DIGITS, { modelFile: 'digits.onnx' });
    expect((await worker.ask({ kind: 'describe' })).json()).toEqual({
      platform: 'onnxruntime_onnx',
      inputs: [{ name: 'image', datatype: 'FP32', shape: [-1, 1, 8, 8] }],
      outputs: [{ name: 'scores', datatype: 'FP32', shape: [-1, 10] }],
    });
    expect(await worker.ask({ kind: 'explain' })).toMatchObject({ status: 501 });
  });
});

describe('loading', () => {
  const digits: Partial<LoadMessage> = { modelDir: DIGITS, modelFile: 'digits.onnx' };

  test.each<[string, Partial<LoadMessage>, string, RegExp]>([
    [
      'an unknown setting',
      { modelConfig: { onnx: { threads: 2 } } },
      'HANDLER_INITIALIZE_FAILED',
      /onnx\.threads is not a setting/,
    ],
    [
      'a wrong provider',
      { modelConfig: { onnx: { executionProviders: ['tpu'] } } },
      'HANDLER_INITIALIZE_FAILED',
      /executionProviders must be a list of cpu, cuda/,
    ],
    [
      'a provider that is not there',
      { modelConfig: { onnx: { executionProviders: ['cuda'] } } },
      'HANDLER_INITIALIZE_FAILED',
      /\[cpu\] needs no GPU/,
    ],
    [
      'an unknown image setting',
      { modelConfig: { image: { size: 8 } } },
      'HANDLER_INITIALIZE_FAILED',
      /image\.size is not a setting/,
    ],
    [
      'an image of a wrong size',
      { modelConfig: { image: { width: 9 } } },
      'HANDLER_INITIALIZE_FAILED',
      /image\.width is 9, but input image takes 8/,
    ],
    [
      'colours that the input does not have',
      { modelConfig: { image: { color: 'RGB' } } },
      'HANDLER_INITIALIZE_FAILED',
      /color is RGB, of 3 channels, but image takes 1/,
    ],
    [
      'a classification of no output',
      { modelConfig: { classification: { output: 'y' } } },
      'HANDLER_INITIALIZE_FAILED',
      /classification\.output is y, which the model does not have/,
    ],
    [
      'a missing file',
      { modelFile: 'absent.onnx' },
      'MODEL_FILE_NOT_FOUND',
      /absent\.onnx, which is not in the archive.*digits\.onnx/,
    ],
    ['a file outside the archive', { modelFile: '../../package.json' }, 'MODEL_FILE_NOT_FOUND', /not in the archive/],
    [
      'a file that is no network',
      { modelFile: 'model-config.yaml' },
      'HANDLER_INITIALIZE_FAILED',
      /ONNX Runtime cannot load the model: .*Protobuf/,
    ],
  ])('fails for %s, saying what to change, and the process ends', async (_, load, code, message) => {
    const worker = new NodeWorker(DIGITS);
    const answer = await worker.load({ modelDir: DIGITS, ...digits, ...load });
    expect(answer).toMatchObject({ type: 'error', code });
    expect(answer['message']).toMatch(message);
    expect(await worker.exited).toBe(1);
  });

  test('fails for a folder of no network or of several, listing what is there', async () => {
    const modelDir = join(folder, 'empty');
    await mkdir(modelDir);
    await writeFile(join(modelDir, 'notes.txt'), '');
    const worker = new NodeWorker(modelDir);
    expect(await worker.load({ modelDir })).toMatchObject({
      code: 'MODEL_FILE_NOT_FOUND',
      message: expect.stringContaining('holds: notes.txt'),
    });
    await worker.exited;
  });
});

test('the digits network reads pictures and answers in words', async () => {
  const names = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
  const modelDir = await mkdtemp(join(folder, 'digits-'));
  await copyFile(join(DIGITS, 'digits.onnx'), join(modelDir, 'digits.onnx'));
  await writeFile(join(modelDir, 'index_to_name.json'), JSON.stringify(Object.fromEntries(names.entries())));
  const modelConfig = { image: { resize: { filter: 'box' } }, classification: { topK: 10 } };
  const worker = await serve(modelDir, { modelConfig });
  const bodies = await Promise.all(names.map((_, digit) => readFile(join(DIGITS, `../samples/${digit}.png`))));
  const answers = await worker.batch(bodies.map((body) => ({ body, contentType: 'image/png' })));
  expect(answers.map((answer) => Object.keys(answer.json() as object)[0])).toEqual(names);
});
