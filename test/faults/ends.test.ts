// Rows 24 and 26 of docs/architecture/faults.md: a server that is told to end while it has much to do, and one that finds its addresses
// taken. test/integration/shutdown.test.ts has the other ways in which a server ends.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { until } from '../support/fault-model.ts';
import { freePort } from '../support/free-port.ts';
import { FaultBench } from '../support/invariants.ts';
import { RawClient, requestText } from '../support/raw-client.ts';
import { startServer } from '../support/sconce-server.ts';
import { runServe } from '../support/server-command.ts';
import { ask, predict, untilWaiting } from '../support/serving-client.ts';

let bench: FaultBench | undefined;

afterEach(async () => {
  await bench?.stop();
  bench = undefined;
});

test('row 24: SIGTERM with 50 requests in hand and 50 that wait brings 100 answers of 200 and exit code 0, and nothing is left', async () => {
  bench = await FaultBench.start();
  const { server } = bench;
  const model = await bench.serve('drained', { batch_size: 50, max_batch_delay: 1_000, response_timeout: 60 });
  const first = predict(server, 'drained', { do: 'wait', gate: 'first', value: 'first' });
  await model.reached('waiting');
  const values = (word: string) => Array.from({ length: 50 }, (_, index) => `${word} ${index}`);
  const inHand = values('in hand').map((value) => predict(server, 'drained', { do: 'wait', gate: 'go', value }));
  await untilWaiting(server, 'drained', 50);
  await model.open('first');
  expect((await first).text).toBe('first');
  await model.reached('waiting', 2);
  const waiting = values('waiting').map((value) => predict(server, 'drained', { do: 'echo', value }));
  await untilWaiting(server, 'drained', 50);
  const idle = await RawClient.open(server.inference);
  await idle.send(requestText('GET', '/ping'));
  await idle.untilArrived(/Healthy/);

  const exited = once(server.process, 'exit');
  server.process.kill('SIGTERM');
  await until(() =>
    ask(`${server.inference}/ping`).then(
      () => false,
      () => true,
    ),
  );
  expect(await idle.ended).toBe('closed');
  await model.open('go');
  const answers = await Promise.all([...inHand, ...waiting]);
  expect(answers.map(({ status, text }) => `${status} ${text}`)).toEqual(
    [...values('in hand'), ...values('waiting')].map((value) => `200 ${value}`),
  );
  expect(new Set(answers.map(({ headers }) => headers.get('connection')))).toEqual(new Set(['close']));
  expect(await exited).toEqual([0, null]);
});

test('row 26: an address in use ends the start with a message that names it, whichever it is, and no other stays open', async () => {
  const occupant = createServer().listen(0, '127.0.0.1');
  await once(occupant, 'listening');
  const { port } = occupant.address() as AddressInfo;
  for (const taken of ['inference_address', 'management_address', 'metrics_address']) {
    const lines: string[] = [];
    const others: number[] = [];
    for (const key of ['inference_address', 'management_address', 'metrics_address']) {
      const own = key === taken ? port : await freePort();
      if (key !== taken) others.push(own);
      lines.push(`${key}=http://127.0.0.1:${own}`);
    }
    const result = await runServe(lines);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain(`127.0.0.1:${port} is in use`);
    expect(result.leftFiles).toEqual([]);
    for (const other of others)
      await expect(RawClient.open(`http://127.0.0.1:${other}`)).rejects.toThrow('ECONNREFUSED');
  }
  occupant.close();
  await once(occupant, 'close');
});

test('row 26: the addresses of a server that was killed are free for the next one', async () => {
  const ports = [await freePort(), await freePort(), await freePort()];
  const keys = ['inference_address', 'management_address', 'metrics_address'];
  const settings = Object.fromEntries(keys.map((key, index) => [key, `http://127.0.0.1:${ports[index]}`]));
  const killed = await startServer({ settings });
  expect(await killed.stop('SIGKILL')).toBeNull();
  const next = await startServer({ settings });
  expect(next.inference).toBe(`http://127.0.0.1:${ports[0]}`);
  expect((await ask(`${next.management}/models`)).status).toBe(200);
  expect(await next.stop()).toBe(0);
});
