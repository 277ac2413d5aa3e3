import { describe, expect, it } from 'vitest';
import { planBatch } from '../../../src/core/batching.ts';

const limits = { batchSize: 4, maxBatchDelayMs: 100 };

describe('planBatch', () => {
  it.each([
    {
      when: 'the batch is full',
      waiting: 4,
      isClosed: false,
      isAnotherWorkerBusy: true,
      now: 0,
      plan: { action: 'send', size: 4 },
    },
    {
      when: 'more wait than fit',
      waiting: 9,
      isClosed: false,
      isAnotherWorkerBusy: true,
      now: 0,
      plan: { action: 'send', size: 4 },
    },
    {
      when: 'no other worker is busy',
      waiting: 1,
      isClosed: false,
      isAnotherWorkerBusy: false,
      now: 0,
      plan: { action: 'send', size: 1 },
    },
    {
      when: 'no later job can join',
      waiting: 2,
      isClosed: true,
      isAnotherWorkerBusy: true,
      now: 0,
      plan: { action: 'send', size: 2 },
    },
    {
      when: 'the oldest has waited its delay',
      waiting: 3,
      isClosed: false,
      isAnotherWorkerBusy: true,
      now: 100,
      plan: { action: 'send', size: 3 },
    },
    {
      when: 'the oldest waited longer, behind busy workers',
      waiting: 2,
      isClosed: false,
      isAnotherWorkerBusy: true,
      now: 5000,
      plan: { action: 'send', size: 2 },
    },
    {
      when: 'there is still time and another worker is busy',
      waiting: 3,
      isClosed: false,
      isAnotherWorkerBusy: true,
      now: 99,
      plan: { action: 'wait', untilAt: 100 },
    },
  ])('$plan.action when $when', ({ waiting, isClosed, isAnotherWorkerBusy, now, plan }) => {
    expect(planBatch({ waiting, isClosed, oldestArrivedAt: 0, isAnotherWorkerBusy }, limits, now)).toEqual(plan);
  });

  it('never waits when no delay is allowed', () => {
    const situation = { waiting: 1, isClosed: false, oldestArrivedAt: 7, isAnotherWorkerBusy: true };
    expect(planBatch(situation, { batchSize: 8, maxBatchDelayMs: 0 }, 7)).toEqual({ action: 'send', size: 1 });
  });
});
