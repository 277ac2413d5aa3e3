import { describe, expect, it } from 'vitest';
import { DIALECTS } from '../../../src/config/dialect.ts';
import { compileModelSpec, type ModelSpecInputs } from '../../../src/config/model-spec-compiler.ts';
import { parseModelsSetting } from '../../../src/config/models-setting.ts';
import type { RegisterParameters } from '../../../src/config/register-parameters.ts';
import type { ModelSpec } from '../../../src/core/model-spec.ts';
import { NO_WORKER_LIMITS } from '../../../src/core/retirement.ts';
import { SEQUENCE_HEADERS } from '../../../src/core/sequence-headers.ts';

interface Case {
  readonly dialect?: 'documented' | 'torchserve';
  readonly yaml?: string;
  readonly request?: Partial<RegisterParameters>;
  readonly models?: Record<string, unknown>;
  readonly server?: Partial<ModelSpecInputs['server']>;
  readonly manifest?: Partial<ModelSpecInputs['manifest']>;
  readonly gpuCount?: number;
  readonly loadedAtStartup?: boolean;
  readonly url?: string;
}

function compile(given: Case): ReturnType<typeof compileModelSpec> {
  const url = given.url ?? 'noop.mar';
  return compileModelSpec({
    manifest: {
      modelName: 'noop',
      modelVersion: '1.11',
      handler: 'noop.py',
      runtime: 'python',
      serializedFile: undefined,
      requirementsFile: undefined,
      ...given.manifest,
    },
    configText: given.yaml,
    request: { url, ...given.request },
    server: {
      models: parseModelsSetting(given.models === undefined ? '' : JSON.stringify({ noop: { '1.11': given.models } }))
        .models,
      defaultWorkersPerModel: 0,
      jobQueueSize: 100,
      defaultResponseTimeoutSec: 121,
      defaultStartupTimeoutSec: 122,
      installPyDepPerModel: false,
      defaultServiceHandler: undefined,
      sequenceHeaders: SEQUENCE_HEADERS,
      ...given.server,
    },
    dialect: DIALECTS[given.dialect ?? 'documented'],
    machine: { gpuCount: given.gpuCount ?? 0, cpuCount: 6 },
    modelDir: '/work/models/0',
    url,
    loadedAtStartup: given.loadedAtStartup ?? false,
  });
}

async function spec(given: Case): Promise<ModelSpec> {
  return (await compile(given)).spec;
}

describe('a model about which nobody says anything', () => {
  it('is served with the defaults', async () => {
    expect(await compile({})).toEqual({
      spec: {
        name: 'noop',
        version: '1.11',
        url: 'noop.mar',
        runtime: 'python',
        handler: 'noop.py',
        modelDir: '/work/models/0',
        modelConfig: null,
        requirementsFile: undefined,
        useVenv: false,
        environment: undefined,
        batchSize: 1,
        maxBatchDelayMs: 100,
        batching: 'adaptive',
        responseTimeoutSec: 121,
        startupTimeoutSec: 122,
        queueSize: 100,
        maxRetryTimeoutSec: 300,
        clientTimeoutMs: 0,
        deviceType: 'cpu',
        deviceIds: undefined,
        initialMinWorkers: 0,
        initialMaxWorkers: 0,
        workerLimits: NO_WORKER_LIMITS,
        maxSurge: 1,
        targetQueueMs: 200,
        loadedAtStartup: false,
        sequences: undefined,
        isContinuous: false,
        needsIdleWorker: false,
        retriesOnWorkerDeath: false,
        warmup: [],
      },
      notices: [],
    });
  });

  it('gets the packages that its archive names when the server installs any, and else says which setting does', async () => {
    const manifest = { requirementsFile: 'requirements.txt' };
    const installing = await compile({ manifest, server: { installPyDepPerModel: true } });
    expect(installing).toMatchObject({ spec: { requirementsFile: 'requirements.txt' }, notices: [] });
    const { spec: without, notices } = await compile({ manifest });
    expect(without.requirementsFile).toBeUndefined();
    expect(notices).toEqual([
      'MANIFEST.json: the packages of requirements.txt are not installed; set install_py_dep_per_model=true for that',
    ]);
    const node = await compile({
      manifest: { ...manifest, runtime: 'node' },
      yaml: 'useVenv: true',
      server: { installPyDepPerModel: true },
    });
    expect(node).toMatchObject({ spec: { requirementsFile: undefined, useVenv: false }, notices: [] });
  });

  it('makes batches as its archive says, unless the registration says otherwise, in both dialects', async () => {
    for (const dialect of ['documented', 'torchserve'] as const) {
      expect((await spec({ dialect, yaml: 'batching: fixed' })).batching).toBe('fixed');
      const both = { dialect, yaml: 'batching: fixed', request: { batching: 'adaptive' as const } };
      expect((await spec(both)).batching).toBe('adaptive');
    }
  });

  it('runs in a virtual environment of its own when its configuration says so', async () => {
    expect((await spec({ yaml: 'useVenv: true' })).useVenv).toBe(true);
    await expect(spec({ yaml: 'useVenv: 1' })).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
      message: 'model-config.yaml: useVenv: expected true or false, found 1',
    });
  });

  it('has version 1.0, the Python runtime and no handler when the manifest is silent too', async () => {
    const manifest = { modelVersion: undefined, handler: undefined, runtime: undefined };
    expect(await spec({ manifest })).toMatchObject({ version: '1.0', runtime: 'python', handler: undefined });
  });

  it.each([
    [{ loadedAtStartup: true }, 6],
    [{ loadedAtStartup: true, gpuCount: 2 }, 2],
    [{ loadedAtStartup: true, server: { defaultWorkersPerModel: 3 } }, 3],
    [{ server: { defaultWorkersPerModel: 3 } }, 3],
    [{ gpuCount: 2 }, 0],
  ])('%j: %i workers in both dialects', async (given, workers) => {
    for (const dialect of ['documented', 'torchserve'] as const) {
      expect(await spec({ ...given, dialect })).toMatchObject({
        initialMinWorkers: workers,
        initialMaxWorkers: workers,
      });
    }
  });
});

describe('whose word counts', () => {
  const yaml = 'batchSize: 2\nmaxBatchDelay: 20\nresponseTimeout: 22\nstartupTimeout: 23\nminWorkers: 1\nmaxWorkers: 2';
  const models = {
    batchSize: 3,
    maxBatchDelay: 30,
    responseTimeout: 32,
    startupTimeout: 33,
    minWorkers: 3,
    maxWorkers: 4,
    runtimeType: 'node',
  };
  const request = {
    batchSize: 4,
    maxBatchDelayMs: 40,
    responseTimeoutSec: 42,
    startupTimeoutSec: 43,
    initialWorkers: 5,
    runtime: 'onnx',
  };
  const asRequested = {
    batchSize: 4,
    maxBatchDelayMs: 40,
    responseTimeoutSec: 42,
    startupTimeoutSec: 43,
    initialMinWorkers: 5,
    initialMaxWorkers: 5,
    runtime: 'onnx',
  };

  it('documented: the request, then the archive, then the operator', async () => {
    expect(await spec({ request, yaml, models })).toMatchObject(asRequested);
    expect(await spec({ yaml, models })).toMatchObject({
      batchSize: 2,
      maxBatchDelayMs: 20,
      responseTimeoutSec: 22,
      startupTimeoutSec: 23,
      initialMinWorkers: 1,
      initialMaxWorkers: 2,
      runtime: 'python',
    });
    expect(await spec({ models, manifest: { runtime: undefined } })).toMatchObject({
      batchSize: 3,
      maxBatchDelayMs: 30,
      responseTimeoutSec: 32,
      startupTimeoutSec: 33,
      initialMinWorkers: 3,
      initialMaxWorkers: 4,
      runtime: 'node',
    });
    expect(await spec({ request: { initialWorkers: 0 }, yaml })).toMatchObject({
      initialMinWorkers: 0,
      initialMaxWorkers: 0,
    });
  });

  it('torchserve: the archive over workers and timeouts, the operator over the runtime', async () => {
    expect(await spec({ dialect: 'torchserve', request, yaml, models })).toMatchObject({
      batchSize: 4,
      maxBatchDelayMs: 40,
      responseTimeoutSec: 22,
      startupTimeoutSec: 23,
      initialMinWorkers: 1,
      initialMaxWorkers: 2,
      runtime: 'node',
    });
    expect(await spec({ dialect: 'torchserve', request, models })).toMatchObject({
      batchSize: 4,
      responseTimeoutSec: 32,
      startupTimeoutSec: 33,
      initialMinWorkers: 5,
      initialMaxWorkers: 5,
    });
    expect(await spec({ dialect: 'torchserve', request })).toMatchObject(asRequested);
    expect(await spec({ dialect: 'torchserve', models, loadedAtStartup: true })).toMatchObject({
      initialMinWorkers: 3,
      initialMaxWorkers: 4,
    });
  });

  it('torchserve: an archive that does not mention a timeout leaves it to the caller', async () => {
    expect(await spec({ dialect: 'torchserve', request, yaml: 'batchSize: 2' })).toMatchObject({
      responseTimeoutSec: 42,
      startupTimeoutSec: 43,
    });
  });

  it.each([
    ['documented', 'minWorkers: 2', 2, 2],
    ['documented', 'maxWorkers: 3', 1, 3],
    ['documented', 'maxWorkers: 0', 0, 0],
    ['documented', 'minWorkers: 0\nmaxWorkers: 3', 0, 3],
    ['torchserve', 'minWorkers: 2', 0, 0],
    ['torchserve', 'maxWorkers: 3', 0, 0],
    ['torchserve', 'minWorkers: 0\nmaxWorkers: 3', 1, 3],
    ['torchserve', 'minWorkers: 3\nmaxWorkers: 2', 0, 0],
  ] as const)('%s: %j starts %i to %i workers', async (dialect, text, min, max) => {
    expect(await spec({ dialect, yaml: text })).toMatchObject({ initialMinWorkers: min, initialMaxWorkers: max });
  });

  it('the archive decides about its queue, unless it says 0', async () => {
    expect((await spec({ yaml: 'jobQueueSize: 5' })).queueSize).toBe(5);
    expect((await spec({ yaml: 'jobQueueSize: 0' })).queueSize).toBe(100);
  });

  it('a batch has at least one request', async () => {
    expect((await spec({ dialect: 'torchserve', request: { batchSize: 0 } })).batchSize).toBe(1);
  });

  it('the request names the handler before the manifest', async () => {
    expect((await spec({ request: { handler: 'mine:run' } })).handler).toBe('mine:run');
  });

  it('tells of an entry in models that is for another version', async () => {
    const { notices } = await compile({ models: { batchSize: 3 }, manifest: { modelVersion: '2.0' } });
    expect(notices).toEqual(['models: "noop" has settings for version 1.11, but none for 2.0']);
  });
});

describe('the name', () => {
  it("is the request's, then the manifest's", async () => {
    expect((await spec({ request: { modelName: 'mine' } })).name).toBe('mine');
    expect((await spec({ request: { modelName: '' } })).name).toBe('noop');
  });

  it.each([
    ['resnet-18.mar', 'resnet_18'],
    ['x.tar.gz', 'x_tar_gz'],
    ['https://host/path/net.v2.mar?sig=a/b', 'net_v2'],
    ['folder/', 'folder'],
    ['old.model', 'old'],
  ])('of a nameless archive is made from %s when it is loaded at start', async (url, name) => {
    expect((await spec({ url, manifest: { modelName: undefined }, loadedAtStartup: true })).name).toBe(name);
  });

  it('must come from somewhere at a registration', async () => {
    await expect(compile({ manifest: { modelName: undefined } })).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
      message:
        'Model name is not defined. The archive has no MANIFEST.json that names the model: register it with model_name=….',
    });
  });

  it('must be one that URLs and logs can carry', async () => {
    await expect(compile({ request: { modelName: '../x' } })).rejects.toMatchObject({
      code: 'INVALID_PARAMETER',
      details: { parameter: 'model_name', value: '../x' },
    });
    await expect(compile({ manifest: { modelName: 'a b' } })).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
  });

  it.each(['a/b', 'all', ''])('goes with a version that can be asked for, so not "%s"', async (modelVersion) => {
    await expect(compile({ manifest: { modelVersion } })).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
      message: expect.stringContaining('model.modelVersion'),
    });
  });
});

describe('the runtime', () => {
  it.each([
    ['documented', 'PYTHON', 'python'],
    ['documented', 'python3', 'python'],
    ['documented', 'Node', 'node'],
    ['documented', 'ONNX', 'onnx'],
    ['torchserve', 'python', 'python'],
    ['torchserve', 'python3', 'python'],
    ['torchserve', 'node', 'node'],
    ['torchserve', 'onnx', 'onnx'],
  ] as const)('%s: %s is %s', async (dialect, runtime, expected) => {
    expect((await spec({ dialect, request: { runtime } })).runtime).toBe(expected);
    expect((await spec({ dialect, manifest: { runtime } })).runtime).toBe(expected);
  });

  it.each([
    ['documented', 'python4'],
    ['documented', 'LSP'],
    ['documented', ''],
    ['documented', '__proto__'],
    ['torchserve', 'PYTHON'],
    ['torchserve', 'ONNX'],
  ] as const)('%s: "%s" is none', async (dialect, runtime) => {
    await expect(compile({ dialect, request: { runtime } })).rejects.toMatchObject({
      code: 'INVALID_RUNTIME',
      message: expect.stringContaining(`Invalid RuntimeType value: ${runtime}. This server has python`),
      details: { parameter: 'runtime', value: runtime },
    });
    await expect(compile({ dialect, manifest: { runtime } })).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
      message: expect.stringMatching(/^Runtime is not defined or invalid: MANIFEST\.json names/),
    });
  });
});

describe('the device', () => {
  it.each([
    ['', 0, 'cpu', undefined],
    ['', 2, 'gpu', undefined],
    ['deviceType: cpu', 2, 'cpu', undefined],
    ['deviceType: gpu', 2, 'gpu', undefined],
    ['deviceIds: [1]', 2, 'gpu', [1]],
    ['deviceType: cpu\ndeviceIds: [1]', 2, 'cpu', undefined],
  ] as const)('%j with %i GPUs is %s %j', async (yaml, gpuCount, deviceType, deviceIds) => {
    expect(await compile({ yaml, gpuCount })).toMatchObject({ spec: { deviceType, deviceIds }, notices: [] });
  });

  it.each(['deviceType: gpu', 'deviceIds: [0]'])('is the CPU without GPUs, and that is told: %s', async (yaml) => {
    expect(await compile({ yaml })).toMatchObject({
      spec: { deviceType: 'cpu', deviceIds: undefined },
      notices: ['model-config.yaml: the model asks for a GPU; none is there, so it runs on the CPU'],
    });
  });

  it('must be there: documented refuses, torchserve ignores the list', async () => {
    const problem = 'model-config.yaml: deviceIds: there is no device 2; this machine offers 0 to 1';
    const given = { yaml: 'deviceIds: [0, 2]', gpuCount: 2 };
    await expect(compile(given)).rejects.toMatchObject({ code: 'MANIFEST_INVALID', message: problem });
    expect(await compile({ ...given, dialect: 'torchserve' })).toMatchObject({
      spec: { deviceType: 'gpu', deviceIds: undefined },
      notices: [`${problem}; the list is ignored`],
    });
  });
});

describe('requests whose worker dies', () => {
  it('are tried again when the archive says so, but never with state that died, too', async () => {
    expect(await compile({ yaml: 'retryOnWorkerDeath: true' })).toMatchObject({
      spec: { retriesOnWorkerDeath: true },
      notices: [],
    });
    expect(await compile({ yaml: 'retryOnWorkerDeath: true\nsequenceBatching: true' })).toMatchObject({
      spec: { retriesOnWorkerDeath: false },
      notices: [expect.stringContaining('"retryOnWorkerDeath" has no effect with sequenceBatching')],
    });
  });
});

describe('a wrong value in model-config.yaml', () => {
  it('refuses the registration in the documented dialect, and is told in the other', async () => {
    const yaml = 'batchSize: four';
    await expect(compile({ yaml })).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
    const { spec: compiled, notices } = await compile({ yaml, dialect: 'torchserve' });
    expect(compiled).toMatchObject({ batchSize: 1, modelConfig: { batchSize: 'four' } });
    expect(notices).toHaveLength(1);
  });
});
