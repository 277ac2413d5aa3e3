// The name of one request, in its answer, in the log and for the handler.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** What may stand in log lines and headers as it is. */
const CLIENT_REQUEST_ID = /^[\w.:@/+=-]{1,128}$/;

/** The client's own id where it counts and can be used, otherwise a new one. */
export function requestIdOf(request: IncomingMessage, isClientsKept: boolean): string {
  const id = request.headers['x-request-id'];
  return isClientsKept && typeof id === 'string' && CLIENT_REQUEST_ID.test(id) ? id : randomUUID();
}
