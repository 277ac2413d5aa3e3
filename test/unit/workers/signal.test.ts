import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
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

  it('gives what it is waited for beside, unless it comes first', async () => {
    const signal = new Signal();
    expect(await signal.unless(Promise.resolve('work'), 'stopped')).toBe('work');
    await expect(signal.unless(Promise.reject(new Error('bad work')), 'stopped')).rejects.toThrow('bad work');
    const waiting = signal.unless(new Promise<string>(() => {}), 'stopped');
    signal.set();
    expect(await waiting).toBe('stopped');
    expect(await signal.unless(new Promise<string>(() => {}), 'stopped')).toBe('stopped');
  });

  it('keeps nothing of what it was waited for beside, however long it lives itself', async () => {
    const signal = new Signal();
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, async () => new WeakRef(await signal.unless(lastWords(), {}))),
    );
    // An object that was seen is held until the next turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    expect(outcomes.filter((outcome) => outcome.deref() !== undefined)).toEqual([]);
    expect(signal.isSet).toBe(false);
  });
});

/** As large as the last exit of a process can be. */
async function lastWords(): Promise<object> {
  return { stderrTail: Array.from({ length: 50 }, (_, line) => `line ${line}`) };
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
