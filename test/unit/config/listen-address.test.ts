import { describe, expect, it } from 'vitest';
import {
  formatListenAddress,
  isLoopback,
  isSameAddress,
  type ListenAddress,
  parseListenAddress,
} from '../../../src/config/listen-address.ts';

const parse = (text: string): ListenAddress => parseListenAddress(text, 8081);

describe('a listen address', () => {
  it.each([
    ['http://127.0.0.1:8080', { scheme: 'http', host: '127.0.0.1', port: 8080 }],
    ['HTTP://localhost:8080/', { scheme: 'http', host: 'localhost', port: 8080 }],
    ['http://0.0.0.0', { scheme: 'http', host: '0.0.0.0', port: 8081 }],
    ['http://127.0.0.1:0', { scheme: 'http', host: '127.0.0.1', port: 0 }],
    ['http://host:65535', { scheme: 'http', host: 'host', port: 65535 }],
    ['http://[::1]:9', { scheme: 'http', host: '::1', port: 9 }],
    ['unix:/run/sconce.sock', { scheme: 'unix', path: '/run/sconce.sock' }],
    ['unix:///run/sconce.sock', { scheme: 'unix', path: '/run/sconce.sock' }],
  ])('is read from %s', (text, address) => {
    expect(parse(text)).toEqual(address);
  });

  it.each([
    '127.0.0.1:8080',
    'http://',
    'http://:80',
    'http://user@host:80',
    'http://host:80/path',
    'http://host:-1',
    'http://::1:80',
    'ftp://host:80',
    'unix:relative.sock',
    'unix:',
    '',
  ])('is not read from "%s"', (text) => {
    expect(() => parse(text)).toThrow('expected http://host:port, http://[IPv6 address]:port or unix:/path');
  });

  it.each([
    ['http://host:65536', 'expected a port from 0 to 65535'],
    ['http://[127.0.0.1]:80', 'expected an IPv6 address within the brackets'],
    ['https://127.0.0.1:8443', 'this release does not serve TLS yet'],
    [`unix:/${'x'.repeat(107)}`, 'at most 107 bytes'],
  ])('tells what is wrong with %s', (text, problem) => {
    expect(() => parse(text)).toThrow(problem);
  });

  it.each(['http://127.0.0.1:80', 'http://[::1]:80', 'unix:/run/a.sock'])('%s is written as it was read', (text) => {
    expect(formatListenAddress(parse(text))).toBe(text);
  });

  it.each([
    ['http://127.0.0.1:80', true],
    ['http://127.9.9.9:80', true],
    ['http://LOCALHOST:80', true],
    ['http://[::1]:80', true],
    ['http://[0:0:0:0:0:0:0:1]:80', true],
    ['http://[::ffff:127.0.0.1]:80', true],
    ['unix:/run/a.sock', true],
    ['http://0.0.0.0:80', false],
    ['http://[::]:80', false],
    ['http://10.0.0.1:80', false],
    ['http://127.0.0.1.example.com:80', false],
    ['http://my-host:80', false],
  ])('%s is loopback: %s', (text, expected) => {
    expect(isLoopback(parse(text))).toBe(expected);
  });

  it.each([
    ['http://127.0.0.1:80', 'http://127.0.0.1:80', true],
    ['http://Localhost:80', 'http://localhost:80', true],
    ['http://127.0.0.1:80', 'http://127.0.0.1:81', false],
    ['http://127.0.0.1:0', 'http://127.0.0.1:0', false],
    ['unix:/a', 'unix:/a', true],
    ['unix:/a', 'unix:/A', false],
    ['unix:/a', 'http://a:80', false],
  ])('%s and %s are one listener: %s', (one, other, expected) => {
    expect(isSameAddress(parse(one), parse(other))).toBe(expected);
    expect(isSameAddress(parse(other), parse(one))).toBe(expected);
  });
});
