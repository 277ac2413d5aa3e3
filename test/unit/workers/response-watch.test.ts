import { beforeEach, describe, expect, it } from 'vitest';
import { ResponseWatch, type ResponseWatchOptions } from '../../../src/workers/response-watch.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let clock: FakeClock;
let silences: number[];
let verdict: ReturnType<ResponseWatchOptions['verdict']>;

beforeEach(() => {
  clock = new FakeClock();
  silences = [];
  verdict = 'guilty';
});

function watch(timeoutMs = 100): ResponseWatch {
  return new ResponseWatch({
    timeoutMs,
    clock,
    verdict: () => verdict,
    onSilence: () => silences.push(clock.now()),
  });
}

describe('the response watch', () => {
  it('notices silence after the timeout, once', () => {
    watch().begin();
    clock.advance(1000);
    expect(silences).toEqual([100]);
  });

  it('counts from the last sign of life, with a single timer', () => {
    const one = watch();
    one.begin();
    for (let sign = 0; sign < 9; sign++) {
      clock.advance(30);
      one.heard();
      expect(clock.pendingTimers).toBe(1);
    }
    clock.advance(1000);
    expect(silences).toEqual([370]);
  });

  it('forgets a worker that owes nothing, and begins again with the next batch', () => {
    const one = watch();
    one.begin();
    verdict = 'nothing-owed';
    clock.advance(100);
    expect(clock.pendingTimers).toBe(0);
    verdict = 'guilty';
    one.begin();
    clock.advance(100);
    expect(silences).toEqual([200]);
  });

  it('begins its patience anew for a worker that is excused', () => {
    watch().begin();
    verdict = 'excused';
    clock.advance(350);
    verdict = 'guilty';
    clock.advance(49);
    expect(silences).toEqual([]);
    clock.advance(51);
    expect(silences).toEqual([400]);
  });

  it('never runs out without a timeout, nor after it was stopped', () => {
    watch(Infinity).begin();
    expect(clock.pendingTimers).toBe(0);
    const one = watch();
    one.begin();
    one.stop();
    clock.advance(1000);
    expect(silences).toEqual([]);
  });
});
