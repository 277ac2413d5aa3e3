import { describe, expect, it } from 'vitest';
import { Ticks } from '../../../src/workers/ticks.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** Lets what was promised go on. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('ticks', () => {
  it('look again and again, until they are stopped', async () => {
    const clock = new FakeClock();
    let looks = 0;
    const ticks = new Ticks(clock, 200, () => {
      looks += 1;
    });
    ticks.start();
    ticks.start();
    for (let count = 0; count < 5; count += 1) {
      clock.advance(200);
      await settle();
    }
    expect(looks).toBe(5);
    ticks.stop();
    clock.advance(1000);
    expect({ looks, timers: clock.pendingTimers }).toEqual({ looks: 5, timers: 0 });
  });

  it('are one row of looks also when they were stopped and started again during one', async () => {
    const clock = new FakeClock();
    let looks = 0;
    let endLook = () => {};
    const ticks = new Ticks(clock, 200, () => {
      looks += 1;
      return new Promise<void>((resolve) => {
        endLook = resolve;
      });
    });
    ticks.start();
    clock.advance(200);
    ticks.stop();
    ticks.start();
    expect(clock.pendingTimers).toBe(0);
    endLook();
    await settle();
    expect({ looks, timers: clock.pendingTimers }).toEqual({ looks: 1, timers: 1 });
    clock.advance(200);
    ticks.stop();
    endLook();
    await settle();
    expect({ looks, timers: clock.pendingTimers }).toEqual({ looks: 2, timers: 0 });
  });
});
