// Slow clients against a clock that the test moves: who is cut, and who only looks slow.
import { describe, expect, it } from 'vitest';
import { ClientPace, type WaitingAnswer } from '../../../src/http/client-pace.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const SECOND = 1_000;

function bench() {
  const clock = new FakeClock();
  return { clock, pace: new ClientPace({ bodyTimeoutMs: 10 * SECOND, minBytesPerSec: 1_000 }, clock) };
}

/** A body that comes as the test says, and whether it was found too slow. */
function upload(pace: ClientPace, isAwaited = true) {
  const request = { complete: false, readableLength: 0, socket: { bytesRead: 0, destroyed: false } };
  const state = { request, isTooSlow: false };
  const handle = pace.receive(request, isAwaited, () => {
    expect(state.isTooSlow).toBe(false);
    state.isTooSlow = true;
  });
  return Object.assign(state, { handle });
}

/** Lets time go by in which so many bytes come each second. */
function flow(clock: FakeClock, { request }: ReturnType<typeof upload>, seconds: number, bytesPerSec: number): void {
  for (let second = 0; second < seconds; second += 1) {
    request.socket.bytesRead += bytesPerSec;
    clock.advance(SECOND);
  }
}

function answer(writableLength: number) {
  const state = {
    writableFinished: false,
    destroyed: false,
    writableLength,
    socket: {} as object | null,
    timeoutMs: 0,
    setTimeout: (ms: number) => {
      state.timeoutMs = ms;
    },
    destroy: () => {
      state.destroyed = true;
    },
  };
  return state satisfies WaitingAnswer;
}

describe('a body', () => {
  it('that stands still is refused after its timeout, once', () => {
    const { clock, pace } = bench();
    const still = upload(pace);
    clock.advance(9 * SECOND);
    expect(still.isTooSlow).toBe(false);
    clock.advance(2 * SECOND);
    expect(still.isTooSlow).toBe(true);
    clock.advance(60 * SECOND);
    expect(clock.pendingTimers).toBe(0);
  });

  it('that drips is refused, however long it goes on, and one at the rate passes', () => {
    const { clock, pace } = bench();
    const drip = upload(pace);
    const honest = upload(pace);
    for (let second = 0; second < 600; second += 1) {
      drip.request.socket.bytesRead += 500;
      honest.request.socket.bytesRead += 1_000;
      clock.advance(SECOND);
      if (second === 18) expect(drip.isTooSlow).toBe(false);
      if (second === 20) expect(drip.isTooSlow).toBe(true);
    }
    expect(honest.isTooSlow).toBe(false);
  });

  it('may stand still for less than its timeout again and again when it is fast in between, but earns no more than that', () => {
    const { clock, pace } = bench();
    const gusty = upload(pace);
    for (let gust = 0; gust < 5; gust += 1) {
      flow(clock, gusty, 1, 1_000_000);
      flow(clock, gusty, 9, 0);
    }
    expect(gusty.isTooSlow).toBe(false);
    flow(clock, gusty, 2, 0);
    expect(gusty.isTooSlow).toBe(true);
  });

  it('is not called slow while its bytes wait to be read here, nor because the event loop was busy', () => {
    const { clock, pace } = bench();
    const unread = upload(pace);
    unread.request.readableLength = 16_384;
    flow(clock, unread, 60, 0);
    unread.request.readableLength = 0;
    clock.stall(60 * SECOND);
    clock.advance(5 * SECOND);
    expect(unread.isTooSlow).toBe(false);
    clock.advance(10 * SECOND);
    expect(unread.isTooSlow).toBe(true);
  });

  it('that has come, or whose client has gone, is watched no more', () => {
    const { clock, pace } = bench();
    const [whole, gone, taken] = [upload(pace), upload(pace, false), upload(pace)];
    whole.request.complete = true;
    gone.request.socket.destroyed = true;
    pace.received(taken.handle);
    clock.advance(60 * SECOND);
    pace.received(whole.handle);
    clock.advance(2 * SECOND);
    expect([whole, gone, taken].map(({ isTooSlow }) => isTooSlow)).toEqual([false, false, false]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('that an operation waits for is waited for by a stop, for as long as the stop has', async () => {
    const { clock, pace } = bench();
    const awaited = upload(pace);
    upload(pace, false);
    let isOver = false;
    const stopped = pace.untilReceived(5 * SECOND).then(() => {
      isOver = true;
    });
    clock.advance(SECOND);
    await Promise.resolve();
    expect(isOver).toBe(false);
    pace.received(awaited.handle);
    clock.advance(SECOND);
    await stopped;

    upload(pace);
    const late = pace.untilReceived(50);
    for (let step = 0; step < 5; step += 1) {
      clock.advance(20);
      await Promise.resolve();
    }
    await late;
  });
});

describe('an answer', () => {
  it('that nobody takes is left to the timeout of its socket, and cut when its whole time is over', () => {
    const { clock, pace } = bench();
    const waiting = answer(20_000);
    pace.send(waiting);
    clock.advance(SECOND);
    expect(waiting.timeoutMs).toBe(15 * SECOND);
    clock.advance(49 * SECOND);
    expect(waiting.destroyed).toBe(false);
    clock.advance(2 * SECOND);
    expect(waiting.destroyed).toBe(true);
  });

  it('that is taken soon costs no timeout; later, the timeout is taken back, so that a quiet stream lives on', () => {
    const { clock, pace } = bench();
    const [quick, slow] = [answer(20_000), answer(20_000)];
    pace.send(quick);
    pace.send(slow);
    quick.writableLength = 0;
    clock.advance(2 * SECOND);
    expect([quick.timeoutMs, slow.timeoutMs]).toEqual([0, 15 * SECOND]);
    pace.taken(slow);
    expect(slow.timeoutMs).toBe(0);
    clock.advance(120 * SECOND);
    expect([quick.destroyed, slow.destroyed]).toEqual([false, false]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('that waits behind another one on its connection has all its time once it is its turn', () => {
    const { clock, pace } = bench();
    const pipelined = answer(1_000);
    pipelined.socket = null;
    pace.send(pipelined);
    clock.advance(300 * SECOND);
    pipelined.socket = {};
    clock.advance(20 * SECOND);
    expect(pipelined.destroyed).toBe(false);
    clock.advance(15 * SECOND);
    expect(pipelined.destroyed).toBe(true);
  });
});
