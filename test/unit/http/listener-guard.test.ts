import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { checkHost, checkOrigin } from '../../../src/http/listener-guard.ts';
import { servingErrorOf } from '../../support/thrown.ts';

function requestWith(headers: Readonly<Record<string, string>>): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  request.headers = headers;
  return request;
}

describe('checkHost', () => {
  it.each([
    'localhost',
    'LOCALHOST:8080',
    '127.0.0.1',
    '127.0.0.1:8081',
    '127.8.9.10:1',
    '[::1]',
    '[::1]:8080',
    'localhost:',
    '',
  ])('answers to "%s"', (host) => {
    expect(() => checkHost(requestWith({ host }))).not.toThrow();
  });

  it('answers to a client that names no host', () => {
    expect(() => checkHost(requestWith({}))).not.toThrow();
  });

  it.each([
    'evil.example',
    'evil.example:8081',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '127.0.0.1@evil.example',
    '10.0.0.5:8081',
    '0.0.0.0',
    '128.0.0.1',
    '[::2]',
    '[::ffff:10.0.0.5]',
    'xlocalhost',
    'localhost:80:80',
  ])('does not answer to "%s"', (host) => {
    expect(servingErrorOf(() => checkHost(requestWith({ host }))).code).toBe('HOST_NOT_ALLOWED');
  });

  it('shows no more than a little of the name', () => {
    const { message } = servingErrorOf(() => checkHost(requestWith({ host: 'x'.repeat(10_000) })));
    expect(message.length).toBeLessThan(400);
  });
});

describe('checkOrigin', () => {
  const host = 'localhost:8081';

  it.each<Record<string, string>>([
    {},
    { origin: 'http://localhost:8081' },
    { origin: 'https://localhost:8081' },
    { 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none' },
    { origin: 'http://localhost:8081', 'sec-fetch-site': 'same-origin' },
  ])('lets %o through', (headers) => {
    expect(() => checkOrigin(requestWith({ host, ...headers }))).not.toThrow();
  });

  it.each<Record<string, string>>([
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: '' },
    { origin: 'http://localhost:3000' },
    { origin: 'http://localhost:8081.evil.example' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'http://localhost:8081', 'sec-fetch-site': 'cross-site' },
  ])('refuses %o', (headers) => {
    expect(servingErrorOf(() => checkOrigin(requestWith({ host, ...headers }))).code).toBe('CROSS_SITE_REQUEST');
  });
});
