import { describe, expect, it } from 'vitest';
import { type PoolLoad, ScalePolicy } from '../../../src/core/scale-policy.ts';

const LOOK_MS = 200;

/** A pool of workers that need `requestMs` for a request, driven look by look; the policy's word is done at once. */
class Simulation {
  readonly policy = new ScalePolicy({ targetQueueMs: 200, isRefusedWhenBusy: false });
  now = 0;
  workers: number;
  /** Workers that are not ready yet, by the moment at which they will be. */
  starting: number[] = [];
  waiting = 0;
  readonly changes: { readonly at: number; readonly to: number; readonly reason: string }[] = [];
  reason = '';
  readonly #over: Partial<PoolLoad>;
  readonly #requestMs: number;
  readonly #startMs: number;
  /** Work that has been done of requests that are not over. */
  #doneMs = 0;

  constructor(
    workers: number,
    { requestMs = 100, startMs = 0, ...over }: Partial<PoolLoad> & Record<string, unknown> = {},
  ) {
    this.workers = workers;
    this.#requestMs = Number(requestMs);
    this.#startMs = Number(startMs);
    this.#over = over;
  }

  /** Goes on for so long, with so many requests a second. */
  run(seconds: number, perSecond: number): this {
    const end = this.now + seconds * 1000;
    while (this.now < end) this.#look(perSecond);
    return this;
  }

  /** Goes on with so many clients, each of which asks again as soon as it has an answer. */
  runClosed(seconds: number, clients: number): this {
    const end = this.now + seconds * 1000;
    while (this.now < end) this.#look(0, clients);
    return this;
  }

  #look(perSecond: number, clients?: number): void {
    this.now += LOOK_MS;
    this.starting = this.starting.filter((at) => at > this.now);
    const ready = this.workers - this.starting.length;
    let busy: number;
    let finished: number;
    if (clients === undefined) {
      const cameIn = (perSecond * LOOK_MS) / 1000;
      const possible = (ready * LOOK_MS) / this.#requestMs;
      const done = Math.min(this.waiting + cameIn, possible);
      this.waiting += cameIn - done;
      busy = (done * this.#requestMs) / LOOK_MS;
      finished = this.#whole(done * this.#requestMs);
    } else {
      busy = Math.min(clients, ready);
      this.waiting = clients - busy;
      finished = this.#whole(busy * LOOK_MS);
    }
    const load = {
      minWorkers: 1,
      maxWorkers: 8,
      workers: this.workers,
      ready,
      failing: undefined,
      busy,
      hasRoom: busy < ready,
      waiting: Math.floor(this.waiting),
      finished,
      ...this.#over,
    };
    const { workers, reason } = this.policy.next(load, this.now);
    this.reason = reason;
    if (workers === this.workers) return;
    this.changes.push({ at: this.now, to: workers, reason });
    for (let added = this.workers; added < workers; added += 1) this.starting.push(this.now + this.#startMs);
    this.workers = workers;
  }

  #whole(workMs: number): number {
    this.#doneMs += workMs;
    const whole = Math.floor(this.#doneMs / this.#requestMs);
    this.#doneMs -= whole * this.#requestMs;
    return whole;
  }
}

describe('more load than the workers can do', () => {
  it('adds workers within a second, and as many as it needs within a few', () => {
    const pool = new Simulation(1).runClosed(6, 10);
    expect(pool.changes[0]).toMatchObject({ to: 2 });
    expect(pool.changes[0]?.at).toBeLessThanOrEqual(1_200);
    expect(pool.workers).toBeGreaterThanOrEqual(4);
    expect(pool.changes.at(-1)?.at).toBeLessThanOrEqual(4_000);
    expect(pool.changes[0]?.reason).toMatch(
      /^9 waiting requests, about \d+ ms of work for each worker, above the target of 200 ms$/,
    );
  });

  it('never goes beyond the maximum, and says that it is reached', () => {
    const pool = new Simulation(1, { maxWorkers: 3 }).run(30, 100);
    expect(pool.workers).toBe(3);
    expect(pool.reason).toContain('; maxWorkers is 3');
  });

  it('counts workers that are still starting: a slow start is no reason for more of them', () => {
    // 12 requests a second of 100 ms: two workers are enough, also for what gathers while the second one starts for 10 s.
    const pool = new Simulation(1, { startMs: 10_000 }).run(9, 12);
    const naive = 12 * 9 - 10 * 9;
    expect(pool.waiting).toBeGreaterThanOrEqual(naive - 2);
    expect(pool.changes.map(({ to }) => to)[0]).toBe(2);
    // Every step is at most a doubling, for the work that waits by then.
    for (const [index, { to }] of pool.changes.entries()) {
      expect(to).toBeLessThanOrEqual(2 * (pool.changes[index - 1]?.to ?? 1));
    }
  });

  it('does nothing while all that waits can be done within the target', () => {
    expect(new Simulation(1, { requestMs: 5 }).runClosed(30, 20).changes).toEqual([]);
  });

  it('does nothing for a burst that is over before a worker would have started', () => {
    const pool = new Simulation(1, { requestMs: 10 }).run(5, 20);
    pool.waiting = 40;
    expect(pool.run(5, 20).changes).toEqual([]);
  });

  it('takes a request that is not over after a while for one that is slow', () => {
    const pool = new Simulation(1, { requestMs: 60_000 }).runClosed(3, 2);
    expect(pool.workers).toBeGreaterThan(1);
  });

  it('adds none while a worker cannot start, and says so', () => {
    const pool = new Simulation(2, { failing: '9001', ready: 1 }).run(30, 100);
    expect(pool.changes).toEqual([]);
    expect(pool.reason).toContain('; no worker is added while worker 9001 cannot start');
  });

  it('adds none while none is ready: all of them wait for the first', () => {
    expect(new Simulation(1, { ready: 0, hasRoom: false, waiting: 50 }).run(30, 0).changes).toEqual([]);
  });

  it('adds none while a worker has room: what waits is held for a fuller batch', () => {
    expect(new Simulation(2, { hasRoom: true, waiting: 50 }).run(30, 0).changes).toEqual([]);
  });
});

describe('the number of workers that are added', () => {
  const load: PoolLoad = {
    minWorkers: 1,
    maxWorkers: 8,
    workers: 4,
    ready: 4,
    failing: undefined,
    busy: 4,
    hasRoom: false,
    waiting: 0,
    // 4 workers, 200 ms between looks: 100 ms of work for each request.
    finished: 8,
  };

  /** What the policy asks for after two seconds of a load. */
  const wordOn = (over: Partial<PoolLoad>) => {
    const policy = new ScalePolicy({ targetQueueMs: 200, isRefusedWhenBusy: false });
    const seen = { ...load, ...over };
    for (let now = 0; now <= 2_000; now += LOOK_MS) {
      const { workers } = policy.next(seen, now);
      if (workers !== seen.workers) return workers;
    }
    return seen.workers;
  };

  it.each([
    [8, 4, 'all can be done within the target'],
    [9, 5, 'one more is enough'],
    [12, 6, 'two more are enough'],
    [100, 8, 'at most as many again'],
  ])('with %i waiting requests for 4 workers there are to be %i: %s', (waiting, workers) => {
    expect(wordOn({ waiting })).toBe(workers);
  });

  it('takes those into account that are still starting', () => {
    const half = { ready: 2, busy: 2, finished: 4 };
    expect(wordOn({ ...half, waiting: 8 })).toBe(4);
    expect(wordOn({ ...half, waiting: 9 })).toBe(5);
  });

  it('is awaited for a second before more of them are added', () => {
    const pool = new Simulation(1).runClosed(10, 40);
    const moments = pool.changes.map(({ at }) => at);
    expect(moments).toHaveLength(3);
    expect((moments[1] ?? 0) - (moments[0] ?? 0)).toBeGreaterThanOrEqual(1_000);
    expect((moments[2] ?? 0) - (moments[1] ?? 0)).toBeGreaterThanOrEqual(1_000);
  });
});

describe('less load than the workers can do', () => {
  it('keeps the workers for a minute, and then takes away what even the busiest moment had no use for', () => {
    const pool = new Simulation(8).run(59, 10);
    expect(pool.changes).toEqual([]);
    pool.run(10, 10);
    // One worker's work, and room for it to grow.
    expect(pool.changes.map(({ to }) => to)).toEqual([2]);
    expect(pool.changes[0]?.reason).toBe('the busiest moment of the last 60 s filled 1.0 of 8 workers');
  });

  it('goes down to the minimum without any load, and to one worker where that is 0', () => {
    expect(new Simulation(8, { minWorkers: 3 }).run(70, 0).workers).toBe(3);
    expect(new Simulation(8, { minWorkers: 0 }).run(70, 0).workers).toBe(1);
  });

  it('keeps what a load needs that comes and goes', () => {
    const pool = new Simulation(4);
    for (let round = 0; round < 10; round += 1) pool.run(8, 30).run(30, 0);
    expect(pool.changes).toEqual([]);
  });

  it('keeps the workers where requests waited too long in the last minute, however briefly', () => {
    const pool = new Simulation(4, { maxWorkers: 4 });
    for (let round = 0; round < 15; round += 1) {
      pool.waiting = 50;
      pool.run(10, 0);
    }
    expect(pool.changes).toEqual([]);
  });

  it('does not take a request now and then for a full worker', () => {
    const pool = new Simulation(2, { requestMs: 200 });
    for (let round = 0; round < 70; round += 1) {
      pool.waiting = 1;
      pool.run(1, 0);
    }
    expect(pool.changes.map(({ to }) => to)).toEqual([1]);
  });

  it('does not go up and down around a steady load', () => {
    for (const perSecond of [3, 7, 12, 18, 25, 33, 47, 60, 79]) {
      const pool = new Simulation(1).run(900, perSecond);
      // Up as often as it takes, then at most down once, from what the beginning needed to what goes on.
      const steps = pool.changes.map(({ to }, index) => Math.sign(to - (pool.changes[index - 1]?.to ?? 1)));
      expect(steps, `${perSecond} a second: ${JSON.stringify(pool.changes)}`).toEqual(
        steps.toSorted((one, other) => other - one),
      );
      expect(pool.waiting).toBeLessThan(10);
    }
  });
});

it('with requests that may not wait, workers are added while all of them are busy', () => {
  const policy = new ScalePolicy({ targetQueueMs: 200, isRefusedWhenBusy: true });
  const load = {
    minWorkers: 1,
    maxWorkers: 3,
    workers: 1,
    ready: 1,
    failing: undefined,
    busy: 1,
    hasRoom: false,
    waiting: 0,
    finished: 1,
  };
  const words = [0, 200, 400, 600].map((now) => policy.next(load, now).workers);
  expect(words).toEqual([1, 1, 1, 2]);
  expect(policy.next({ ...load, workers: 2, ready: 2, hasRoom: true }, 2_000)).toMatchObject({ workers: 2 });
});
