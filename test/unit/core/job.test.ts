import { beforeEach, describe, expect, it } from 'vitest';
import { ServingError } from '../../../src/core/errors.ts';
import { Job, type JobKeeper } from '../../../src/core/job.ts';
import { jobRequest, textOf, textPart } from '../../support/jobs.ts';

class Keeper implements JobKeeper {
  readonly abandonedWith: ServingError[] = [];
  readonly takenBytes: number[] = [];
  timesBegun = 0;
  readonly endedWith: (ServingError | undefined)[] = [];

  abandoned(job: Job, error: ServingError): void {
    this.abandonedWith.push(error);
    job.fail(error);
  }

  taken(_job: Job, sizeBytes: number): void {
    this.takenBytes.push(sizeBytes);
  }

  begun(): void {
    this.timesBegun += 1;
  }

  ended(_job: Job, error: ServingError | undefined): void {
    this.endedWith.push(error);
  }
}

describe('a job', () => {
  let keeper: Keeper;
  let job: Job;

  beforeEach(() => {
    keeper = new Keeper();
    job = new Job(1, jobRequest(), 0, Infinity, keeper);
  });

  it('begins once, when a worker has it', () => {
    job.begin();
    expect(keeper.timesBegun).toBe(0);
    job.state = 'held';
    job.begin();
    job.begin();
    expect(job.state).toBe('started');
    expect(keeper.timesBegun).toBe(1);
  });

  it('never begins once it is over', () => {
    job.state = 'held';
    job.abandon();
    job.begin();
    expect(job.state).toBe('ended');
    expect(keeper.timesBegun).toBe(0);
  });

  it('hands a plain answer to the reader that waits for it', async () => {
    const answer = job.next();
    job.deliver(textPart('hello'));
    expect(textOf(await answer)).toBe('hello');
    expect(keeper.endedWith).toEqual([undefined]);
  });

  it('keeps what is delivered before anybody asks, in order', async () => {
    job.deliver(textPart('a', { isLast: false }));
    job.deliver(textPart('b', { isLast: false }));
    job.deliver(textPart('c'));
    expect(textOf(await job.next())).toBe('a');
    expect(textOf(await job.next())).toBe('b');
    expect(textOf(await job.next())).toBe('c');
  });

  it('gives the parts before a failure, and then the failure', async () => {
    const failure = new ServingError('WORKER_DIED', 'gone');
    job.deliver(textPart('a', { isLast: false }));
    job.fail(failure);
    expect(textOf(await job.next())).toBe('a');
    await expect(job.next()).rejects.toBe(failure);
    await expect(job.next()).rejects.toBe(failure);
  });

  it('ignores parts and failures after its end', async () => {
    job.deliver(textPart('the answer'));
    job.deliver(textPart('late'));
    job.fail(new ServingError('WORKER_DIED', 'late'));
    expect(textOf(await job.next())).toBe('the answer');
    expect(keeper.endedWith).toEqual([undefined]);
  });

  it('tells that a part was taken when the next one is asked for, not before', async () => {
    job.deliver(textPart('12345', { isLast: false }));
    await job.next();
    expect(keeper.takenBytes).toEqual([]);
    const second = job.next();
    expect(keeper.takenBytes).toEqual([5]);
    job.deliver(textPart('123', { isLast: false }));
    await second;
    void job.next();
    expect(keeper.takenBytes).toEqual([5, 3]);
  });

  it('asks for no more credit once it has ended', async () => {
    job.deliver(textPart('1', { isLast: false }));
    job.deliver(textPart('2'));
    await job.next();
    await job.next();
    expect(keeper.takenBytes).toEqual([]);
  });

  it('tells its keeper when the reader gives up, with the reason', async () => {
    const reason = new ServingError('DEADLINE_EXCEEDED', 'too late');
    job.abandon(reason);
    expect(keeper.abandonedWith).toEqual([reason]);
    await expect(job.next()).rejects.toBe(reason);
  });

  it('is cancelled when no other reason is given', () => {
    job.abandon();
    expect(keeper.abandonedWith[0]?.code).toBe('CANCELLED');
  });

  it('cannot be abandoned after its end', () => {
    job.deliver(textPart('done'));
    job.abandon();
    expect(keeper.abandonedWith).toEqual([]);
  });

  describe('whose inputs cost room', () => {
    const input = { name: 'body', contentType: '', chunks: [Buffer.from('x')], sizeBytes: 1 };
    let discards = 0;

    beforeEach(() => {
      discards = 0;
      const discard = () => {
        discards += 1;
      };
      job = new Job(1, jobRequest({ inputs: [input], discard }), 0, Infinity, keeper);
    });

    it('discards them once when it is over', () => {
      job.fail(new ServingError('CANCELLED', 'gone'));
      job.fail(new ServingError('CANCELLED', 'gone again'));
      expect([discards, job.request.inputs]).toEqual([1, []]);
    });

    it('keeps them while a worker has it, also when nobody waits for it any more', () => {
      job.hold();
      job.fail(new ServingError('CANCELLED', 'gone'));
      expect([discards, job.request.inputs]).toEqual([0, [input]]);
      job.letGo();
      expect([discards, job.request.inputs]).toEqual([1, []]);
    });

    it('keeps them for the next worker when one has died with it', () => {
      job.hold();
      job.letGo();
      expect([discards, job.request.inputs]).toEqual([0, [input]]);
      job.hold();
      job.deliver(textPart('answer'));
      expect(discards).toBe(0);
      job.letGo();
      expect(discards).toBe(1);
    });
  });
});
