// `timeout` of a scale and of an unregistration, with a request in the worker's hand and another in the queue: 0 ends both at once, N
// gives them that many seconds, -1 (the default of a scale) as long as they take.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ContractBench, type Gate, PATIENCE, startBench } from '../support/contract-bench.ts';
import { type Answer, errorOf } from '../support/http-exchange.ts';

let bench: ContractBench;
let gate: Gate;

beforeAll(async () => {
  bench = await startBench();
  await bench.addPuppet('puppet.mar', 'puppet');
});
afterAll(() => bench?.stop());
beforeEach(async () => {
  await bench.clear('puppet');
  gate = bench.gate();
});

/** One request that the only worker computes until the gate opens, and one behind it. */
async function occupy(): Promise<{ held: Promise<Answer>; queued: Promise<Answer> }> {
  await bench.register('url=puppet.mar&initial_workers=1&synchronous=true');
  const held = bench.ask('puppet', { do: 'hold', gate: gate.path });
  await gate.entered();
  const queued = bench.ask('puppet', { do: 'about' });
  await bench.until('puppet', ({ jobQueueStatus }) => jobQueueStatus.pendingRequests === 1);
  return { held, queued };
}

function expectStopped(answer: Answer): void {
  expect(answer.status).toBe(503);
  expect(errorOf(answer).type).toBe('ServiceUnavailableException');
  expect(errorOf(answer).message).toMatch(/stopped/);
}

describe.each(['a scale to zero', 'an unregistration'])('%s', (what) => {
  const withTimeout = (timeout: string) =>
    what === 'a scale to zero'
      ? bench.manage('PUT', `/models/puppet?min_worker=0&synchronous=true${timeout}`)
      : bench.manage('DELETE', `/models/puppet?${timeout.slice(1)}`);

  test('with timeout=0 ends the worker at once: what it had and what waited are refused', async () => {
    const { held, queued } = await occupy();
    expect((await withTimeout('&timeout=0')).status).toBe(200);
    expectStopped(await held);
    expectStopped(await queued);
    expect(await bench.livingPuppets()).toEqual([]);
  });

  test('with timeout=N ends the worker after N seconds', async () => {
    const { held, queued } = await occupy();
    const startedAt = performance.now();
    expect((await withTimeout('&timeout=1')).status).toBe(200);
    expect(performance.now() - startedAt).toBeGreaterThan(990);
    expectStopped(await held);
    expectStopped(await queued);
    expect(await bench.livingPuppets()).toEqual([]);
  });

  test('with timeout=N lets go as soon as all is answered', async () => {
    const { held, queued } = await occupy();
    const answer = withTimeout('&timeout=600');
    await refusesNewRequests();
    await gate.open();
    expect((await answer).status).toBe(200);
    expect([(await held).status, (await queued).status]).toEqual([200, 200]);
    expect(await bench.livingPuppets()).toEqual([]);
  });

  test.each(['&timeout=-1', ...(what === 'a scale to zero' ? [''] : [])])(
    'with "%s" waits for as long as it takes, and takes nothing new meanwhile',
    async (timeout) => {
      const { held, queued } = await occupy();
      let isOver = false;
      const answer = withTimeout(timeout).finally(() => {
        isOver = true;
      });
      await refusesNewRequests();
      expect(isOver).toBe(false);
      await gate.open();
      expect((await answer).status).toBe(200);
      expect([(await held).status, (await queued).status]).toEqual([200, 200]);
    },
  );

  async function refusesNewRequests(): Promise<void> {
    const refused = what === 'a scale to zero' ? 503 : 404;
    await expect.poll(async () => (await bench.ask('puppet', {})).status, PATIENCE).toBe(refused);
  }
});

test('an unregistration that names no timeout gives requests what unregister_model_timeout says', async () => {
  const own = await startBench({ settings: { unregister_model_timeout: 1 } });
  try {
    await own.addPuppet('puppet.mar', 'puppet');
    await own.register('url=puppet.mar&initial_workers=1&synchronous=true');
    const ownGate = own.gate();
    const held = own.ask('puppet', { do: 'hold', gate: ownGate.path });
    await ownGate.entered();
    const startedAt = performance.now();
    expect((await own.manage('DELETE', '/models/puppet')).status).toBe(200);
    expect(performance.now() - startedAt).toBeGreaterThan(990);
    expectStopped(await held);
  } finally {
    await own.stop();
  }
});

test('of two busy workers one goes at timeout=0; the other answers, also what waited', async () => {
  await bench.register('url=puppet.mar&initial_workers=2&synchronous=true');
  const other = bench.gate();
  const first = bench.ask('puppet', { do: 'hold', gate: gate.path });
  const second = bench.ask('puppet', { do: 'hold', gate: other.path });
  await Promise.all([gate.entered(), other.entered()]);
  const queued = bench.ask('puppet', { do: 'about' });
  await bench.until('puppet', ({ jobQueueStatus }) => jobQueueStatus.pendingRequests === 1);
  expect((await bench.manage('PUT', '/models/puppet?min_worker=1&synchronous=true&timeout=0')).status).toBe(200);
  await Promise.all([gate.open(), other.open()]);
  const answers = [await first, await second];
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 503]);
  expect((await queued).status).toBe(200);
  expect(await bench.livingPuppets()).toHaveLength(1);
});
