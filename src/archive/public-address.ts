// Whether an IP address belongs to the public internet. Everything else may be a machine that only this one can reach: the cloud's
// metadata service, a neighbour, the server itself. The lists follow IANA's registries of special-purpose addresses.
import { BlockList, isIP } from 'node:net';

/** IPv4 networks that are not public. */
const RESERVED_IPV4: readonly (readonly [network: string, prefix: number])[] = [
  ['0.0.0.0', 8], // this network, this host
  ['10.0.0.0', 8], // private
  ['100.64.0.0', 10], // shared by carriers; a cloud's metadata lies in it, too
  ['127.0.0.0', 8], // loopback
  ['168.63.129.16', 32], // Azure's platform, seen only from inside its machines
  ['169.254.0.0', 16], // link-local: metadata services
  ['172.16.0.0', 12], // private
  ['192.0.0.0', 24], // protocol assignments
  ['192.0.2.0', 24], // documentation
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16], // private
  ['198.18.0.0', 15], // benchmarks
  ['198.51.100.0', 24], // documentation
  ['203.0.113.0', 24], // documentation
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, and broadcast
];

/** Prefixes of IPv6 addresses that carry an IPv4 address in their last 32 bits and lead to it. */
const CARRIERS = ['::ffff:', '64:ff9b::'] as const;

/** What IPv6 has given out so far; loopback, unique-local, link-local, multicast and the rest lie outside. */
const GIVEN_OUT_IPV6 = ['2000::', 3] as const;

/** Parts of it that are not public. */
const RESERVED_IPV6: readonly (readonly [network: string, prefix: number])[] = [
  ['2001::', 23], // protocol assignments: Teredo, benchmarks, ORCHID
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4: any IPv4 address may be inside
  ['3fff::', 20], // documentation
];

const reserved = new BlockList();
const reachable = new BlockList();

for (const [network, prefix] of RESERVED_IPV4) {
  reserved.addSubnet(network, prefix, 'ipv4');
  for (const carrier of CARRIERS) reserved.addSubnet(`${carrier}${network}`, 96 + prefix, 'ipv6');
}
for (const [network, prefix] of RESERVED_IPV6) reserved.addSubnet(network, prefix, 'ipv6');
for (const carrier of CARRIERS) reachable.addSubnet(`${carrier}0.0.0.0`, 96, 'ipv6');
reachable.addSubnet(...GIVEN_OUT_IPV6, 'ipv6');

/** Whether `address`, as a resolver or a URL gives it (without brackets), is public. What is no address is not. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !reserved.check(address, 'ipv4');
  if (isIP(address) !== 6 || address.includes('%')) return false;
  return reachable.check(address, 'ipv6') && !reserved.check(address, 'ipv6');
}
