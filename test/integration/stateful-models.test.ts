// Stateful models through a real server: the example to the letter, and what becomes of sequences whose clients or workers go.
import { mkdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ExampleStore, runCurlBlocks, shownAnswers } from '../support/example-model.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { type Answer, ask, describeModel, register, untilModel, untilWaiting } from '../support/serving-client.ts';

const README = 'examples/stateful-counter/README.md';
/** One worker, one sequence, two requests of it that wait. */
const SMALL = 'minWorkers: 1\nmaxWorkers: 1\nsequenceBatching: true\nmaxSequenceJobQueueSize: 2\n';

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

interface Marks {
  readonly start?: boolean;
  readonly end?: boolean;
}

function add(model: string, sequence: string | undefined, number: number, marks: Marks = {}): Promise<Answer> {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (sequence !== undefined) headers['ts_request_sequence_id'] = sequence;
  if (marks.start === true) headers['ts_request_sequence_start'] = 'true';
  if (marks.end === true) headers['ts_request_sequence_end'] = 'true';
  const body = JSON.stringify({ add: number });
  return ask(`${server.inference}/predictions/${model}`, { method: 'POST', headers, body });
}

const totalOf = ({ text }: Answer) => (JSON.parse(text) as { total: number | string }).total;

test('the example answers as its README says', async () => {
  await store.add('stateful-counter', 'counter');
  const printed = await runCurlBlocks(README, server);
  const [shown] = await shownAnswers(README);
  expect(printed.map((text) => JSON.parse(text))).toEqual([JSON.parse(shown ?? '')]);
  const { workers } = await describeModel(server, 'counter');
  expect(workers.length).toBe(2);
  expect(await describeModel(server, 'counter')).toMatchObject({
    stateful: true,
    maxNumSequence: 16,
    maxSequenceJobQueueSize: 8,
    sequenceMaxIdleMSec: 60_000,
    sequenceTimeoutMSec: 0,
  });
});

test('requests of a sequence are answered in order, while another sequence goes on beside it', async () => {
  const handler = `
import os, time
class Letters:
    def initialize(self, context):
        self.gate = os.path.join(context.system_properties["model_dir"], "gate")
        self.letters = {}
    def handle(self, data, context):
        answers = []
        for index, row in enumerate(data):
            letter = row["body"]["add"]
            while letter == 1 and not os.path.exists(self.gate):
                time.sleep(0.005)
            sequence = context.get_sequence_id(index)
            self.letters[sequence] = self.letters.get(sequence, "") + str(letter)
            answers.append({"total": self.letters[sequence], "pid": os.getpid()})
        return answers
`;
  const configYaml =
    'minWorkers: 2\nmaxWorkers: 2\nbatchSize: 4\nsequenceBatching: true\nmaxNumSequence: 4\nmaxSequenceJobQueueSize: 9\n';
  await store.add('stateful-counter', 'order', { configYaml, handler });
  await register(server, 'order', { initial_workers: 2 });
  const ann: Promise<Answer>[] = [add('order', 'ann', 1)];
  await untilModel(server, 'order', ({ workers }) => workers.some(({ state }) => state === 'busy'));
  for (let number = 2; number <= 6; number += 1) {
    ann.push(add('order', 'ann', number));
    await untilWaiting(server, 'order', number - 1);
    // The other worker is free, and has the other sequence.
    expect(totalOf(await add('order', 'bob', number))).toBe('23456'.slice(0, number - 1));
  }
  await writeFile(`${store.folder}/order/gate`, '');
  const answers = await Promise.all(ann);
  expect(answers.map(totalOf)).toEqual(['1', '12', '123', '1234', '12345', '123456']);
  expect(new Set(answers.map(({ text }) => JSON.parse(text).pid)).size).toBe(1);
});

test('a request without a sequence begins one, and learns its id', async () => {
  await store.add('stateful-counter', 'nameless');
  await register(server, 'nameless');
  const first = await add('nameless', undefined, 5);
  const id = first.headers.get('ts_request_sequence_id') ?? '';
  expect(id).toMatch(/^ts-seq-[0-9a-f-]{36}$/);
  expect(totalOf(await add('nameless', id, 2))).toBe(7);
});

test('a sequence too many is refused with the reason, and has a place as soon as one has ended', async () => {
  await store.add('stateful-counter', 'small', { configYaml: SMALL });
  await register(server, 'small');
  await add('small', 'one', 1, { start: true });
  const refused = await add('small', 'two', 1, { start: true });
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('1');
  expect(JSON.parse(refused.text)).toMatchObject({ message: expect.stringContaining('maxNumSequence') });
  expect(totalOf(await add('small', 'one', 1, { end: true }))).toBe(2);
  expect(totalOf(await add('small', 'two', 1, { start: true }))).toBe(1);
});

test('a client that goes without a word frees its place after the idle time', async () => {
  await store.add('stateful-counter', 'idle', { configYaml: `${SMALL}sequenceMaxIdleMSec: 300\n` });
  await register(server, 'idle');
  await add('idle', 'gone', 1, { start: true });
  expect((await add('idle', 'next', 1, { start: true })).status).toBe(503);
  await expect.poll(async () => (await add('idle', 'next', 1, { start: true })).status, { timeout: 5_000 }).toBe(200);
  const late = await add('idle', 'gone', 1);
  expect(late.status).toBe(409);
  expect(JSON.parse(late.text)).toMatchObject({ message: expect.stringContaining('sequenceMaxIdleMSec') });
});

test('the death of a worker ends its sequences: what goes on with one is told so, and a new one is begun', async () => {
  await store.add('stateful-counter', 'dying', { configYaml: SMALL });
  await register(server, 'dying');
  await add('dying', 'ann', 1, { start: true });
  const [worker] = (await describeModel(server, 'dying')).workers;
  process.kill(worker?.pid ?? -1, 'SIGKILL');
  await untilModel(server, 'dying', ({ workers }) => workers[0]?.pid !== worker?.pid && workers[0]?.state === 'ready');
  const lost = await add('dying', 'ann', 1);
  expect(lost.status).toBe(409);
  expect(JSON.parse(lost.text)).toMatchObject({ message: expect.stringContaining('the worker that held it has gone') });
  expect(totalOf(await add('dying', 'ann', 3, { start: true }))).toBe(3);
});

test('headers of other names reach the handler', async () => {
  const other = await startServer({
    modelStore: store.folder,
    settings: { ts_header_key_sequence_id: 'Chat', ts_header_key_sequence_start: 'Chat-Start' },
  });
  try {
    await store.add('stateful-counter', 'renamed');
    await register(other, 'renamed');
    const headers = { 'content-type': 'application/json', CHAT: 'ann', 'chat-start': 'true' };
    const body = '{"add": 4}';
    const answer = await ask(`${other.inference}/predictions/renamed`, { method: 'POST', headers, body });
    expect(JSON.parse(answer.text)).toEqual({ sequence: 'ann', total: 4 });
    expect(answer.headers.get('chat')).toBe('ann');
    expect(await typescriptCounts(other)).toEqual([
      [200, 'ann: 1'],
      [200, 'ann: 2'],
      [200, 'ann: 3, over'],
      [409, expect.stringContaining('it was ended')],
    ]);
  } finally {
    await other.stop();
  }
});

/** A TypeScript handler that counts the requests of a sequence, and ends it with the third. */
async function typescriptCounts(other: TestServer): Promise<[status: number, text: string][]> {
  const folder = `${store.folder}/renamed-ts`;
  await mkdir(folder);
  await writeFile(
    `${folder}/handler.ts`,
    `import { defineHandler, reply } from 'sconce/handler';
     const counts = new Map<string, number>();
     export default defineHandler({
       predictOne({ sequence }) {
         if (sequence === undefined) return 'no sequence';
         const count = (sequence.isStart ? 0 : (counts.get(sequence.id) ?? 0)) + 1;
         counts.set(sequence.id, count);
         if (count < 3) return \`\${sequence.id}: \${count}\`;
         return reply(\`\${sequence.id}: \${count}, over\`, { headers: { [sequence.endHeader]: sequence.id } });
       },
     });`,
  );
  await writeFile(`${folder}/model-config.yaml`, SMALL);
  await mkdir(`${folder}/MAR-INF`);
  const model = { modelName: 'renamed-ts', handler: 'handler.ts', configFile: 'model-config.yaml' };
  await writeFile(`${folder}/MAR-INF/MANIFEST.json`, JSON.stringify({ runtime: 'node', model }));
  await register(other, 'renamed-ts');
  const answers: [number, string][] = [];
  for (const start of ['true', 'false', 'false', 'false']) {
    const headers = { Chat: 'ann', 'CHAT-start': start };
    const { status, text } = await ask(`${other.inference}/predictions/renamed-ts`, { method: 'POST', headers });
    answers.push([status, text]);
  }
  return answers;
}

test('in the torchserve dialect what is refused has the status and the words of TorchServe', async () => {
  const other = await startServer({
    modelStore: store.folder,
    settings: { api_dialect: 'torchserve', enable_model_api: true },
  });
  try {
    await store.add('stateful-counter', 'worded', { configYaml: SMALL });
    await register(other, 'worded');
    const send = (sequence: string) =>
      ask(`${other.inference}/predictions/worded`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ts_request_sequence_id: sequence,
          ts_request_sequence_start: 'true',
        },
        body: '{"add": 1}',
      });
    expect((await send('one')).status).toBe(200);
    const refused = await send('two');
    expect(refused.status).toBe(503);
    expect(refused.text).toContain('If this is a sequence inference, please check if it is closed, or expired');
  } finally {
    await other.stop();
  }
});

test('with useJobTicket a request is taken only when a worker could begin with it', async () => {
  const handler = `
import os, time
def handle(data, context):
    gate = os.path.join(context.system_properties.get("model_dir"), "gate")
    while data and not os.path.exists(gate):
        time.sleep(0.005)
    return ["ok" for _ in data or []]
`;
  await store.add('stateful-counter', 'ticket', {
    configYaml: 'minWorkers: 1\nmaxWorkers: 1\nuseJobTicket: true\n',
    handler,
  });
  await register(server, 'ticket');
  const first = add('ticket', undefined, 1);
  await untilModel(server, 'ticket', ({ workers }) => workers[0]?.state === 'busy');
  const refused = await add('ticket', undefined, 1);
  expect(refused.status).toBe(503);
  expect(refused.text).toContain('useJobTicket');
  await writeFile(`${store.folder}/ticket/gate`, '');
  expect((await first).text).toBe('ok');
  expect((await add('ticket', undefined, 1)).status).toBe(200);
});
