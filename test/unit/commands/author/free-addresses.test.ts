import { createServer } from 'node:net';
import { beforeAll, expect, it } from 'vitest';
import { isPortFree, withFreePorts } from '../../../../src/commands/author/free-addresses.ts';
import { loadConfig } from '../../../../src/config/load-config.ts';
import type { ServerConfig } from '../../../../src/config/server-config.ts';

let config: ServerConfig;

beforeAll(async () => {
  config = await loadConfig({ flags: {}, env: {}, cwd: '/nowhere' });
});

const portOf = ({ inferenceAddress, managementAddress, metricsAddress }: ServerConfig) =>
  [inferenceAddress, managementAddress, metricsAddress].map((address) => 'port' in address && address.port);

it('leaves the default ports where they are free', async () => {
  const free = await withFreePorts(config, async () => true);
  expect(portOf(free)).toEqual([8080, 8081, 8082]);
  expect(free.inferenceAddress).toBe(config.inferenceAddress);
});

it('moves all three together when one of them is taken', async () => {
  const isFree = async (_host: string, port: number) => ![8081, 8090].includes(port);
  expect(portOf(await withFreePorts(config, isFree))).toEqual([8100, 8101, 8102]);
});

it('leaves an address alone that somebody has set', async () => {
  const origins = new Map(config.origins).set('inference_address', 'file');
  const isFree = async (_host: string, port: number) => port > 8089;
  expect(portOf(await withFreePorts({ ...config, origins }, isFree))).toEqual([8080, 8091, 8092]);
});

it('gives up with a remedy when nothing is free', async () => {
  await expect(withFreePorts(config, async () => false)).rejects.toThrow(/set inference_address/);
});

it('knows a port that another listener has', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  expect(await isPortFree('127.0.0.1', port)).toBe(false);
  await new Promise((resolve) => server.close(resolve));
  expect(await isPortFree('127.0.0.1', port)).toBe(true);
});
