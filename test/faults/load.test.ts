// Rows 40 and 41 of docs/architecture/faults.md: a body so large that reading it could hold up everybody, and four times as many requests
// as the workers can do. `npm run bench` has the exact figures; here the bounds are those that a busy machine keeps, too.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { FaultBench } from '../support/invariants.ts';
import { type Answer, ask, predict } from '../support/serving-client.ts';

const MIB = 1024 * 1024;
const NAP_MS = 40;
const QUEUE_SIZE = 10;
/** A machine that answers a ping in less has time for the test. */
const QUIET_PING_MS = 10;

let bench: FaultBench;

beforeAll(async () => {
  bench = await FaultBench.start({ settings: { max_request_size: 100 * MIB } });
});
afterEach(() => bench.expectAtRest());
afterAll(() => bench?.stop());

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

test('row 40: JSON of 90 MB does not hold up the event loop: it is late by less than 50 ms, 99 times of 100', async () => {
  const { server } = bench;
  await bench.serve('large');
  const body = JSON.stringify({ do: 'echo', value: 'large', filler: '0123456789'.repeat(9 * MIB) });
  const headers = { 'content-type': 'application/json' };
  // How late it is on this machine, with as much else to do, when there is no large body.
  await bench.resetLag();
  for (let turn = 0; turn < 100; turn += 1) await bench.expectServing();
  const { lagP99Ms: usualMs } = await bench.probe();
  await bench.resetLag();
  const large = ask(`${server.inference}/predictions/large`, { method: 'POST', headers, body });
  let isOver = false;
  void large.finally(() => {
    isOver = true;
  });
  while (!isOver) await bench.expectServing();
  const { status, text } = await large;
  expect([status, text]).toEqual([200, 'large']);
  const { lagP99Ms, lagMaxMs } = await bench.probe();
  process.stdout.write(
    `90 MB of JSON: event loop late by ${lagP99Ms.toFixed(1)} ms (p99; ${usualMs.toFixed(1)} ms without it), ${lagMaxMs.toFixed(1)} ms at most\n`,
  );
  expect(lagP99Ms).toBeLessThan(50 + usualMs);
});

interface Outcome {
  readonly status: number;
  readonly ms: number;
  readonly retryAfter: string | null;
}

test('row 41: at four times the load that the worker can carry it does as much as at its peak, and the rest is refused at once', {
  // Whatever else the machine does falls on one of the two sides that are compared.
  retry: 2,
}, async () => {
  const { server } = bench;
  await bench.serve('overloaded', {}, `jobQueueSize: ${QUEUE_SIZE}\n`);
  const timed = async (answer: Promise<Answer>): Promise<Outcome> => {
    const sentAt = performance.now();
    const { status, headers } = await answer;
    return { status, ms: performance.now() - sentAt, retryAfter: headers.get('retry-after') };
  };
  const nap = () => timed(predict(server, 'overloaded', { do: 'nap', ms: NAP_MS }));

  /** Requests by a few clients, each when its last one is answered; answers a second. */
  const peak = async (forMs: number) => {
    const startedAt = performance.now();
    let done = 0;
    const lane = async () => {
      for (; performance.now() - startedAt < forMs; done += 1) expect((await nap()).status).toBe(200);
    };
    await Promise.all([lane(), lane(), lane(), lane()]);
    return done / (performance.now() - startedAt);
  };
  const answers: Outcome[] = [];
  const pings: Outcome[] = [];
  /** So many requests a millisecond, whatever becomes of them; good answers a millisecond. */
  const overload = async (perMs: number, forMs: number) => {
    const asked: Promise<Outcome>[] = [];
    const pinged: Promise<Outcome>[] = [];
    const startedAt = performance.now();
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        const ms = performance.now() - startedAt;
        // As many as are due: a generator that runs late must not ask for less.
        while (asked.length < ms * perMs) {
          asked.push(nap());
          if (asked.length % 4 === 0) pinged.push(timed(ask(`${server.inference}/ping`)));
        }
        if (ms < forMs) return;
        clearInterval(timer);
        resolve();
      }, 2);
    });
    const some = await Promise.all(asked);
    const tookMs = performance.now() - startedAt;
    answers.push(...some);
    pings.push(...(await Promise.all(pinged)));
    return some.filter(({ status }) => status === 200).length / tookMs;
  };

  let [peaks, goodputs] = [0, 0];
  const rounds = 3;
  for (let round = 0; round < rounds; round += 1) {
    const rate = await peak(1_000);
    peaks += rate / rounds;
    goodputs += (await overload(4 * rate, 1_500)) / rounds;
  }
  const refused = answers.filter(({ status }) => status === 503);
  const good = answers.filter(({ status }) => status === 200);
  const msOf = (some: readonly Outcome[], share: number) =>
    quantile(
      some.map(({ ms }) => ms),
      share,
    );
  const [refusalMs, pingMs] = [msOf(refused, 0.5), msOf(pings, 0.5)];
  process.stdout.write(
    `overload: ${(goodputs * 1_000).toFixed(1)} good answers a second of ${(peaks * 1_000).toFixed(1)} at the peak; ` +
      `refused in ${refusalMs.toFixed(1)} ms, a ping in ${pingMs.toFixed(1)} ms (medians)\n`,
  );
  expect(good.length + refused.length).toBe(answers.length);
  expect(refused.length).toBeGreaterThan(answers.length / 2);
  expect(refused.every(({ retryAfter }) => /^[1-9]\d*$/.test(retryAfter ?? ''))).toBe(true);
  // Where even a ping has to wait for a turn on the machine, asking for four times as much takes the worker's own share away.
  const share = pingMs < QUIET_PING_MS ? 0.85 : 0.5;
  expect(goodputs).toBeGreaterThan(share * peaks);
  // On a machine that has nothing else to do a refusal takes less than 5 ms; on any, about what the cheapest answer takes.
  expect(refusalMs).toBeLessThan(5 + 3 * pingMs);
  // What was taken in waited for no more than the queue in front of it.
  expect(msOf(good, 0.99)).toBeLessThan(4 * (QUEUE_SIZE + 1) * NAP_MS + 10 * pingMs);
});
