// Ports for a server that somebody starts for a while: the default ones, or the next that are free when another server has them.
import { createServer } from 'node:net';
import { ConfigError } from '../../config/config-error.ts';
import type { ListenAddress } from '../../config/listen-address.ts';
import type { ServerConfig } from '../../config/server-config.ts';

const ADDRESSES = [
  ['inference_address', 'inferenceAddress'],
  ['management_address', 'managementAddress'],
  ['metrics_address', 'metricsAddress'],
] as const;
/** All three move together, so that they stay easy to tell apart. */
const STEP = 10;
const MAX_STEPS = 50;

/**
 * The configuration with ports that can be listened on. Addresses that somebody has set stay as they are. Throws ConfigError when none of the
 * ports is free.
 */
export async function withFreePorts(
  config: ServerConfig,
  isFree: (host: string, port: number) => Promise<boolean> = isPortFree,
): Promise<ServerConfig> {
  const movable = ADDRESSES.filter(([key]) => config.origins.get(key) === 'default');
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const moved = movable.map(([, field]) => [field, movedBy(config[field], step * STEP)] as const);
    const free = await Promise.all(
      moved.map(([, address]) => address.scheme === 'unix' || isFree(address.host, address.port)),
    );
    if (free.every(Boolean)) return { ...config, ...Object.fromEntries(moved) };
  }
  throw new ConfigError('no free ports were found near the default ones; set inference_address and the others');
}

/** Whether this process could listen there. */
export function isPortFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

function movedBy(address: ListenAddress, ports: number): ListenAddress {
  return address.scheme === 'unix' || ports === 0 ? address : { ...address, port: address.port + ports };
}
