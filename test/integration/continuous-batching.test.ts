// Continuous batching and asynchronous handlers through a real server: nobody waits for somebody else's long request.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ExampleStore, runCurlBlocks, shownAnswers } from '../support/example-model.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { describeModel, openPrediction, register, untilModel } from '../support/serving-client.ts';

const README = 'examples/token-generator/README.md';
const ENDLESS = 1_000_000_000;

let store: ExampleStore;
let server: TestServer;

beforeAll(async () => {
  store = await ExampleStore.create();
  server = await startServer({ modelStore: store.folder });
});

afterAll(async () => {
  await server?.stop();
  await store?.remove();
});

const generate = (model: string, words: number, headers: Record<string, string> = {}) =>
  openPrediction(server, model, { do: 'generate', prompt: 'the lamp', max_words: words }, headers);

test('the example answers as its README says', async () => {
  await store.add('token-generator', 'generator');
  const [printed] = await runCurlBlocks(README, server);
  const [shown] = await shownAnswers(README);
  expect(printed).toBe(shown);
  expect(await describeModel(server, 'generator')).toMatchObject({ continuousBatching: true, batchSize: 8 });
});

test('who comes later joins the batch and leaves it first', async () => {
  await store.add('token-generator', 'joined');
  await register(server, 'joined');
  const long = await generate('joined', ENDLESS);
  await long.untilBytes(20);
  const late = await generate('joined', 5);
  expect(late.headers['transfer-encoding']).toBe('chunked');
  expect(late.headers['ts_stream_next']).toBe('true');
  expect(await late.ended).toBe('whole');
  expect(late.text().trim().split(/\s+/).length).toBe(5);
  const before = long.text().length;
  await long.untilBytes(before + 20);
  long.leave();
  await untilModel(server, 'joined', ({ workers }) => workers[0]?.state === 'ready');
});

test('a client that leaves frees its place in the batch, and so does one whose time is over', async () => {
  await store.add('token-generator', 'places', {
    configYaml: 'minWorkers: 1\nmaxWorkers: 1\nbatchSize: 2\ncontinuousBatching: true\n',
  });
  await register(server, 'places');
  const [leaving, timed] = await Promise.all([
    generate('places', ENDLESS),
    generate('places', ENDLESS, { 'x-request-timeout': '1' }),
  ]);
  await leaving.untilBytes(1);
  const waiting = generate('places', 3);
  await untilModel(server, 'places', ({ jobQueueStatus }) => jobQueueStatus.pendingRequests === 1);
  leaving.leave();
  expect(await (await waiting).ended).toBe('whole');
  expect(await timed.ended).toBe('broken');
  await untilModel(server, 'places', ({ workers }) => workers[0]?.state === 'ready');
});

test('an answer of one word is a plain answer', async () => {
  await store.add('token-generator', 'single');
  await register(server, 'single');
  const answer = await generate('single', 1);
  expect(await answer.ended).toBe('whole');
  expect(answer.headers['content-length']).toBe(String(answer.text().length));
});

test('a call that hangs is ended after the response timeout, also while new requests keep coming', async () => {
  const handler = `
import time
class Handler:
    def initialize(self, context):
        pass
    def handle(self, data, context):
        if any(row and row["body"]["do"] == "hang" for row in data):
            while True:
                time.sleep(1)
        context.stopping_criteria = [lambda result: True for _ in data]
        return ["ok" for _ in data]
`;
  await store.add('token-generator', 'hanging', {
    configYaml: 'minWorkers: 1\nmaxWorkers: 1\nbatchSize: 64\ncontinuousBatching: true\nresponseTimeout: 1\n',
    handler,
  });
  await register(server, 'hanging');
  const hung = openPrediction(server, 'hanging', { do: 'hang' });
  await untilModel(server, 'hanging', ({ workers }) => workers[0]?.state === 'busy');
  const others = setInterval(() => void openPrediction(server, 'hanging', { do: 'ask' }).catch(() => {}), 50);
  try {
    expect((await hung).status).toBe(504);
  } finally {
    clearInterval(others);
  }
  await untilModel(server, 'hanging', ({ workers }) => workers[0]?.state === 'ready');
  expect((await openPrediction(server, 'hanging', { do: 'ask' })).status).toBe(200);
});

test('sequences and continuous batching go together, and the handler ends a sequence', async () => {
  const handler = `
class Handler:
    def initialize(self, context):
        self.asked = {}
    def handle(self, data, context):
        answers = []
        for index, row in enumerate(data):
            sequence = context.get_sequence_id(index)
            if row:
                self.asked[sequence] = self.asked.get(sequence, 0) + 1
                if row["body"]["do"] == "end":
                    context.set_response_header(index, context.header_key_sequence_end, sequence)
            answers.append("%s%d" % (sequence, self.asked[sequence]))
        context.stopping_criteria = [lambda result: True for _ in data]
        return answers
`;
  await store.add('token-generator', 'both', {
    configYaml: 'minWorkers: 1\nmaxWorkers: 1\nbatchSize: 4\ncontinuousBatching: true\nsequenceBatching: true\n',
    handler,
  });
  await register(server, 'both');
  const send = async (what: string, sequence: string) => {
    const answer = await openPrediction(server, 'both', { do: what }, { ts_request_sequence_id: sequence });
    await answer.ended;
    return `${answer.status} ${answer.text()}`;
  };
  expect(await send('ask', 'a')).toBe('200 a1');
  expect(await send('ask', 'b')).toMatch(/^503 /);
  expect(await send('end', 'a')).toBe('200 a2');
  expect(await send('ask', 'b')).toBe('200 b1');
});

test('one request of an async handler that hangs is answered 504, while the others flow and the worker stays', async () => {
  const handler = `
import asyncio
class Handler:
    def initialize(self, context):
        pass
    async def handle(self, data, context):
        if data[0]["body"]["do"] == "hang":
            await asyncio.Event().wait()
        if data[0]["body"]["do"] == "block":
            import time
            time.sleep(1000)
        return ["ok"]
`;
  await store.add('token-generator', 'hung', {
    configYaml: 'minWorkers: 1\nmaxWorkers: 1\nbatchSize: 2\nasyncCommunication: true\nresponseTimeout: 1\n',
    handler,
  });
  await register(server, 'hung');
  const [worker] = (await describeModel(server, 'hung')).workers;
  const hung = openPrediction(server, 'hung', { do: 'hang' });
  let isOver = false;
  void hung.then(() => {
    isOver = true;
  });
  let answered = 0;
  while (!isOver) {
    expect((await openPrediction(server, 'hung', { do: 'ask' })).status).toBe(200);
    answered += 1;
  }
  expect(answered).toBeGreaterThan(3);
  const answer = await hung;
  expect(answer.status).toBe(504);
  await answer.ended;
  expect(answer.text()).toContain('Prediction timed out after 1 s');
  expect((await describeModel(server, 'hung')).workers[0]?.pid).toBe(worker?.pid);

  // What blocks the loop itself takes the others with it: then the worker is replaced.
  expect((await openPrediction(server, 'hung', { do: 'block' })).status).toBe(504);
  await untilModel(server, 'hung', ({ workers }) => workers[0]?.pid !== worker?.pid && workers[0]?.state === 'ready');
  expect((await openPrediction(server, 'hung', { do: 'ask' })).status).toBe(200);
});
