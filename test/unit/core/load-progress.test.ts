import { describe, expect, it } from 'vitest';
import { LoadProgress, type PhaseReport } from '../../../src/core/load-progress.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('the progress of a registration', () => {
  it('tells each phase with its time and its bytes, over or under way', async () => {
    const clock = new FakeClock();
    const heard: PhaseReport[] = [];
    const progress = new LoadProgress(clock, (report) => heard.push(report));
    await progress.during('download', async (meter) => {
      clock.advance(1_000);
      meter.count(5, 10);
      expect(progress.report()).toEqual([
        { phase: 'download', state: 'running', tookMs: 1_000, doneBytes: 5, totalBytes: 10 },
      ]);
      clock.advance(500);
    });
    await expect(
      progress.during('unpack', async () => {
        clock.advance(20);
        throw new Error('broken');
      }),
    ).rejects.toThrow('broken');
    clock.advance(9_000);
    expect(progress.report().map(({ phase, state, tookMs }) => [phase, state, tookMs])).toEqual([
      ['download', 'done', 1_500],
      ['unpack', 'failed', 20],
    ]);
    expect(heard.map(({ phase, state }) => `${phase} ${state}`)).toEqual([
      'download running',
      'download running',
      'download done',
      'unpack running',
      'unpack failed',
    ]);
  });

  it('keeps the latest of the starts that a worker needs', async () => {
    const clock = new FakeClock();
    const progress = new LoadProgress(clock);
    await progress.during('spawn', async () => clock.advance(1));
    await progress.during('load', () => Promise.reject(new Error('once'))).catch(() => {});
    await progress.during('spawn', async () => clock.advance(2));
    await progress.during('load', async () => clock.advance(3));
    expect(progress.report().map(({ phase, state, tookMs }) => [phase, state, tookMs])).toEqual([
      ['spawn', 'done', 2],
      ['load', 'done', 3],
    ]);
  });
});
