// GET /models/{name}?customized=true: the handler is asked what it says of itself.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeMar, manifestFile } from '../support/archive-forge.ts';
import { type ContractBench, startBench } from '../support/contract-bench.ts';
import { type Answer, errorOf } from '../support/http-exchange.ts';

/** Says of itself what the request header X-Say asks for. */
const HANDLER = `
import json

def handle(data, context):
    if data is None:
        return
    headers = context.get_all_request_header(0)
    if headers.get("describe") != "True":
        return ["predicted"] * len(data)
    assert data == [{}], data
    say = headers.get("X-Say", "object")
    if say == "raise":
        raise ValueError("no")
    if say == "hang":
        import time
        time.sleep(3600)
    if say == "head":
        context.set_response_status(203, "As I Like It", 0)
        context.set_response_header(0, "X-Mine", "yes")
        context.set_response_header(0, "Content-Length", "1")
    if say == "huge":
        return [{"text": "x" * 2_000_000}]
    said = {"text": "no JSON", "list": [1], "number": 7, "nothing": "", "headers": {k: v for k, v in headers.items() if k.startswith("X-")}}
    return [said.get(say, {"classes": ["cat", "dog"], "version": context.manifest["model"]["modelVersion"]})]
`;

interface Described {
  readonly modelVersion: string;
  readonly customizedMetadata?: unknown;
  readonly customizedError?: { readonly code: number; readonly type: string; readonly message: string };
}

async function serve(dialect: string): Promise<ContractBench> {
  const bench = await startBench({ settings: { api_dialect: dialect, enable_model_api: true } });
  for (const version of ['1.0', '2.0']) {
    await makeMar(`${bench.store}/self-${version}.mar`, {
      ...manifestFile({ modelName: 'self', modelVersion: version, handler: 'handler.py' }),
      'handler.py': HANDLER,
    });
    await bench.register(`url=self-${version}.mar&initial_workers=1&synchronous=true&response_timeout=2`);
  }
  return bench;
}

describe.each(['documented', 'torchserve'])('in the %s dialect', (dialect) => {
  let bench: ContractBench;
  beforeAll(async () => {
    bench = await serve(dialect);
  });
  afterAll(() => bench?.stop());

  const ask = (path: string, say?: string): Promise<Answer> =>
    bench.manage('GET', `/models/self${path}?customized=true`, say === undefined ? {} : { headers: { 'X-Say': say } });
  const described = (answer: Answer): Described[] => {
    expect(answer.status, answer.body).toBe(200);
    return answer.json() as Described[];
  };

  test('the default version has what its handler says, behind everything else', async () => {
    const [version] = described(await ask(''));
    expect(version?.customizedMetadata).toEqual({ classes: ['cat', 'dog'], version: '1.0' });
    const plain = Object.keys((await bench.describe('self')) as object);
    const keys = Object.keys(version ?? {}).filter((key) => key !== 'customizedMetadata');
    expect(keys).toEqual(plain);
    expect(plain).not.toContain('customizedMetadata');
  });

  test('so has a version that is named', async () => {
    const [version] = described(await ask('/2.0'));
    expect(version?.customizedMetadata).toMatchObject({ version: '2.0' });
  });

  test('and so have all versions', async () => {
    const versions = described(await ask('/all'));
    expect(versions.map(({ customizedMetadata }) => customizedMetadata)).toEqual([
      expect.objectContaining({ version: '1.0' }),
      expect.objectContaining({ version: '2.0' }),
    ]);
  });

  test('the handler sees the headers of the request', async () => {
    const answer = await bench.manage('GET', '/models/self?customized=true', {
      headers: { 'X-Say': 'headers', 'X-Who': 'me', describe: 'no' },
    });
    expect(described(answer)[0]?.customizedMetadata).toEqual({ 'X-Say': 'headers', 'X-Who': 'me' });
  });

  test.each(['text', 'list', 'number'])(
    'what is no JSON object (%s) is an empty one, and told in the log',
    async (say) => {
      expect(described(await ask('', say))[0]?.customizedMetadata).toEqual({});
      await bench.server.waitForLog(({ level, msg }) => level === 'warn' && /no JSON object/.test(msg ?? ''));
    },
  );

  test('an answer of nothing leaves the field out', async () => {
    expect(described(await ask('', 'nothing'))[0]).not.toHaveProperty('customizedMetadata');
  });

  test('status and headers are those that the handler set', async () => {
    const answer = await ask('', 'head');
    expect([answer.status, answer.reason]).toEqual([203, 'As I Like It']);
    expect([answer.header('x-mine'), answer.header('content-type')]).toEqual(['yes', 'application/json']);
    expect(answer.json()).toEqual([expect.objectContaining({ modelVersion: '1.0' })]);
  });

  test('a handler that raises fails the description as it fails a prediction', async () => {
    const answer = await ask('', 'raise');
    expect(errorOf(answer)).toMatchObject({
      code: dialect === 'documented' ? 500 : 503,
      type: 'InternalServerException',
      message: 'Prediction failed',
    });
    const all = described(await ask('/all', 'raise'));
    expect(all.map(({ modelVersion }) => modelVersion)).toEqual(['1.0', '2.0']);
    const failure = { code: 500, type: 'InternalServerException', message: 'Prediction failed' };
    for (const { customizedError } of all)
      expect(customizedError).toEqual(dialect === 'documented' ? failure : undefined);
  });

  test('more than a mebibyte is refused', async () => {
    const answer = await ask('', 'huge');
    expect(errorOf(answer)).toMatchObject({ code: 500, message: expect.stringContaining('more than 1048576 bytes') });
  });

  test('a handler that never answers is given up after the response timeout', async () => {
    const answer = await ask('/2.0', 'hang');
    expect(errorOf(answer)).toMatchObject(
      dialect === 'documented'
        ? { code: 504, message: 'Prediction timed out after 2 s' }
        : { code: 500, message: 'Worker died.' },
    );
  });

  test('without a worker the answer is 503, and all versions are described all the same', async () => {
    await bench.manage('PUT', '/models/self/2.0?min_worker=0&synchronous=true&timeout=0');
    const answer = await ask('/2.0');
    expect(errorOf(answer)).toMatchObject({ code: 503, type: 'ServiceUnavailableException' });
    expect(errorOf(answer).message).toMatch(
      dialect === 'documented'
        ? /worker/
        : /^Model "self" has no worker to serve describe request\. Please use scale workers API to add workers\.$/,
    );
    const [first, second] = described(await ask('/all'));
    expect(first?.customizedMetadata).toMatchObject({ version: '1.0' });
    expect(second).not.toHaveProperty('customizedMetadata');
  });

  test('predictions go on beside it, and do not count it', async () => {
    const before = await counted(bench);
    await ask('');
    expect((await bench.infer('/predictions/self')).body).toBe('predicted');
    expect(await counted(bench)).toBe(before + 1);
  });

  test('nobody of this name is 404; a word that is no boolean is refused only where parameters are strict', async () => {
    expect((await bench.manage('GET', '/models/nobody?customized=true')).status).toBe(404);
    const answer = await bench.manage('GET', '/models/self?customized=maybe');
    expect(answer.status).toBe(dialect === 'documented' ? 400 : 200);
  });
});

async function counted(bench: ContractBench): Promise<number> {
  const text = await (await fetch(`${bench.server.metrics}/metrics?name[]=ts_inference_requests_total`)).text();
  const line = text.split('\n').find((each) => each.includes('model_version="1.0"'));
  return Number(line?.split(' ').at(-1) ?? 0);
}
