import { beforeEach, describe, expect, it } from 'vitest';
import { Heartbeat } from '../../../src/workers/heartbeat.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let clock: FakeClock;
let isIdle: boolean;
let asked: number[];
let silences: number[];
let heartbeat: Heartbeat;

beforeEach(() => {
  clock = new FakeClock();
  isIdle = true;
  asked = [];
  silences = [];
  heartbeat = new Heartbeat({
    clock,
    isIdle: () => isIdle,
    ask: () => asked.push(clock.now()),
    onSilence: (silentSec) => silences.push(silentSec),
  });
  heartbeat.begin();
});

describe('the heartbeat', () => {
  it('asks twice when nothing is heard, and then tells of the silence, once', () => {
    clock.advance(60_000);
    expect(asked).toEqual([10_000, 15_000]);
    expect(silences).toEqual([10]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is content with any word, also with a late one', () => {
    for (let round = 0; round < 5; round++) {
      clock.advance(15_000);
      heartbeat.heard();
    }
    expect(silences).toEqual([]);
    expect(asked.length).toBeGreaterThan(4);
  });

  it('does not ask a worker that speaks anyway', () => {
    for (let second = 0; second < 60; second++) {
      clock.advance(1_000);
      heartbeat.heard();
    }
    expect(asked).toEqual([]);
  });

  it('neither asks nor blames a worker that is busy, and begins anew when it is idle again', () => {
    clock.advance(15_000);
    isIdle = false;
    clock.advance(600_000);
    expect(asked).toHaveLength(2);
    isIdle = true;
    clock.advance(14_000);
    expect(silences).toEqual([]);
  });

  it('lets a server that was stopped itself hear the answers before it judges', () => {
    clock.advance(10_000);
    clock.stall(3_600_000);
    clock.advance(0);
    expect(silences).toEqual([]);
    heartbeat.heard();
    clock.advance(10_000);
    expect(silences).toEqual([]);
  });

  it('is over when it is stopped', () => {
    heartbeat.stop();
    clock.advance(60_000);
    expect(asked).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });
});
