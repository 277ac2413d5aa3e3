import { describe, expect, it } from 'vitest';
import { Signal } from '../../../src/workers/signal.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('a signal', () => {
  it('wakes who waits, and does not keep later ones waiting', async () => {
    const signal = new Signal();
    const waiting = signal.wait();
    expect(signal.isSet).toBe(false);
    signal.set();
    signal.set();
    await waiting;
    await signal.wait();
    expect(signal.isSet).toBe(true);
  });

  it('is waited for no longer than the time allowed', async () => {
    const clock = new FakeClock();
    const signal = new Signal();
    const waiting = signal.within(100, clock);
    clock.advance(100);
    await waiting;
    expect(signal.isSet).toBe(false);
  });

  it('leaves no timer behind when it comes in time', async () => {
    const clock = new FakeClock();
    const signal = new Signal();
    const waiting = signal.within(100, clock);
    signal.set();
    await waiting;
    expect(clock.pendingTimers).toBe(0);
  });

  it('sets no timer for a wait without limit', async () => {
    const clock = new FakeClock();
    const signal = new Signal();
    const waiting = signal.within(Infinity, clock);
    expect(clock.pendingTimers).toBe(0);
    signal.set();
    await waiting;
  });
});
