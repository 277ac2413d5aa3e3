// The worker's ends of the two channels. Data is read and written here; control is heard by a thread of its own, because a computing network
// or handler keeps this one from hearing anything.
import { once } from 'node:events';
import { Socket } from 'node:net';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { Connection, type ConnectionOptions } from '../protocol/connection.ts';
import { BatchClaims } from './batch-claims.ts';
import type { ControlThreadData, Heard } from './control-thread.ts';

const DATA_DESCRIPTOR = 3;

export interface Channels {
  /** Begins to read the data channel. */
  listen(options: ConnectionOptions): Connection;
  /** Begins to pass on what the control thread heard. */
  hear(listener: (message: Heard) => void): void;
  /** Passes on at once what the control thread heard while this one computed. */
  catchUp(): void;
  /** Takes a batch that the control thread heard; false when it has been given back. To be called once for each, in their order. */
  claim(batch: bigint): boolean;
  /** Sends what `say` says in one piece. */
  together<Result>(say: () => Result): Result;
  /** Resolves when everything that was sent has left the process. */
  sent(): Promise<void>;
  /** As `sent`, and nothing more can be sent. */
  flush(): Promise<void>;
}

/** Ends the process with a hint when the descriptors are not there: then nobody started it as a worker. */
export function openChannels(): Channels {
  const data = openData();
  const claims = new BatchClaims();
  const { port1: port, port2 } = new MessageChannel();
  const workerData: ControlThreadData = { port: port2, claimsMemory: claims.memory };
  const control = new Worker(new URL('./control-thread.js', import.meta.url), {
    name: 'sconce-control',
    workerData,
    transferList: [port2],
  });
  control.on('error', (error) => {
    process.stderr.write(`The control channel failed: ${String(error)}\n`);
    process.exit(1);
  });
  let pass: (message: Heard) => void = () => {};
  return {
    listen: (options) => new Connection(data, options),
    hear: (listener) => {
      pass = listener;
      port.on('message', listener);
    },
    catchUp: () => {
      for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
        pass(next.message as Heard);
    },
    claim: (batch) => claims.claim(batch),
    together: (say) => {
      data.cork();
      try {
        return say();
      } finally {
        data.uncork();
      }
    },
    sent: async () => {
      if (data.writableNeedDrain) await once(data, 'drain');
    },
    flush: () =>
      new Promise((resolve) => {
        if (data.destroyed) resolve();
        else data.end(() => resolve());
      }),
  };
}

function openData(): Socket {
  // With this mark, `drain` means that nothing at all is left to be written.
  const options = { fd: DATA_DESCRIPTOR, readable: true, writable: true, writableHighWaterMark: 1 };
  try {
    return new Socket(options);
  } catch (error) {
    process.stderr.write(
      `This program is started by the server, which hands it sockets as descriptors 3 and 4: ${String(error)}\n`,
    );
    process.exit(1);
  }
}
