// A worker that a debugger can be attached to: how its process is started, and which of its settings give way. Whether the debugger is
// installed, and whether its port is free, is asked by whoever offers it.
import { ServingError } from '../core/errors.ts';
import type { ModelSpec } from '../core/model-spec.ts';
import type { Launch } from './worker-process.ts';

/** A debugger's wish. */
export interface WorkerDebugger {
  /** debugpy is for Python handlers, inspector (Node's own) for TypeScript and JavaScript. */
  readonly kind: 'debugpy' | 'inspector';
  /** On 127.0.0.1. */
  readonly port: number;
  /** Whether the handler's first line waits until a debugger is attached. */
  readonly isWaiting: boolean;
}

const KIND_OF_RUNTIME = { python: 'debugpy', node: 'inspector', onnx: undefined } as const;
const FLAGS = { debugpy: '--debugpy', inspector: '--inspect' } as const;

/** The same process under the debugger. */
export function debuggedLaunch(launch: Launch, { kind, port, isWaiting }: WorkerDebugger): Launch {
  const address = `127.0.0.1:${port}`;
  if (kind === 'inspector')
    return { ...launch, args: [`--inspect${isWaiting ? '-wait' : ''}=${address}`, ...launch.args] };
  const module = launch.args.indexOf('-m');
  const [options, target] = [launch.args.slice(0, module), launch.args.slice(module)];
  const debugpy = ['-m', 'debugpy', '--listen', address, ...(isWaiting ? ['--wait-for-client'] : [])];
  // Frozen modules have no frames to stop in, and debugpy complains about them.
  return { ...launch, args: [...options, '-Xfrozen_modules=off', ...debugpy, ...target] };
}

/**
 * The settings of a model whose worker somebody steps through: one worker, since the port can be had once, and no limit of time. Throws
 * INVALID_PARAMETER for a model that the debugger is not made for.
 */
export function debuggedSpec(spec: ModelSpec, { kind }: WorkerDebugger): ModelSpec {
  const wanted = KIND_OF_RUNTIME[spec.runtime];
  if (wanted !== kind) {
    const remedy = wanted === undefined ? 'which has no code to step through' : `for which there is ${FLAGS[wanted]}`;
    throw new ServingError(
      'INVALID_PARAMETER',
      `${FLAGS[kind]} cannot be used with the model "${spec.name}": its runtime is ${spec.runtime}, ${remedy}.`,
      { model: spec.name, parameter: FLAGS[kind] },
    );
  }
  return {
    ...spec,
    initialMinWorkers: 1,
    initialMaxWorkers: 1,
    startupTimeoutSec: Infinity,
    responseTimeoutSec: Infinity,
    clientTimeoutMs: 0,
  };
}
