// Row 22 of docs/architecture/faults.md: more clients than the process may have files open. Those who are served go on, a worker that dies is
// replaced all the same, and when the clients have gone everything is as before.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FaultBench } from '../support/invariants.ts';
import { RawClient, requestText } from '../support/raw-client.ts';
import type { LogLine } from '../support/sconce-server.ts';
import { ask, describeModel, predict, register, untilWaiting } from '../support/serving-client.ts';

const OPEN_FILES = 96;
const CLIENTS = 150;

let bench: FaultBench;

beforeAll(async () => {
  bench = await FaultBench.start({ openFiles: OPEN_FILES });
});
afterAll(() => bench?.stop());

test('row 22: with every descriptor taken by clients, those who are connected are answered, a worker is replaced, and all is well afterwards', async () => {
  const { server } = bench;
  const model = await bench.serve('crowded');
  const json = { 'Content-Type': 'application/json' };
  const begin = async (command: object) => {
    const client = await RawClient.open(server.inference);
    await client.send(requestText('POST', '/predictions/crowded', json, JSON.stringify(command)));
    return client;
  };
  const doomed = await begin({ do: 'wait', gate: 'never' });
  const { pid } = await model.reached('waiting');
  const waiting = await begin({ do: 'echo', value: 'replaced' });
  await untilWaiting(server, 'crowded', 1);

  const crowd = await Promise.all(Array.from({ length: CLIENTS }, () => RawClient.open(server.inference)));
  // Each has a request under way: none of them can be closed to make room for another.
  for (const client of crowd) await client.send(requestText('POST', '/predictions/crowded', { 'Content-Length': '9' }));
  const isRefusal = ({ msg = '' }: LogLine) => /connections (?:are refused|cannot be accepted)/.test(msg);
  await server.waitForLog(isRefusal);

  // Whoever manages the server gets through all the same.
  expect((await ask(`${server.management}/models`)).status).toBe(200);
  process.kill(pid, 'SIGKILL');
  await doomed.untilArrived(/SIGKILL/);
  await waiting.untilArrived(/replaced/);
  expect([doomed.statuses, waiting.statuses]).toEqual([[503], [200]]);

  const told = server.log.filter(isRefusal);
  expect(told.length).toBeLessThan(4);
  for (const client of [doomed, waiting, ...crowd]) client.close();
  await bench.expectAtRest();
  await bench.store.add('afterwards');
  bench.adopt('afterwards');
  expect((await register(server, 'afterwards')).status).toBe(200);
  expect((await predict(server, 'afterwards', { do: 'echo', value: 'well' })).text).toBe('well');
  expect((await describeModel(server, 'afterwards')).workers).toHaveLength(1);
  await bench.expectAtRest();
});
