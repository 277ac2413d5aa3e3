// What a listener on loopback refuses before any route sees it: names that do not mean this machine (DNS rebinding), and web pages of other
// sites that try to reach the management API through somebody's browser.
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { ServingError } from '../core/errors.ts';

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
