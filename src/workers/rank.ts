// One process of a worker as its client speaks with it: the two channels, and the heartbeat on one of them. What is said on them is the
// client's business.
import type { Duplex } from 'node:stream';
import type { Clock } from '../core/ports.ts';
import { Connection } from '../protocol/connection.ts';
import type { FrameHeader, Part } from '../protocol/frame.ts';
import { Heartbeat } from './heartbeat.ts';

/** The sockets of one rank. */
export interface Channels {
  readonly data: Duplex;
  readonly control: Duplex;
}

export interface RankOptions {
  /** A longer part of an answer breaks the protocol. */
  readonly maxPartBytes: number;
  readonly clock: Clock;
  /** Whether the worker owes nothing now. */
  isIdle(): boolean;
  onMessage(header: FrameHeader, parts: readonly Part[]): void;
  onReply(header: FrameHeader): void;
  /** The data channel is over; with an error, the protocol was broken. */
  onClose(error: Error | undefined): void;
  /** It broke the protocol on the control channel, or does not answer there. */
  onBroken(why: string): void;
}

export class Rank {
  readonly data: Connection;
  readonly control: Connection;
  readonly #heartbeat: Heartbeat;

  constructor(channels: Channels, options: RankOptions) {
    this.#heartbeat = new Heartbeat({
      clock: options.clock,
      isIdle: options.isIdle,
      ask: (id) => this.control.send({ type: 'ping', id }),
      onSilence: (silentSec) => options.onBroken(`it was idle and has not answered for ${silentSec} s`),
    });
    this.data = new Connection(channels.data, {
      maxPartBytes: options.maxPartBytes,
      onFrame: (header, parts) => {
        this.#heartbeat.heard();
        options.onMessage(header, parts);
      },
      onClose: options.onClose,
    });
    this.control = new Connection(channels.control, {
      maxPartBytes: 0,
      onFrame: (header) => {
        this.#heartbeat.heard();
        options.onReply(header);
      },
      onClose: (error) => {
        if (error !== undefined) options.onBroken(error.message);
      },
    });
  }

  /** From now on it has to answer while it has nothing to do. */
  beginHeartbeat(): void {
    this.#heartbeat.begin();
  }

  endHeartbeat(): void {
    this.#heartbeat.stop();
  }

  /** Drops both channels at once. */
  destroy(): void {
    this.endHeartbeat();
    this.data.destroy();
    this.control.destroy();
  }
}
