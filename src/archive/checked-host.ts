// From the host of a URL to the addresses that may be connected to: asked for once, every one of them judged. Whoever connects, connects
// to these and asks nobody again, so that a name cannot mean one machine while it is checked and another one after it.
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { isPublicAddress } from './public-address.ts';

export interface HostAddress {
  readonly address: string;
  readonly family: number;
}

/** Gives all addresses of a name, as the system sees them. */
export type Resolver = (hostname: string) => Promise<readonly HostAddress[]>;

export const systemResolver: Resolver = (hostname) => lookup(hostname, { all: true, verbatim: true });

/** A host that leads, or may lead, to an address that is not public. */
export class PrivateHost extends Error {
  constructor(hostname: string, address: string) {
    super(
      address === hostname
        ? `${hostname} is not a public address`
        : `${hostname} leads to ${address}, which is not a public address`,
    );
  }
}

/** The host without the brackets of an IPv6 address. */
export function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

/**
 * Every address of the URL's host. Throws PrivateHost when one of them is not public and `isPrivateAllowed` is false, and what the
 * resolver throws.
 */
export async function checkedAddresses(
  url: URL,
  resolve: Resolver,
  isPrivateAllowed: boolean,
): Promise<readonly HostAddress[]> {
  const host = bareHost(url);
  const family = isIP(host);
  const addresses = family === 0 ? await resolve(host) : [{ address: host, family }];
  const offender = isPrivateAllowed ? undefined : addresses.find(({ address }) => !isPublicAddress(address));
  if (offender !== undefined) throw new PrivateHost(host, offender.address);
  return addresses;
}

/** Names that mean this machine for everybody (RFC 6761), whatever a resolver says. */
export function isLocalName(url: URL): boolean {
  return /(?:^|\.)localhost\.?$/i.test(url.hostname);
}
