// What a listener refuses before any route sees it: URLs and headers beyond all measure; on loopback names that do not mean this machine (DNS
// rebinding); and web pages of other sites that try to reach the management API through somebody's browser.
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { ServingError } from '../core/errors.ts';

/** Request line and headers together; Node's parser keeps it. */
export const MAX_HEAD_BYTES = 16 * 1024;
/** Half of it, so that there is room for headers. */
export const MAX_URL_LENGTH = 8 * 1024;
/** Several times what browsers, proxies and tracing add up to. */
const MAX_HEADERS = 200;

/** Throws URL_TOO_LONG, HEADERS_TOO_LARGE, or MALFORMED_REQUEST where HTTP asks for a Host. */
export function checkHead(request: IncomingMessage): void {
  if ((request.url?.length ?? 0) > MAX_URL_LENGTH)
    throw new ServingError(
      'URL_TOO_LONG',
      `The URL has more than ${MAX_URL_LENGTH} characters; send long values in the body.`,
    );
  if (request.rawHeaders.length > 2 * MAX_HEADERS)
    throw new ServingError('HEADERS_TOO_LARGE', `The request has more than ${MAX_HEADERS} headers.`);
  if (request.headers.host === undefined && request.httpVersionMinor >= 1)
    throw new ServingError('MALFORMED_REQUEST', 'The request has no Host header, which HTTP/1.1 asks for.');
}

/** Throws HOST_NOT_ALLOWED unless the request's Host names this machine. */
export function checkHost(request: IncomingMessage): void {
  const host = request.headers.host;
  if (host === undefined || host === '' || isLocalName(withoutPort(host))) return;
  const message = `The Host header says "${host.slice(0, 200)}", but this listener is on loopback and answers to localhost only.`;
  throw new ServingError('HOST_NOT_ALLOWED', message);
}

/** Throws CROSS_SITE_REQUEST for what a page of another origin makes a browser send. */
export function checkOrigin(request: IncomingMessage): void {
  const { origin, host } = request.headers;
  const site = request.headers['sec-fetch-site'];
  const isForeignOrigin = origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`;
  const isForeignSite = site !== undefined && site !== 'same-origin' && site !== 'none';
  if (!isForeignOrigin && !isForeignSite) return;
  throw new ServingError(
    'CROSS_SITE_REQUEST',
    'A web page of another site sent this request; the management API refuses it.',
  );
}

function withoutPort(host: string): string {
  const bracketed = /^\[(.*)\](?::\d+)?$/.exec(host);
  if (bracketed?.[1] !== undefined) return bracketed[1];
  return host.replace(/:\d*$/, '');
}

function isLocalName(name: string): boolean {
  const lower = name.toLowerCase();
  if (lower === 'localhost' || lower === '::1') return true;
  return isIP(lower) === 4 && lower.startsWith('127.');
}
