import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Devices, describeGpu, detectGpus } from '../../../src/workers/devices.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-smi-'));
  vi.stubEnv('PATH', folder);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** Puts a command on PATH that answers as nvidia-smi would. */
async function installSmi(script: string): Promise<void> {
  const file = join(folder, 'nvidia-smi');
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
}

describe('detectGpus', () => {
  it('finds what nvidia-smi lists', async () => {
    await installSmi('printf "0\\n1\\n3\\n"');
    expect(await detectGpus(undefined)).toEqual([0, 1, 3]);
  });

  it('takes no more than the setting allows', async () => {
    await installSmi('printf "0\\n1\\n3\\n"');
    expect(await detectGpus(2)).toEqual([0, 1]);
    expect(await detectGpus(0)).toEqual([]);
  });

  it('finds none on a machine without nvidia-smi, or with one that fails or talks', async () => {
    expect(await detectGpus(undefined)).toEqual([]);
    await installSmi('echo "NVIDIA-SMI has failed because it could not talk to the driver."');
    expect(await detectGpus(undefined)).toEqual([]);
    await installSmi('echo 0; exit 9');
    expect(await detectGpus(undefined)).toEqual([]);
  });
});

describe('describeGpu', () => {
  it('says how much of a device is in use', async () => {
    await installSmi('[ "$1" = "--id=3" ] && echo "17, 5, 1024"');
    expect(await describeGpu(3)).toBe('gpuId::3 utilization.gpu::17 % utilization.memory::5 % memory.used::1024 MiB');
  });

  it('says that it cannot tell', async () => {
    expect(await describeGpu(0)).toBe('failed to obtained gpu usage');
    await installSmi('echo "No devices were found"');
    expect(await describeGpu(0)).toBe('failed to obtained gpu usage');
  });
});

describe('Devices', () => {
  it('gives each worker the device with the fewest workers', () => {
    const devices = new Devices([0, 1, 2]);
    expect([1, 2, 3, 4].map(() => devices.acquire(undefined))).toEqual([0, 1, 2, 0]);
    devices.release(1);
    expect(devices.acquire(undefined)).toBe(1);
  });

  it('counts a further worker on a device that has one', () => {
    const devices = new Devices([0, 1]);
    expect(devices.acquire(undefined)).toBe(0);
    devices.share(0);
    devices.share(undefined);
    expect([1, 2, 3].map(() => devices.acquire(undefined))).toEqual([1, 1, 0]);
  });

  it('gives only devices that the model allows, and the CPU when there is none', () => {
    const devices = new Devices([0, 1, 2]);
    expect([1, 2, 3].map(() => devices.acquire([1, 2, 7]))).toEqual([1, 2, 1]);
    expect(devices.acquire([7])).toBeUndefined();
    expect(new Devices([]).acquire(undefined)).toBeUndefined();
    devices.release(undefined);
  });
});
