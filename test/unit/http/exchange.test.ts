// What an exchange owes to others while its request arrives.
import { expect, it } from 'vitest';
import { ClientPace } from '../../../src/http/client-pace.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { fakeExchange } from '../../support/fake-exchange.ts';

it('counts a body as arriving until it has been taken over, so that a stop does not overtake a form that is being read', async () => {
  const clock = new FakeClock();
  const pace = new ClientPace({ bodyTimeoutMs: 30_000, minBytesPerSec: 1024 }, clock);
  let takeOver = (_text: string) => {};
  const reading = fakeExchange({ body: 'x=1', pace }).readBody('', (body) => {
    expect(body.sizeBytes).toBe(3);
    return new Promise<string>((resolve) => {
      takeOver = resolve;
    });
  });
  let isOver = false;
  const stopped = pace.untilReceived(10_000).then(() => {
    isOver = true;
  });
  await nextTurn();
  clock.advance(1_000);
  await nextTurn();
  expect(isOver).toBe(false);

  takeOver('a job');
  expect(await reading).toBe('a job');
  clock.advance(1_000);
  await stopped;
});

it('counts a body no longer that could not be taken over', async () => {
  const pace = new ClientPace({ bodyTimeoutMs: 30_000, minBytesPerSec: 1024 }, new FakeClock());
  const reading = fakeExchange({ body: 'x=1', pace }).readBody('', () => Promise.reject(new Error('no form')));
  await expect(reading).rejects.toThrow('no form');
  await pace.untilReceived(10_000);
});

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
