// Two hundred registrations and as many farewells: what a server that lives for months must not collect.
import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { makeMarFromFolder } from '../support/archive-forge.ts';
import { createFaultStore } from '../support/fault-model.ts';
import { offspringOf, residentBytes, restingDescriptors, untilNoOffspring } from '../support/processes.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { metricsText, predict, register, unregister } from '../support/serving-client.ts';

const ROUNDS = 200;
const AT_A_TIME = 4;

test('200 rounds of register, predict and unregister leave no process, descriptor or temporary file', {
  timeout: 120_000,
}, async () => {
  const store = await createFaultStore();
  const { folder } = await store.add('fault');
  await makeMarFromFolder(`${store.folder}/fault.mar`, folder);
  const server = await startServer({ modelStore: store.folder });
  try {
    // One round first, so that what is loaded and opened once is not counted.
    await round(server, 'warm');
    const before = { descriptors: await restingDescriptors(server), files: await temporaryFiles(server) };
    const residentBefore = await residentBytes(server.pid);
    let next = 0;
    const lane = async () => {
      while (next < ROUNDS) {
        next += 1;
        await round(server, `round-${next}`);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, lane));
    await untilNoOffspring(server);
    expect({ descriptors: await restingDescriptors(server), files: await temporaryFiles(server) }).toEqual(before);
    const grownBytes = (await residentBytes(server.pid)) - residentBefore;
    // A leak of one unpacked handler, socket buffer or stderr tail for each round would be several times this.
    expect(grownBytes).toBeLessThan(80 * 1024 * 1024);
    const gauges = (await metricsText(server)).match(/^sconce_queue_(waiting|running)\{.*$/gm);
    expect(gauges).toBeNull();
  } finally {
    expect(await server.stop()).toBe(0);
    await store.remove();
  }
  expect(await offspringOf(server)).toEqual([]);
});

async function round(server: TestServer, name: string): Promise<void> {
  const registered = await register(server, 'fault.mar', { model_name: name });
  expect(registered.status, registered.text).toBe(200);
  expect((await predict(server, name, { do: 'echo', value: name })).text).toBe(name);
  expect((await unregister(server, name)).status).toBe(200);
}

async function temporaryFiles(server: TestServer): Promise<string[]> {
  return (await readdir(server.tmp, { recursive: true })).sort();
}
