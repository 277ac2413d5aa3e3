import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPublicAddress } from '../../../src/archive/public-address.ts';

const PRIVATE_IPV4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const;

const toNumber = (address: string) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const toText = (value: number) => [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
const hexWord = (value: number) => value.toString(16);

/** Any address of a network that is not public. */
const privateIpv4 = fc
  .constantFrom(...PRIVATE_IPV4)
  .chain(([network, prefix]) => fc.nat(2 ** (32 - prefix) - 1).map((offset) => toNumber(network) + offset));

describe('an IPv4 address', () => {
  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.0',
  ])('%s is public', (address) => expect(isPublicAddress(address)).toBe(true));
  it.each(['169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0', '192.167.255.255', '223.255.255.255'])(
    '%s is public, too',
    (address) => expect(isPublicAddress(address)).toBe(true),
  );

  it('of a private network is not public, bare or inside an IPv6 address', () => {
    fc.assert(
      fc.property(privateIpv4, (value) => {
        const dotted = toText(value);
        const words = `${hexWord(Math.floor(value / 65536))}:${hexWord(value % 65536)}`;
        const spellings = [
          dotted,
          `::ffff:${dotted}`,
          `::ffff:${words}`,
          `0:0:0:0:0:ffff:${words}`,
          `::${dotted}`,
          `64:ff9b::${dotted}`,
          `64:ff9b::${words}`,
          `64:ff9b:1::${words}`,
          `2002:${words}::`,
          `2002:${words}::1`,
          `::ffff:0:${words}`,
        ];
        for (const spelling of spellings) expect(isPublicAddress(spelling), spelling).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});

describe('an IPv6 address', () => {
  it.each(['2606:4700:4700::1111', '2a00:1450:4001::1', '2001:4860:4860::8888', '64:ff9b::8.8.8.8', '::ffff:8.8.8.8'])(
    '%s is public',
    (address) => expect(isPublicAddress(address)).toBe(true),
  );

  it('outside of what has been given out is not public', () => {
    const first = fc.nat(0xffff).filter((word) => word < 0x2000 || word > 0x3fff);
    const rest = fc.array(fc.nat(0xffff), { minLength: 7, maxLength: 7 });
    fc.assert(
      fc.property(first, rest, (word, words) => {
        fc.pre(!(word === 0x64 && words[0] === 0xff9b) && !(word === 0 && words[4] === 0xffff));
        expect(isPublicAddress([word, ...words].map(hexWord).join(':'))).toBe(false);
      }),
    );
  });

  it.each([
    '::',
    '::1',
    'fe80::1',
    'fe80::1%eth0',
    'fc00::1',
    'fd00:ec2::254',
    'ff02::1',
    '2001::1',
    '2001:db8::1',
    '3fff::1',
    '100::1',
    '5f00::1',
    '2001:0:7f00:1::',
  ])('%s is not public', (address) => expect(isPublicAddress(address)).toBe(false));
});

it.each(['', 'localhost', '1.2.3', '0x7f.1', '8.8.8.8 ', '[2606:4700::1]', '8.8.8.8/32'])(
  'what is no address (%s) is not public',
  (text) => expect(isPublicAddress(text)).toBe(false),
);

describe('a URL whose host is a number', () => {
  /** The ways in which inet_aton reads an IPv4 address, which URLs know too. */
  const spelling = fc.record({
    value: privateIpv4,
    parts: fc.integer({ min: 1, max: 4 }),
    bases: fc.array(fc.constantFrom('dec', 'hex', 'HEX', 'oct'), { minLength: 4, maxLength: 4 }),
    zeros: fc.nat(3),
    dot: fc.constantFrom('', '.'),
  });

  it('leads to a private address in whatever spelling it names one', () => {
    fc.assert(
      fc.property(spelling, ({ value, parts, bases, zeros, dot }) => {
        const bytes = toText(value).split('.').map(Number);
        const heads = bytes.slice(0, parts - 1);
        const tail = value % 2 ** (8 * (5 - parts));
        const written = [...heads, tail].map((number, index) => {
          if (bases[index] === 'hex') return `0x${'0'.repeat(zeros)}${number.toString(16)}`;
          if (bases[index] === 'HEX') return `0X${'0'.repeat(zeros)}${number.toString(16).toUpperCase()}`;
          return bases[index] === 'oct' ? `0${'0'.repeat(zeros)}${number.toString(8)}` : String(number);
        });
        const host = new URL(`http://${written.join('.')}${dot}/a.mar`).hostname;
        expect(host).toBe(toText(value));
        expect(isPublicAddress(host)).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });
});
