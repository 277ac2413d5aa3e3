// One channel to a peer: frames in, frames out, over a connected socket. Used by both ends.
import type { Duplex } from 'node:stream';
import { encodeFrameHead, encodeSmallFrame, FrameDecoder, FrameError, type FrameHeader, type Part } from './frame.ts';

export interface ConnectionOptions {
  /** A part longer than this is a protocol error. */
  readonly maxPartBytes: number;
  onFrame(header: FrameHeader, parts: readonly Part[]): void;
  /** The channel is of no use any more; called once. The error tells why, undefined after a clean end. */
  onClose(error: Error | undefined): void;
}

const NO_LENGTHS: readonly number[] = [];

/** Parts that are together no longer than this are copied into one buffer with their header; larger ones are never copied. */
const SMALL_PARTS_BYTES = 4 * 1024;

export class Connection {
  readonly #socket: Duplex;
  #isClosed = false;

  constructor(socket: Duplex, options: ConnectionOptions) {
    this.#socket = socket;
    const decoder = new FrameDecoder(options.onFrame, options.maxPartBytes);
    const close = (error: Error | undefined) => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      socket.destroy();
      options.onClose(error);
    };
    socket.on('data', (chunk: Buffer) => {
      if (this.#isClosed) return;
      try {
        decoder.push(chunk);
      } catch (error) {
        close(error instanceof Error ? error : new Error(String(error)));
      }
    });
    // A socket that fails has a peer that ended; how it ended is told by its exit.
    socket.on('error', () => close(undefined));
    socket.on('end', () =>
      close(decoder.isInsideFrame ? new FrameError('the peer closed the channel inside a frame') : undefined),
    );
    socket.on('close', () => close(undefined));
  }

  /** Sends a message without parts. A closed connection swallows it: the peer's end is told by its exit. */
  send(message: object): void {
    if (!this.#isClosed) this.#socket.write(encodeFrameHead(message, NO_LENGTHS));
  }

  /** Sends a message with its parts: header and payload leave in one system call, large payloads uncopied. */
  sendParts(message: object, parts: readonly Part[], partLengths: readonly number[]): void {
    if (this.#isClosed) return;
    const payloadBytes = partLengths.reduce((sum, length) => sum + length, 0);
    if (payloadBytes <= SMALL_PARTS_BYTES) {
      this.#socket.write(encodeSmallFrame(message, parts, partLengths));
      return;
    }
    this.#socket.cork();
    this.#socket.write(encodeFrameHead(message, partLengths));
    for (const part of parts) for (const chunk of part) this.#socket.write(chunk);
    this.#socket.uncork();
  }

  /** Drops the channel at once. */
  destroy(): void {
    this.#socket.destroy();
  }
}
