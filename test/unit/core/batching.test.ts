import { describe, expect, it } from 'vitest';
import { type Batching, planBatch } from '../../../src/core/batching.ts';

const limits = { batchSize: 4, maxBatchDelayMs: 100, batching: 'adaptive' as Batching };

/** Two of four wait since 0 while another worker computes, and fuller batches gain much. */
const holding = {
  waiting: 2,
  isClosed: false,
  oldestArrivedAt: 0,
  isAnotherWorkerBusy: true,
  batchTime: { baseMs: 500, perJobMs: 1 },
  soonestDeadlineAt: Infinity,
};

describe('planBatch', () => {
  it.each([
    { when: 'the batch is full', over: { waiting: 4 }, now: 0, size: 4 },
    { when: 'more wait than fit', over: { waiting: 9 }, now: 0, size: 4 },
    { when: 'no later job can join', over: { isClosed: true }, now: 0, size: 2 },
    { when: 'no other worker is busy', over: { isAnotherWorkerBusy: false }, now: 0, size: 2 },
    { when: 'nothing is known of what batches cost', over: { batchTime: undefined }, now: 0, size: 2 },
    { when: 'a fuller batch gains little', over: { batchTime: { baseMs: 1, perJobMs: 18 } }, now: 0, size: 2 },
    {
      when: 'the oldest has waited for all that can be gained',
      over: { batchTime: { baseMs: 8, perJobMs: 0.5 } },
      now: 8,
      size: 2,
    },
    { when: 'the oldest has waited its delay', over: {}, now: 100, size: 2 },
    { when: 'the oldest waited longer, behind busy workers', over: {}, now: 5000, size: 2 },
    { when: 'a job would be late', over: { soonestDeadlineAt: 560 }, now: 56, size: 2 },
  ])('sends when $when', ({ over, now, size }) => {
    expect(planBatch({ ...holding, ...over }, limits, now)).toEqual({ action: 'send', size });
  });

  it.each([
    { until: 'the delay is over', over: {}, untilAt: 100 },
    { until: 'nothing more can be gained', over: { batchTime: { baseMs: 8, perJobMs: 0.5 } }, untilAt: 8 },
    { until: 'the soonest deadline can just be met', over: { soonestDeadlineAt: 560 }, untilAt: 56 },
  ])('waits until $until', ({ over, untilAt }) => {
    expect(planBatch({ ...holding, ...over }, limits, 7)).toEqual({ action: 'wait', untilAt });
  });

  it('never waits when no delay is allowed', () => {
    const situation = { ...holding, oldestArrivedAt: 7 };
    for (const batching of ['adaptive', 'fixed'] as const)
      expect(planBatch(situation, { ...limits, maxBatchDelayMs: 0, batching }, 7)).toEqual({ action: 'send', size: 2 });
  });

  it('waits for the whole delay with fixed, whatever could be gained, but not for what is full or closed', () => {
    const fixed = { ...limits, batching: 'fixed' as Batching };
    const alone = { ...holding, isAnotherWorkerBusy: false, batchTime: undefined };
    expect(planBatch(alone, fixed, 99)).toEqual({ action: 'wait', untilAt: 100 });
    expect(planBatch(alone, fixed, 100)).toEqual({ action: 'send', size: 2 });
    expect(planBatch({ ...alone, waiting: 4 }, fixed, 0)).toEqual({ action: 'send', size: 4 });
    expect(planBatch({ ...alone, isClosed: true }, fixed, 0)).toEqual({ action: 'send', size: 2 });
  });
});
