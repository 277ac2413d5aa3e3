// `number_gpu` on a machine with two GPUs, which a stand-in for nvidia-smi lists: how many workers go on a device, one on each, and that
// the rest runs on the CPU.
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type ContractBench, startBench } from '../support/contract-bench.ts';

const NVIDIA_SMI = `#!/bin/sh
case "$*" in
  *--query-gpu=index*) echo 0; echo 1 ;;
  *) echo "12, 34, 5678" ;;
esac
`;

let bench: ContractBench;
let tools: string;

beforeAll(async () => {
  tools = await mkdtemp(join(tmpdir(), 'sconce-tools-'));
  await writeFile(join(tools, 'nvidia-smi'), NVIDIA_SMI);
  await chmod(join(tools, 'nvidia-smi'), 0o755);
  bench = await startBench({ env: { PATH: `${tools}${delimiter}${process.env['PATH']}` } });
  await bench.addPuppet('puppet.mar', 'puppet');
});
afterAll(async () => {
  await bench?.stop();
  await rm(tools, { recursive: true, force: true });
});
beforeEach(async () => {
  await bench.clear('puppet');
  await bench.register('url=puppet.mar');
});

async function scale(query: string): Promise<(number | string)[]> {
  const answer = await bench.manage('PUT', `/models/puppet?${query}&synchronous=true`);
  expect(answer.status, answer.body).toBe(200);
  return devices();
}

/** The device of each worker as its handler sees it; `CPU` for none. */
async function devices(): Promise<(number | string)[]> {
  const { workers } = await bench.describe('puppet');
  const gates = workers.map(() => bench.gate());
  // Each worker holds one request, so each of them is asked.
  const held = gates.map((gate) => bench.ask('puppet', { do: 'hold', gate: gate.path }));
  await Promise.all(gates.map((gate) => gate.entered()));
  await Promise.all(gates.map((gate) => gate.open()));
  const seen = (await Promise.all(held)).map((answer) => answer.json() as { pid: number; gpu: number | null });
  return workers.map(({ pid, gpu }) => {
    const device = seen.find((one) => one.pid === pid)?.gpu ?? 'CPU';
    expect(gpu, 'describe says what the handler sees').toBe(device !== 'CPU');
    return device;
  });
}

test('number_gpu of the workers go on a device of their own, the others on the CPU', async () => {
  expect(await scale('min_worker=3&number_gpu=2')).toEqual([0, 1, 'CPU']);
});

test('number_gpu=0 puts every worker on the CPU', async () => {
  expect(await scale('min_worker=2&number_gpu=0')).toEqual(['CPU', 'CPU']);
});

test('if number_gpu exceeds the GPUs there are, the rest of the workers run on the CPU', async () => {
  expect(await scale('min_worker=4&number_gpu=4')).toEqual([0, 1, 'CPU', 'CPU']);
});

test('number_gpu counts the workers that are on a GPU already', async () => {
  expect(await scale('min_worker=1&number_gpu=1')).toEqual([0]);
  expect(await scale('min_worker=3&number_gpu=2')).toEqual([0, 1, 'CPU']);
});

test('absent, the workers go where the devices are configured: all on the GPUs, spread evenly', async () => {
  expect(await scale('min_worker=3')).toEqual([0, 1, 0]);
});

test('a device that a worker leaves is taken by the next', async () => {
  await scale('min_worker=2&number_gpu=2');
  await scale('min_worker=0');
  expect(await scale('min_worker=1&number_gpu=1')).toEqual([0]);
});

test('a worker that is replaced ends first, and the new one gets its device', async () => {
  await scale('min_worker=2&number_gpu=2');
  const [, second] = (await bench.describe('puppet')).workers;
  const gates = [bench.gate(), bench.gate()];
  const held = gates.map((gate) => bench.ask('puppet', { do: 'hold', gate: gate.path }));
  await Promise.all(gates.map((gate) => gate.entered()));
  const restarted = bench.manage('POST', `/models/puppet/workers/${second?.id}/restart?synchronous=true`);
  const { workers } = await bench.until('puppet', (version) => version.workers[1]?.id !== second?.id);
  expect(workers).toMatchObject([{ gpu: true }, { gpu: true, state: 'starting' }]);
  await Promise.all(gates.map((gate) => gate.open()));
  expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200]);
  expect((await restarted).status).toBe(200);
  expect(await devices()).toEqual([0, 1]);
});

test('describe tells how a worker uses its GPU', async () => {
  await scale('min_worker=1&number_gpu=1');
  const { workers } = await bench.describe('puppet');
  expect(workers[0]).toMatchObject({
    gpu: true,
    gpuUsage: 'gpuId::0 utilization.gpu::12 % utilization.memory::34 % memory.used::5678 MiB',
  });
});

test('a model whose configuration says cpu stays off the GPUs', async () => {
  await bench.clear('puppet');
  await bench.addPuppet('cpu.mar', 'puppet', { config: 'deviceType: cpu\n' });
  await bench.register('url=cpu.mar');
  expect(await scale('min_worker=2&number_gpu=2')).toEqual(['CPU', 'CPU']);
});
