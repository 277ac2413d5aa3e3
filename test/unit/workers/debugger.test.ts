import { describe, expect, it } from 'vitest';
import { SEQUENCE_HEADERS } from '../../../src/core/sequence-headers.ts';
import { debuggedLaunch, debuggedSpec } from '../../../src/workers/debugger.ts';
import { launchFor } from '../../../src/workers/runtimes.ts';
import { modelSpec } from '../../support/fake-version.ts';
import { servingErrorOf } from '../../support/thrown.ts';

const settings = {
  python: 'python3',
  decodeInput: true,
  sequenceHeaders: SEQUENCE_HEADERS,
  ipex: { isEnabled: false, isEnabledOnGpu: false },
  env: {},
};
const python = launchFor(modelSpec(), settings);
const node = launchFor(modelSpec({ runtime: 'node' }), settings);

describe('the launch of a debugged worker', () => {
  it('runs the Python worker as a module under debugpy', () => {
    const { args, command } = debuggedLaunch(python, { kind: 'debugpy', port: 5678, isWaiting: false });
    expect(command).toBe(python.command);
    expect(args.slice(args.indexOf('-m'))).toEqual([
      ...['-m', 'debugpy', '--listen', '127.0.0.1:5678'],
      ...python.args.slice(python.args.indexOf('-m')),
    ]);
    expect(args.slice(0, python.args.indexOf('-m'))).toEqual(python.args.slice(0, python.args.indexOf('-m')));
  });

  it('lets debugpy wait for a client when asked to', () => {
    const { args } = debuggedLaunch(python, { kind: 'debugpy', port: 5678, isWaiting: true });
    expect(args).toContain('--wait-for-client');
  });

  it('opens the inspector of the Node worker on loopback, waiting or not', () => {
    expect(debuggedLaunch(node, { kind: 'inspector', port: 9229, isWaiting: false }).args).toEqual([
      '--inspect=127.0.0.1:9229',
      ...node.args,
    ]);
    expect(debuggedLaunch(node, { kind: 'inspector', port: 9229, isWaiting: true }).args[0]).toBe(
      '--inspect-wait=127.0.0.1:9229',
    );
  });

  it('is what the table of runtimes gives when there is a debugger', () => {
    const workerDebugger = { kind: 'debugpy', port: 5678, isWaiting: false } as const;
    expect(launchFor(modelSpec(), { ...settings, workerDebugger }).args).toContain('debugpy');
    expect(python.args).not.toContain('debugpy');
  });
});

describe('the settings of a debugged model', () => {
  it('are one worker and no limit of time', () => {
    const spec = modelSpec({ initialMinWorkers: 2, initialMaxWorkers: 4, clientTimeoutMs: 100 });
    expect(debuggedSpec(spec, { kind: 'debugpy', port: 1, isWaiting: false })).toEqual({
      ...spec,
      initialMinWorkers: 1,
      initialMaxWorkers: 1,
      startupTimeoutSec: Infinity,
      responseTimeoutSec: Infinity,
      clientTimeoutMs: 0,
    });
  });

  it.each([
    ['debugpy', 'node', '--inspect'],
    ['inspector', 'python', '--debugpy'],
    ['debugpy', 'onnx', 'no code'],
  ] as const)('are refused for %s and the runtime %s, with a remedy', (kind, runtime, remedy) => {
    const error = servingErrorOf(() => debuggedSpec(modelSpec({ runtime }), { kind, port: 1, isWaiting: false }));
    expect(error.code).toBe('INVALID_PARAMETER');
    expect(error.message).toContain(remedy);
  });
});
