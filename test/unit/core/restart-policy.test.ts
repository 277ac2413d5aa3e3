import { describe, expect, it } from 'vitest';
import { RestartPolicy } from '../../../src/core/restart-policy.ts';

const withoutJitter = () => 0.5;

describe('the restart policy', () => {
  it('restarts at once after the first death, then doubles the delay up to a minute, and never gives up', () => {
    const policy = new RestartPolicy(withoutJitter);
    const delays = Array.from({ length: 10 }, (_, index) => policy.next('exit code 1', index).delayMs);
    expect(delays).toEqual([0, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000]);
  });

  it('begins anew after an answered batch', () => {
    const policy = new RestartPolicy(withoutJitter);
    policy.next('exit code 1', 0);
    policy.next('exit code 1', 1);
    policy.succeeded();
    expect(policy.next('exit code 1', 2).delayMs).toBe(0);
    expect(policy.next('exit code 1', 3).delayMs).toBe(1000);
  });

  it('remembers since when it has been failing', () => {
    const policy = new RestartPolicy(withoutJitter);
    expect(policy.failingSince).toBeUndefined();
    policy.next('exit code 1', 10);
    policy.next('exit code 1', 20);
    expect(policy.failingSince).toBe(10);
    policy.succeeded();
    expect(policy.failingSince).toBeUndefined();
  });

  it('says how the worker ended, how often, and when it starts again', () => {
    const policy = new RestartPolicy(withoutJitter);
    expect(policy.next('signal SIGKILL', 0).reason).toBe('restarting after signal SIGKILL');
    expect(policy.next('exit code 3', 0).reason).toBe(
      'exit code 3; failed 2 times without an answered batch, next start in 1.0 s',
    );
  });

  it.each([
    [0, 800],
    [0.5, 1000],
    [0.999, 1200],
  ])('keeps the delay within a fifth of itself (chance %d)', (chance, delayMs) => {
    const policy = new RestartPolicy(() => chance);
    policy.next('x', 0);
    expect(policy.next('x', 0).delayMs).toBe(delayMs);
  });

  it('announces the delay that it decided, also at the cap', () => {
    const policy = new RestartPolicy(() => 0.999);
    let decision = policy.next('x', 0);
    for (let death = 0; death < 10; death++) decision = policy.next('x', 0);
    expect(decision.delayMs).toBe(60_000);
    expect(decision.reason).toContain('next start in 60.0 s');
  });
});
