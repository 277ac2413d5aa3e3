// The far end of a worker's channels, without a process: it says on the real sockets what the test tells it to say, also nonsense.
import type { Socket } from 'node:net';
import { Connection } from '../../src/protocol/connection.ts';
import type { FrameHeader } from '../../src/protocol/frame.ts';
import type { Channels } from '../../src/workers/rank.ts';
import { socketPair } from './socket-pair.ts';

/** A frame that the server sent. */
export interface Heard {
  readonly channel: 'data' | 'control';
  readonly header: FrameHeader;
  readonly parts: readonly string[];
}

export class ScriptedWorker {
  /** The server's ends. */
  readonly channels: Channels;
  readonly heard: Heard[] = [];
  readonly #data: Connection;
  readonly #control: Connection;
  readonly #sockets: readonly Socket[];
  readonly #dataSocket: Socket;
  #wake = () => {};

  private constructor(near: { data: Socket; control: Socket }, far: { data: Socket; control: Socket }) {
    this.channels = near;
    this.#dataSocket = far.data;
    this.#sockets = [near.data, near.control, far.data, far.control];
    this.#data = this.#listen(far.data, 'data');
    this.#control = this.#listen(far.control, 'control');
  }

  static async create(): Promise<ScriptedWorker> {
    const [data, control] = [await socketPair(), await socketPair()];
    return new ScriptedWorker({ data: data.near, control: control.near }, { data: data.far, control: control.far });
  }

  /** The first frame of this type that the server sent, past or future. */
  async hears(type: string): Promise<Heard> {
    for (;;) {
      const found = this.heard.find(({ header }) => header.type === type);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  ready(capacity: number): void {
    this.say({ type: 'ready', capacity, runtime: { name: 'scripted', version: '1' } });
  }

  started(...jobs: readonly number[]): void {
    this.say({ type: 'started', jobs });
  }

  /** Answers each job with its text, as the last part unless `last` says otherwise. */
  output(texts: Readonly<Record<number, string>>, last = true): void {
    const entries = Object.entries(texts);
    const outputs = entries.map(([job]) => ({ job: Number(job), last, as: 'text' }));
    this.say(
      { type: 'output', outputs },
      entries.map(([, text]) => text),
    );
  }

  error(code: string, message: string, over: object = {}): void {
    this.say({ type: 'error', code, message, ...over });
  }

  /** Any message at all. */
  say(message: object, parts: readonly string[] = []): void {
    const bytes = parts.map((part) => Buffer.from(part));
    this.#data.sendParts(
      message,
      bytes.map((part) => [part]),
      bytes.map((part) => part.length),
    );
  }

  /** Any message at all, on the control channel. */
  reply(message: object): void {
    this.#control.send(message);
  }

  /** Bytes that are no frame. */
  babble(bytes: Uint8Array): void {
    this.#dataSocket.write(bytes);
  }

  /** Closes the data channel behind what was said, as the end of a process does. */
  hangUp(): void {
    this.#dataSocket.end();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #listen(socket: Socket, channel: Heard['channel']): Connection {
    return new Connection(socket, {
      maxPartBytes: Number.MAX_SAFE_INTEGER,
      onFrame: (header, parts) => {
        this.heard.push({ channel, header, parts: parts.map((part) => Buffer.concat(part).toString()) });
        this.#wake();
      },
      onClose: () => {},
    });
  }
}
