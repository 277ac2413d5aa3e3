// The thread that hears the server while the main thread computes. It answers pings itself, ends the process when the server is gone, and
// passes the rest on: also the next batch, which the main thread finds whole and in one piece when it is done with the one before. Until then
// the batch can be recalled; then this thread gives it back.
import { Socket } from 'node:net';
import { type MessagePort, workerData } from 'node:worker_threads';
import { Connection } from '../protocol/connection.ts';
import type { Part } from '../protocol/frame.ts';
import type { ControlMessage, ControlReply, PredictMessage } from '../protocol/messages.ts';
import { BatchClaims } from './batch-claims.ts';
import { type PackedBatch, packBatch } from './packed-batch.ts';

/** What the main thread is told, in the order in which it was heard. */
export type Heard =
  | Extract<ControlMessage, { readonly type: 'cancel' | 'credit' | 'stop' }>
  | { readonly type: 'batch'; readonly batch: PackedBatch };

/** What this thread is started with. */
export interface ControlThreadData {
  readonly port: MessagePort;
  readonly claimsMemory: SharedArrayBuffer;
}

const CONTROL_DESCRIPTOR = 4;

const { port, claimsMemory } = workerData as ControlThreadData;
const claims = new BatchClaims(claimsMemory);
let lastBatch = 0n;
/** Batches that were passed on and that the main thread had not begun with when this was looked at. */
let waiting: { readonly number: bigint; readonly jobs: readonly number[] }[] = [];

const connection = new Connection(new Socket({ fd: CONTROL_DESCRIPTOR, readable: true, writable: true }), {
  maxPartBytes: Number.MAX_SAFE_INTEGER,
  // The server is of this worker's own release: its messages are what their type says.
  onFrame: (header, parts) => obey(header as unknown as ControlMessage | PredictMessage, parts),
  // Not process.exit, which only ends this thread: the main one may be in a call that never returns.
  onClose: () => process.kill(process.pid, 'SIGKILL'),
});

function obey(message: ControlMessage | PredictMessage, parts: readonly Part[]): void {
  switch (message.type) {
    case 'ping':
      reply({ type: 'pong', id: message.id });
      break;
    case 'recall':
      reply({
        type: 'returned',
        jobs: waiting.filter(({ number }) => claims.claim(number)).flatMap(({ jobs }) => jobs),
      });
      break;
    case 'predict':
      passOn(message, parts);
      break;
    default:
      port.postMessage(message satisfies Heard);
  }
}

function passOn({ jobs }: PredictMessage, parts: readonly Part[]): void {
  lastBatch += 1n;
  waiting = waiting.filter(({ number }) => !claims.isClaimed(number));
  waiting.push({ number: lastBatch, jobs: jobs.map(({ id }) => id) });
  const batch = packBatch(lastBatch, jobs, parts);
  port.postMessage({ type: 'batch', batch } satisfies Heard, [batch.memory]);
}

function reply(message: ControlReply): void {
  connection.send(message);
}
