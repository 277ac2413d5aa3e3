import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from 'vitest';
import type { ModelMetric } from '../../../src/core/ports.ts';
import type { LoadMessage } from '../../../src/protocol/messages.ts';
import { loadHandlerModel } from '../../../src/runtime-node/handler-model.ts';
import { LoadError } from '../../../src/runtime-node/load-error.ts';
import type { RuntimeModel } from '../../../src/runtime-node/runtime-model.ts';
import {
  handlerFolder,
  loadMessage,
  partText,
  removeHandlerFolders,
  runtimeRequest,
  textOf,
} from '../../support/handler-folder.ts';

const DIGITS = fileURLToPath(new URL('../../../examples/digits/onnx-model/digits.onnx', import.meta.url));

let stdout: MockInstance;
let stderr: MockInstance;

beforeEach(() => {
  stdout = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});

afterEach(async () => {
  vi.restoreAllMocks();
  await removeHandlerFolders();
});

describe('loading', () => {
  test('the state that load gives reaches every call, with the context', async () => {
    const model = await modelOf(
      `load: async (context) => ({ greeting: context.config.greeting, calls: 0 }),
       predict: (requests, state, context) => {
         state.calls += 1;
         return requests.map(() => [state.greeting, state.calls, context.modelName, context.modelVersion, context.batchSize, context.threads, context.gpuId ?? 'none']);
       }`,
      { modelConfig: { greeting: 'hello' } },
    );
    expect(await answers(model, [''])).toEqual(['["hello",1,"m","1.0",4,1,"none"]']);
    expect(await answers(model, [''])).toEqual(['["hello",2,"m","1.0",4,1,"none"]']);
  });

  test('what load throws is told with its line', async () => {
    const error = await failureOf(modelOf("load: () => {\n throw new Error('no weights'); }, predict: () => []"));
    expect(error).toMatchObject({ code: 'HANDLER_INITIALIZE_FAILED', message: 'Error: no weights.' });
    expect(error.trace).toMatch(/handler\.ts:3:\d+/);
    expect(error.trace).not.toContain('node:internal');
  });

  test('a file that is not there has a code of its own', async () => {
    const error = await failureOf(
      modelOf(
        "load: async (context) => (await import('node:fs')).readFileSync(context.modelFolder + '/w.bin'), predict: () => []",
      ),
    );
    expect(error.code).toBe('MODEL_FILE_NOT_FOUND');
    expect(error.message).toMatch(/w\.bin'\. Is the file in the archive\?/);
  });

  test('running out of memory has a code of its own', async () => {
    const error = await failureOf(
      modelOf("load: () => { throw new RangeError('Array buffer allocation failed'); }, predict: () => []"),
    );
    expect(error.code).toBe('WORKER_OUT_OF_MEMORY');
  });
});

describe('a batch', () => {
  test('answers each request with its own result, also when they are promises', async () => {
    const model = await modelOf('predict: (requests) => requests.map(async (request) => request.text().toUpperCase())');
    expect(await answers(model, ['a', 'b', 'c'])).toEqual(['A', 'B', 'C']);
  });

  test('an error in the list fails its own request only', async () => {
    const model = await modelOf(
      `predict: (requests) => [
         new HandlerError(422, 'too short'), new TypeError('secret'), Promise.reject(new HandlerError(409, 'busy')), 'fine']`,
    );
    const outcomes = await model.predict(['a', 'b', 'c', 'd'].map((body) => runtimeRequest(body)));
    expect(outcomes[0]).toEqual({ failure: { code: 'HANDLER_ERROR', message: 'too short', status: 422 } });
    expect(outcomes[1]).toEqual({
      failure: {
        code: 'PREDICTION_FAILED',
        message: 'The handler failed (TypeError); the log of the server says why.',
      },
    });
    expect(outcomes[2]).toMatchObject({ failure: { status: 409 } });
    expect(textOf(outcomes[3])).toBe('fine');
    expect(errorLines()).toContain('TypeError: secret');
    expect(errorLines()).not.toContain('too short');
  });

  test('a request knows its sequence, however the client has spelled the headers', async () => {
    const model = await modelOf('predict: (requests) => requests.map(({ sequence }) => sequence ?? null)');
    const headers = [
      ['TS_Request_Sequence_ID', 'ann'],
      ['ts_request_sequence_start', 'True'],
    ] as const;
    const outcomes = await model.predict([runtimeRequest('', { headers }), runtimeRequest('')]);
    expect(outcomes.map((outcome) => JSON.parse(textOf(outcome)))).toEqual([
      { id: 'ann', isStart: true, isEnd: false, endHeader: 'ts_request_sequence_end' },
      null,
    ]);
  });

  test('a body that cannot be read is answered with 400, and the others are computed without it', async () => {
    const model = await modelOf('predict: (requests) => requests.map((request) => request.json().x * 2)');
    const outcomes = await model.predict(['{"x": 1}', '{"x": ', '{"x": 3}'].map((body) => runtimeRequest(body)));
    expect(outcomes.map(textOf)).toEqual([
      '2',
      expect.stringMatching(/^HANDLER_ERROR: The input "body" is not valid JSON: /),
      '6',
    ]);
    expect(outcomes[1]).toMatchObject({ failure: { status: 400 } });
    expect(errorLines()).toBe('');
  });

  test('what predict throws fails every request, and is in the log once', async () => {
    const model = await modelOf("predict: () => { throw new Error('broken'); }");
    expect(await answers(model, ['a', 'b'])).toEqual([
      'PREDICTION_FAILED: The handler failed (Error); the log of the server says why.',
      'PREDICTION_FAILED: The handler failed (Error); the log of the server says why.',
    ]);
    expect(errorLines().match(/Error: broken/g)).toHaveLength(1);
    expect(errorLines()).toMatch(/Requests: r, r\n.*broken\n\s+at .*handler\.ts:2:\d+/);
  });

  test.each([
    ['{ a: 1 }', 'a value of type Object where a list of 2 results, one for each request, was expected.'],
    ['[1]', 'a list of length 1 where a list of 2 results, one for each request, was expected.'],
    ['undefined', 'a value of type undefined where'],
    [
      '(async function* () { yield 1; })()',
      'To stream, return a list of generators, or write predictOne as a generator.',
    ],
  ])('the answer %s is told to be wrong', async (result, message) => {
    const model = await modelOf(`predict: () => (${result})`);
    const [first, second] = await answers(model, ['a', 'b']);
    expect(first).toContain(message);
    expect(second).toBe(first);
    expect(errorLines()).toContain(message);
  });

  test('a kind of request that the handler has no function for is answered with 501', async () => {
    const model = await modelOf("predict: () => ['p'], describe: () => [{ inputs: 1 }]");
    const [described] = await model.predict([runtimeRequest('', { kind: 'describe' })]);
    expect(textOf(described)).toBe('{"inputs":1}');
    const [explained] = await model.predict([runtimeRequest('', { kind: 'explain' })]);
    expect(explained).toEqual({
      failure: { code: 'HANDLER_ERROR', status: 501, message: 'The handler of model m has no function "explain".' },
    });
  });
});

describe('one request at a time', () => {
  test('predictOne answers the requests of a batch concurrently, each with its own failure', async () => {
    const model = await modelOf(
      `load: () => ({ waiting: [] }),
       async predictOne(request, state) {
         await new Promise((resolve) => {
           state.waiting.push(resolve);
           if (state.waiting.length === 3) for (const each of state.waiting) each();
         });
         if (request.text() === 'b') throw new HandlerError(404, 'no b');
         return request.text();
       }`,
    );
    expect(await answers(model, ['a', 'b', 'c'])).toEqual(['a', 'HANDLER_ERROR: no b', 'c']);
  });
});

describe('results', () => {
  test.each([
    ["'text'", 'text', 'text'],
    ['new Uint8Array([104, 105])', 'hi', 'binary'],
    ['new Uint8Array([104, 105]).buffer', 'hi', 'binary'],
    ['null', 'null', 'json'],
    ["[{ a: [1, 'ü'] }]", '[{"a":[1,"ü"]}]', 'json'],
    [
      '({ scores: new Float32Array([0.5, 1]), ids: new BigInt64Array([7n]), raw: Buffer.from([1]) })',
      '{"scores":[0.5,1],"ids":[7],"raw":[1]}',
      'json',
    ],
    ['new Date(0)', '"1970-01-01T00:00:00.000Z"', 'json'],
    ['({ size: { value: NaN, toJSON: () => "unknown" } })', '{"size":"unknown"}', 'json'],
  ])('%s is sent as %s', async (result, text, encoding) => {
    const model = await modelOf(`predictOne: () => (${result})`);
    const [outcome] = await model.predict([runtimeRequest('')]);
    expect(outcome).toMatchObject({ part: { encoding } });
    expect(textOf(outcome)).toBe(text);
  });

  test.each([
    ['undefined', 'Result 0 of the handler (type undefined) cannot be sent: JSON has no word for undefined'],
    ['new Map([[1, 2]])', '(type Map) cannot be sent: JSON has no Map; use Object.fromEntries(map).'],
    ['2n ** 60n', 'the BigInt 1152921504606846976 is too large for a JSON number; return it as a string.'],
    ['(() => { const a = {}; a.a = a; return a; })()', 'it contains itself'],
    ['({ a: [Promise.resolve()] })', 'it holds a Promise; await it first.'],
    [
      '({ boxes: [{ x: 1 }, { x: NaN }] })',
      'it holds NaN at boxes[1].x, and JSON has neither NaN nor infinity; put null',
    ],
    ['[[1, 2], [3, -Infinity]]', '(type Array) cannot be sent: it holds -Infinity at [1][1], and JSON has'],
    ['({ scores: Float32Array.of(1, Infinity) })', 'it holds Infinity at scores[1], and JSON has'],
    ['0 / 0', '(type number) cannot be sent: it is NaN, and JSON has'],
  ])('%s is told to be unsendable', async (result, message) => {
    const model = await modelOf(`predictOne: () => (${result})`);
    const [text] = await answers(model, ['']);
    expect(text).toContain('OUTPUT_NOT_SERIALISABLE: ');
    expect(text).toContain(message);
  });

  test('a reply carries status, headers and content type', async () => {
    const model = await modelOf(
      "predictOne: () => reply({ a: 1 }, { status: 201, headers: { 'X-Model': 'm' }, contentType: 'application/x-a' })",
    );
    const [outcome] = await model.predict([runtimeRequest('')]);
    expect(textOf(outcome)).toBe('{"a":1}');
    expect(outcome).toMatchObject({
      part: {
        status: 201,
        encoding: 'json',
        headers: [
          ['content-type', 'application/x-a'],
          ['X-Model', 'm'],
        ],
      },
    });
  });

  test.each([
    ['{ status: 99 }', 'the status 99; it must be an integer from 200 to 999'],
    ["{ headers: { 'a b': 'c' } }", 'a header named "a b"'],
    ["{ headers: [['a', 'b\\\\r\\\\nc: d']] }", 'header a to a value with a line break'],
    ['{ headers: { a: 1 } }', 'header a to a value of type number; it must be a string'],
  ])('a reply with %s is refused', async (options, message) => {
    const model = await modelOf(`predictOne: () => reply('', ${options.replaceAll('\\\\', '\\')})`);
    expect(await answers(model, [''])).toEqual([
      `OUTPUT_HEADER_INVALID: The handler set ${message}${message.includes('line') ? ' or another character that HTTP cannot carry' : ''}.`,
    ]);
  });

  test('an answer above the limit is refused', async () => {
    const model = await modelOf("predictOne: () => 'x'.repeat(11)", { maxResponseBytes: 10 });
    expect(await answers(model, [''])).toEqual([expect.stringMatching(/^RESPONSE_TOO_LARGE: .* 11 bytes.* allows 10/)]);
  });
});

describe('requests', () => {
  test('headers are found in any letter case, the last of a name counts', async () => {
    const model = await modelOf(
      "predictOne: ({ id, headers }) => [id, headers.get('x-a'), headers.has('X-B'), headers.get('none') ?? 'absent', [...headers].length]",
    );
    const [outcome] = await model.predict([
      runtimeRequest('', {
        requestId: 'id-1',
        headers: [
          ['X-A', '1'],
          ['x-b', ''],
          ['X-a', '2'],
        ],
      }),
    ]);
    expect(textOf(outcome)).toBe('["id-1","2",true,"absent",3]');
  });

  test('inputs are read by name, and a missing one is the client’s mistake', async () => {
    const model = await modelOf(
      "predictOne: (request) => [request.input('b').text(), request.input('a').contentType, request.inputs.size]",
    );
    const inputs = [
      { name: 'a', contentType: 'image/png', bytes: Buffer.from('1') },
      { name: 'b', contentType: '', bytes: Buffer.from('2') },
    ];
    const outcomes = await model.predict([
      runtimeRequest('', { inputs }),
      runtimeRequest('x'),
      runtimeRequest(undefined),
    ]);
    expect(outcomes.map(textOf)).toEqual([
      '["2","image/png",2]',
      'HANDLER_ERROR: The request has no input "b"; it has body.',
      'HANDLER_ERROR: The request has no input "b"; it has no input at all.',
    ]);
  });

  test('the body is the input called body, or the only one', async () => {
    const model = await modelOf('predictOne: (request) => request.bytes');
    const part = (name: string) => ({ name, contentType: '', bytes: Buffer.from(name) });
    const outcomes = await model.predict([
      runtimeRequest('', { inputs: [part('q'), part('body')] }),
      runtimeRequest('', { inputs: [part('image')] }),
      runtimeRequest('', { inputs: [part('a'), part('b')] }),
    ]);
    expect(outcomes.map(textOf)).toEqual([
      'body',
      'image',
      'HANDLER_ERROR: The request has no body that could be read; it has a, b.',
    ]);
  });
});

describe('streams', () => {
  test('a generator sends each value as it comes, objects as lines of JSON', async () => {
    const model = await modelOf('async *predictOne(request) { yield { n: 1 }; yield { n: 2 }; }');
    const request = runtimeRequest('');
    const [outcome] = await model.predict([request]);
    expect(request.streamed.map(partText)).toEqual(['{"n":1}\n', '{"n":2}\n']);
    expect(request.streamed[0]?.headers).toEqual([['content-type', 'application/x-ndjson']]);
    expect(textOf(outcome)).toBe('');
  });

  test('streams and plain answers share a batch; what a generator returns is its last part', async () => {
    const model = await modelOf(
      `predict: (requests) => [
         (async function* () { yield reply('a', { status: 202, contentType: 'text/event-stream' }); return 'end'; })(),
         'plain',
         (function* () { yield 'sync'; })(),
       ]`,
    );
    const requests = [runtimeRequest(''), runtimeRequest(''), runtimeRequest('')];
    const outcomes = await model.predict(requests);
    expect(outcomes.map(textOf)).toEqual(['end', 'plain', '']);
    expect(requests.map((each) => each.streamed.map(partText))).toEqual([['a'], [], ['sync']]);
    expect(requests[0]?.streamed[0]).toMatchObject({ status: 202, headers: [['content-type', 'text/event-stream']] });
  });

  test('a failure in the middle fails its own request only', async () => {
    const model = await modelOf(
      "async *predictOne(request) { yield 'a'; if (request.text() === 'x') throw new HandlerError(500, 'half way'); }",
    );
    expect(await answers(model, ['x', 'y'])).toEqual(['HANDLER_ERROR: half way', '']);
  });

  test('a generator is closed, and its finally block runs, when nobody waits any more', async () => {
    const model = await modelOf(
      `load: (context) => ({ closed: context.metrics.counter('closed') }),
       async *predictOne(request, state) {
         try { for (let n = 0; ; n += 1) yield String(n); } finally { state.closed.add(); }
       }`,
    );
    const request = runtimeRequest('');
    const running = model.predict([
      {
        ...request,
        stream: async (part) => {
          await request.stream(part);
          if (request.streamed.length === 3) request.abort();
        },
      },
    ]);
    expect(await running).toMatchObject([{ failure: { code: 'PREDICTION_FAILED' } }]);
    expect(request.streamed.map(partText)).toEqual(['0', '1', '2']);
    expect(metrics).toMatchObject([{ name: 'closed', value: 1 }]);
    expect(errorLines()).toBe('');
  });

  test('a value that cannot be sent closes the generator and names its place', async () => {
    const model = await modelOf("async *predictOne() { yield 'a'; yield new Set(); }");
    expect(await answers(model, [''])).toEqual([
      expect.stringContaining('Value 1 of the stream (type Set) cannot be sent: JSON has no Set; use [...set].'),
    ]);
  });

  test('the signal of a request reaches the handler', async () => {
    const model = await modelOf(
      "predictOne: (request) => new Promise((resolve) => request.signal.addEventListener('abort', () => resolve('stopped')))",
    );
    const request = runtimeRequest('');
    const running = model.predict([request]);
    request.abort();
    expect((await running).map(textOf)).toEqual(['stopped']);
  });
});

describe('the context', () => {
  test('metrics are reported with their kind, unit and labels', async () => {
    await modelOf(
      `load({ metrics }) {
         metrics.counter('words', { dimensions: { language: 'en' } }).add(3);
         metrics.gauge('size', { unit: 'Bytes' }).set(-1.5);
         metrics.histogram('time', { unit: 'Milliseconds' }).observe(2);
       },
       predict: () => []`,
    );
    const dimensions = [
      ['ModelName', 'm'],
      ['Level', 'Model'],
    ];
    expect(metrics).toEqual([
      { kind: 'counter', name: 'words', unit: 'Count', value: 3, dimensions: [...dimensions, ['language', 'en']] },
      { kind: 'gauge', name: 'size', unit: 'Bytes', value: -1.5, dimensions },
      { kind: 'histogram', name: 'time', unit: 'Milliseconds', value: 2, dimensions },
    ]);
  });

  test('a metric that cannot be is refused where it is set', async () => {
    const error = await failureOf(modelOf("load: ({ metrics }) => metrics.counter('n').add(-1), predict: () => []"));
    expect(error.message).toBe('TypeError: The counter n only grows, found -1.');
  });

  test('the log goes to stdout and stderr, one line a call', async () => {
    await modelOf(
      "load({ log }) { log.info('ready', { n: 1 }); log.debug('d'); log.warn('w'); log.error('e'); }, predict: () => []",
    );
    expect(stdout.mock.calls.map(([text]) => text)).toEqual(['ready {"n":1}\n', 'DEBUG d\n']);
    expect(stderr.mock.calls.map(([text]) => text)).toEqual(['w\n', 'ERROR e\n']);
  });

  test('an ONNX file of the archive runs as a session with plain inputs', async () => {
    const folder = await handlerFolder({
      'handler.ts': `import { defineHandler } from 'sconce/handler';
        export default defineHandler({
          load: async (context) => ({ session: await context.onnx() }),
          async predictOne(request, { session }) {
            const { scores } = await session.run({ image: { data: request.json<number[]>(), dims: [1, 1, 8, 8] } });
            return [session.inputNames, session.outputNames, scores?.type, scores?.dims, scores?.data.length];
          },
        });`,
    });
    await copyFile(DIGITS, join(folder, 'digits.onnx'));
    const model = await load(folder, { modelFile: 'digits.onnx' });
    const image = JSON.stringify(new Array(64).fill(0.5));
    expect(await answers(model, [image])).toEqual(['[["image"],["scores"],"float32",[1,10],10]']);
    expect(await answers(model, ['[1, 2]'])).toEqual([expect.stringContaining('PREDICTION_FAILED')]);
    expect(errorLines()).toContain('Input "image" of the network (float32, dims 1 x 1 x 8 x 8)');
  });

  test('an ONNX file that is missing or none at all fails the load with its name', async () => {
    const missing = await failureOf(modelOf("load: (context) => context.onnx('absent.onnx'), predict: () => []"));
    expect(missing).toMatchObject({ code: 'MODEL_FILE_NOT_FOUND' });
    expect(missing.message).toContain('absent.onnx');
    const folder = await handlerFolder({
      'handler.ts': "export default { load: (context) => context.onnx('text.onnx'), predict: () => [] };",
      'text.onnx': 'not a network',
    });
    const broken = await failureOf(load(folder));
    expect(broken).toMatchObject({ code: 'HANDLER_INITIALIZE_FAILED' });
    expect(broken.message).toContain('text.onnx could not be opened');
  });

  test('an ONNX file is opened with the settings of the onnx section, and a wrong one fails the load', async () => {
    const folder = await handlerFolder({
      'handler.ts': "export default { load: (context) => context.onnx('digits.onnx'), predict: () => [] };",
    });
    await copyFile(DIGITS, join(folder, 'digits.onnx'));
    await load(folder, { modelConfig: { onnx: { intraOpThreads: 2, graphOptimizationLevel: 'basic' } } });
    const misspelt = await failureOf(load(folder, { modelConfig: { onnx: { threads: 2 } } }));
    expect(misspelt).toMatchObject({ code: 'HANDLER_INITIALIZE_FAILED' });
    expect(misspelt.message).toMatch(/^model-config\.yaml: onnx\.threads is not a setting; the settings of onnx are /);
    await load(await handlerFolder({ 'handler.ts': 'export default { predict: () => [] };' }), {
      modelConfig: { onnx: 'of the author' },
    });
  });
});

const metrics: ModelMetric[] = [];

function load(folder: string, changes: Partial<LoadMessage> = {}): Promise<RuntimeModel> {
  metrics.length = 0;
  return loadHandlerModel(loadMessage(folder, changes), {
    reportMetric: (metric) => metrics.push(metric),
    onnxThreads: 1,
  });
}

/** A model whose handler has these members. */
async function modelOf(members: string, changes: Partial<LoadMessage> = {}): Promise<RuntimeModel> {
  const text = `import { defineHandler, HandlerError, reply } from 'sconce/handler';\nexport default defineHandler({ ${members} });`;
  return load(await handlerFolder({ 'handler.ts': text }), changes);
}

async function answers(model: RuntimeModel, bodies: readonly string[]): Promise<string[]> {
  return (await model.predict(bodies.map((body) => runtimeRequest(body)))).map(textOf);
}

async function failureOf(loading: Promise<unknown>): Promise<LoadError> {
  const error: unknown = await loading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof LoadError) return error;
  throw new Error('expected a LoadError', { cause: error });
}

function errorLines(): string {
  return stderr.mock.calls.map(([text]) => String(text)).join('');
}
