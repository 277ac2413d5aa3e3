// The thread that hears the server while the main thread computes. It answers pings itself, ends the process when the server is gone, and
// posts the rest to the main thread.
import { Socket } from 'node:net';
import { parentPort } from 'node:worker_threads';
import { Connection } from '../protocol/connection.ts';
import type { FrameHeader } from '../protocol/frame.ts';
import type { ControlMessage } from '../protocol/messages.ts';

/** What the main thread is told. */
export type Heard = Exclude<ControlMessage, { readonly type: 'ping' }>;

const CONTROL_DESCRIPTOR = 4;

const connection = new Connection(new Socket({ fd: CONTROL_DESCRIPTOR, readable: true, writable: true }), {
  maxPartBytes: 0,
  onFrame: (header) => obey(header),
  // Not process.exit, which only ends this thread: the main one may be in a call that never returns.
  onClose: () => process.kill(process.pid, 'SIGKILL'),
});

function obey(header: FrameHeader): void {
  // The server is of this worker's own release: its messages are what their type says.
  const message = header as unknown as ControlMessage;
  if (message.type === 'ping') connection.send({ type: 'pong', id: message.id });
  else parentPort?.postMessage(message satisfies Heard);
}
