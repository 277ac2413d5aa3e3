// The worker's ends of the two channels. Data is read and written here; control is heard by a thread of its own, because a computing network
// or handler keeps this one from hearing anything.
import { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { Connection, type ConnectionOptions } from '../protocol/connection.ts';
import type { Heard } from './control-thread.ts';

const DATA_DESCRIPTOR = 3;

export interface Channels {
  /** Begins to read the data channel. */
  listen(options: ConnectionOptions): Connection;
  /** Begins to pass on what the control thread heard. */
  hear(listener: (message: Heard) => void): void;
  /** Resolves when everything that was sent has left the process, and sends nothing more. */
  flush(): Promise<void>;
}

/** Ends the process with a hint when the descriptors are not there: then nobody started it as a worker. */
export function openChannels(): Channels {
  let data: Socket;
  try {
    data = new Socket({ fd: DATA_DESCRIPTOR, readable: true, writable: true });
  } catch (error) {
    process.stderr.write(
      `This program is started by the server, which hands it sockets as descriptors 3 and 4: ${String(error)}\n`,
    );
    process.exit(1);
  }
  const control = new Worker(new URL('./control-thread.js', import.meta.url), { name: 'sconce-control' });
  control.on('error', (error) => {
    process.stderr.write(`The control channel failed: ${String(error)}\n`);
    process.exit(1);
  });
  return {
    listen: (options) => new Connection(data, options),
    hear: (listener) => control.on('message', listener),
    flush: () =>
      new Promise((resolve) => {
        if (data.destroyed) resolve();
        else data.end(() => resolve());
      }),
  };
}
