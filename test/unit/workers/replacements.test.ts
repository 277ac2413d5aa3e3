import { beforeEach, describe, expect, it } from 'vitest';
import { ServingError } from '../../../src/core/errors.ts';
import { type Replaceable, Replacements } from '../../../src/workers/replacements.ts';
import { Signal } from '../../../src/workers/signal.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { rejectionOf } from '../../support/thrown.ts';

class FakeMember implements Replaceable {
  readonly worker: { readonly id: string; startFailure: ServingError | undefined };
  note = '';
  isReady = false;
  isFailing = false;
  /** What it waits for before it starts. */
  after: Promise<void> | undefined;
  readonly end = new Signal();

  constructor(id: string) {
    this.worker = { id, startFailure: undefined };
  }

  get ended(): Promise<void> {
    return this.end.wait();
  }
}

let clock: FakeClock;
let members: FakeMember[];
let leaving: FakeMember[];
let log: string[];
let maxWorkers: number;
let replacements: Replacements<FakeMember>;
let lastId: number;

function newMember(): FakeMember {
  lastId += 1;
  return new FakeMember(String(lastId));
}

function crew(maxSurge: number): Replacements<FakeMember> {
  return new Replacements<FakeMember>({
    clock,
    maxSurge,
    crew: {
      freePlaces: () => maxWorkers + maxSurge - members.length - replacements.spares.length - leaving.length,
      startLike: (former, after) => {
        const next = newMember();
        next.after = after;
        log.push(`${next.worker.id} starts like ${former.worker.id}${after === undefined ? '' : ' after it'}`);
        return next;
      },
      swap: (former, next) => {
        members = [...members.filter((member) => member !== former), next];
        leaving.push(former);
        log.push(`${next.worker.id} for ${former.worker.id}`);
      },
      discard: (next) => {
        log.push(`${next.worker.id} is discarded`);
      },
      overtaken: () => new ServingError('SCALE_SUPERSEDED', 'overtaken'),
      log: (level, { worker }, message) => {
        if (level === 'warn') log.push(`${worker.id}: ${message}`);
      },
    },
  });
}

/** The newest worker gets ready. */
function ready(member: FakeMember | undefined): void {
  if (member === undefined) throw new Error('no such worker');
  member.isReady = true;
  replacements.review();
}

function fails(member: FakeMember | undefined, why = 'no weights'): void {
  if (member === undefined) throw new Error('no such worker');
  member.isFailing = true;
  member.worker.startFailure = new ServingError('HANDLER_INITIALIZE_FAILED', why);
  replacements.review();
}

function ends(member: FakeMember): void {
  leaving = leaving.filter((other) => other !== member);
  member.end.set();
  replacements.review();
}

beforeEach(() => {
  clock = new FakeClock();
  lastId = 0;
  members = [newMember(), newMember()];
  for (const member of members) member.isReady = true;
  leaving = [];
  log = [];
  maxWorkers = 2;
  replacements = crew(1);
});

const firstTwo = () => members as [FakeMember, FakeMember];

describe('with one worker more for the time of it', () => {
  it('the new worker is ready before the old one goes; who asked hears of it when that is over', async () => {
    const [one] = firstTwo();
    let next: FakeMember | undefined;
    void replacements.replace(one, 'asked for').then((member) => {
      next = member;
    });
    expect(log).toEqual(['3 starts like 1']);
    expect(members.map(({ worker }) => worker.id)).toEqual(['1', '2']);
    expect(one.note).toBe('it is being replaced by worker 3: asked for');
    const [spare] = replacements.spares;
    expect(spare?.note).toBe('it replaces worker 1: asked for');
    ready(spare);
    expect(log.slice(1)).toEqual(['3 for 1']);
    expect([next, replacements.spares, spare?.note]).toEqual([undefined, [], '']);
    ends(one);
    await expect.poll(() => next?.worker.id).toBe('3');
  });

  it('goes from one to the next, when the one before has ended', () => {
    const [one, two] = firstTwo();
    for (const member of [one, two]) void replacements.replace(member, 'aged');
    expect(log).toEqual(['3 starts like 1']);
    ready(replacements.spares[0]);
    expect(log).toEqual(['3 starts like 1', '3 for 1']);
    expect(two.note).toBe('it is to be replaced: aged');
    ends(one);
    expect(log.slice(2)).toEqual(['4 starts like 2']);
  });

  it('replaces one at a time, also where there are places for more', () => {
    maxWorkers = 8;
    for (const member of firstTwo()) replacements.retire(member, 'aged');
    expect(log).toEqual(['3 starts like 1']);
  });

  it('a worker that is being replaced is not replaced once more', async () => {
    const [one] = firstTwo();
    const asked = [replacements.replace(one, 'asked for'), replacements.replace(one, 'aged')];
    ready(replacements.spares[0]);
    ends(one);
    expect((await Promise.all(asked)).map(({ worker }) => worker.id)).toEqual(['3', '3']);
  });

  it('the old worker stays when the new one does not start', async () => {
    const [one] = firstTwo();
    const asked = replacements.replace(one, 'asked for');
    fails(replacements.spares[0]);
    expect((await rejectionOf(asked)).message).toBe('no weights');
    expect(log.slice(1)).toEqual(['1: worker stays: the one that was to replace it did not start', '3 is discarded']);
    expect([members.map(({ worker }) => worker.id), one.note]).toEqual([['1', '2'], '']);
  });

  it('after a failure none is tried unasked for a minute, then for two, until one has started', () => {
    const [one, two] = firstTwo();
    const triesIn = (ms: number) => {
      clock.advance(ms);
      const before = log.length;
      replacements.retire(one, 'aged');
      return log.length > before;
    };
    expect(triesIn(0)).toBe(true);
    fails(replacements.spares[0]);
    expect([triesIn(0), triesIn(59_999), triesIn(1)]).toEqual([false, false, true]);
    fails(replacements.spares[0]);
    expect([triesIn(60_000), triesIn(59_999)]).toEqual([false, false]);
    void replacements.replace(two, 'asked for');
    expect(log.at(-1), 'who asks need not wait').toBe('5 starts like 2');
    ready(replacements.spares[0]);
    ends(two);
    expect(triesIn(1)).toBe(true);
    fails(replacements.spares[0]);
    expect([triesIn(59_999), triesIn(1)]).toEqual([false, true]);
  });

  it('after a failure nobody else is replaced unasked either, until that time is over', () => {
    const [one, other] = firstTwo();
    const lookAgain = () => {
      for (const member of [one, other]) replacements.retire(member, 'aged');
    };
    lookAgain();
    fails(replacements.spares[0]);
    clock.advance(59_999);
    lookAgain();
    expect(log.filter((line) => line.includes('starts'))).toEqual(['3 starts like 1']);
    clock.advance(1);
    lookAgain();
    ready(replacements.spares[0]);
    ends(one);
    replacements.retire(other, 'aged');
    expect(log.filter((line) => line.includes('starts')).at(-1)).toBe('5 starts like 2');
  });

  it('nothing takes the place of a worker that is not wanted any more', async () => {
    const [one, two] = firstTwo();
    const asked = [one, two].map((member) => rejectionOf(replacements.replace(member, 'asked for')));
    replacements.forget(one);
    replacements.forget(two);
    expect((await Promise.all(asked)).map(({ message }) => message)).toEqual(['overtaken', 'overtaken']);
    expect(log).toEqual(['3 starts like 1', '3 is discarded']);
    expect(replacements.spares).toEqual([]);
  });
});

describe('with no worker more', () => {
  beforeEach(() => {
    replacements = crew(0);
  });

  it('the old worker ends before the new one starts, which is wanted from the beginning', async () => {
    const [one] = firstTwo();
    const asked = replacements.replace(one, 'aged');
    expect(log).toEqual(['3 starts like 1 after it', '3 for 1']);
    expect(members.map(({ worker }) => worker.id)).toEqual(['2', '3']);
    expect(replacements.spares).toEqual([]);
    ends(one);
    ready(members[1]);
    expect((await asked).worker.id).toBe('3');
  });

  it('one after the other goes, each when the new one before it is ready', () => {
    const [one, two] = firstTwo();
    for (const member of [one, two]) void replacements.replace(member, 'aged');
    ends(one);
    expect(log).toHaveLength(2);
    ready(members[1]);
    expect(log.slice(2)).toEqual(['4 starts like 2 after it', '4 for 2']);
  });

  it('the new one starts first where the version has fewer workers than it may have', () => {
    maxWorkers = 3;
    const [one] = firstTwo();
    void replacements.replace(one, 'aged');
    expect(log).toEqual(['3 starts like 1']);
  });

  it('who asked is told why the new one does not start; it goes on trying, as every worker', async () => {
    const [one] = firstTwo();
    const asked = rejectionOf(replacements.replace(one, 'aged'));
    ends(one);
    fails(members[1]);
    expect((await asked).message).toBe('no weights');
    expect(log).toEqual(['3 starts like 1 after it', '3 for 1']);
  });
});
