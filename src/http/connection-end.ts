// How a connection ends on which not everything was read, or not everything was said.
import type { IncomingMessage, ServerResponse } from 'node:http';

/** How long a client may take to see an answer that comes before it expects one, or the rest of one that has no end. */
const LINGER_MS = 2_000;

/**
 * Sends the last answer of a connection whose request is still arriving, and goes on reading for a moment: closing with unread bytes would
 * reset the connection and take the answer away from a client that is still sending. Its head was written already.
 */
export function answerWhileReading(request: IncomingMessage, response: ServerResponse, text: string): void {
  response.write(text);
  response.flushHeaders();
  const end = () => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, LINGER_MS);
  if (request.readableEnded) {
    end();
    return;
  }
  request.removeAllListeners('data');
  request.on('end', end);
  request.on('close', end);
  request.resume();
}

/** Whether an answer can say where it ends without having told its length: clients of HTTP/1.0 know no chunks. */
export function knowsChunks({ httpVersionMajor, httpVersionMinor }: IncomingMessage): boolean {
  return httpVersionMajor >= 1 && httpVersionMinor >= 1;
}

/**
 * Ends the connection without the mark that an answer is complete, behind what was already written if the client takes it soon. Where the
 * end of the connection is that mark, it is reset.
 */
export function breakOff(response: ServerResponse): void {
  if (!knowsChunks(response.req)) {
    response.socket?.resetAndDestroy();
    return;
  }
  const timer = setTimeout(() => response.destroy(), LINGER_MS);
  response.once('close', () => clearTimeout(timer));
  if (response.destroyed || response.socket === null) response.destroy();
  else response.socket.destroySoon();
}
