import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Connection } from '../../../src/protocol/connection.ts';
import { encodeFrameHead, FrameError, type FrameHeader } from '../../../src/protocol/frame.ts';
import { socketPair } from '../../support/socket-pair.ts';

interface Listener {
  readonly connection: Connection;
  readonly frames: { readonly type: string; readonly parts: readonly string[] }[];
  readonly closings: (Error | undefined)[];
  /** Resolves once so many frames have come. */
  arrived(count: number): Promise<void>;
  closed: Promise<void>;
}

function listen(socket: Socket, onFrame: (header: FrameHeader) => void = () => {}): Listener {
  const frames: Listener['frames'] = [];
  const closings: Listener['closings'] = [];
  let wake = () => {};
  let markClosed = () => {};
  const closed = new Promise<void>((resolve) => {
    markClosed = resolve;
  });
  const connection = new Connection(socket, {
    maxPartBytes: 1_000_000,
    onFrame: (header, parts) => {
      onFrame(header);
      frames.push({ type: header.type, parts: parts.map((part) => Buffer.concat(part).toString()) });
      wake();
    },
    onClose: (error) => {
      closings.push(error);
      markClosed();
    },
  });
  const arrived = async (count: number) => {
    while (frames.length < count)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  return { connection, frames, closings, arrived, closed };
}

describe('a connection', () => {
  let near: Socket;
  let far: Socket;

  beforeEach(async () => {
    ({ near, far } = await socketPair());
  });

  afterEach(() => {
    near.destroy();
    far.destroy();
  });

  it('carries messages and parts both ways', async () => {
    const [here, there] = [listen(near), listen(far)];
    here.connection.send({ type: 'stop' });
    here.connection.sendParts(
      { type: 'predict' },
      [[Buffer.from('ab'), Buffer.from('c')], [], [Buffer.from('d')]],
      [3, 0, 1],
    );
    there.connection.send({ type: 'ready' });
    await Promise.all([here.arrived(1), there.arrived(2)]);
    expect(there.frames).toEqual([
      { type: 'stop', parts: [] },
      { type: 'predict', parts: ['abc', '', 'd'] },
    ]);
    expect(here.frames).toEqual([{ type: 'ready', parts: [] }]);
  });

  it('carries a payload larger than any socket buffer', async () => {
    const [here, there] = [listen(near), listen(far)];
    const big = Buffer.alloc(1_000_000, 'x');
    here.connection.sendParts({ type: 'predict' }, [[big]], [big.length]);
    await there.arrived(1);
    expect(there.frames[0]?.parts[0]).toHaveLength(1_000_000);
  });

  it('tells once, without an error, that the peer has closed', async () => {
    const here = listen(near);
    far.end();
    await here.closed;
    await once(near, 'close');
    expect(here.closings).toEqual([undefined]);
  });

  it('tells that the peer closed inside a frame', async () => {
    const here = listen(near);
    far.end(encodeFrameHead({ type: 'output' }, [5]));
    await here.closed;
    expect(here.closings).toEqual([expect.any(FrameError)]);
  });

  it('hears no more from a peer that sent a bad frame', async () => {
    const here = listen(near);
    far.write(Buffer.concat([Buffer.from('ffffffff', 'hex'), encodeFrameHead({ type: 'ready' }, [])]));
    await here.closed;
    expect(here.closings).toEqual([expect.any(FrameError)]);
    expect(here.frames).toEqual([]);
    expect(near.destroyed).toBe(true);
  });

  it('closes when whoever takes the frames refuses one', async () => {
    const here = listen(near, () => {
      throw new FrameError('unknown type');
    });
    far.write(encodeFrameHead({ type: 'nonsense' }, []));
    await here.closed;
    expect(here.closings).toEqual([new FrameError('unknown type')]);
  });

  it('swallows what is sent after the end', async () => {
    const here = listen(near);
    here.connection.destroy();
    await here.closed;
    here.connection.send({ type: 'stop' });
    here.connection.sendParts({ type: 'predict' }, [[Buffer.from('a')]], [1]);
    expect(here.closings).toEqual([undefined]);
  });
});
