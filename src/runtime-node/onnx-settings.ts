// The `onnx:` section of model-config.yaml, and what ONNX Runtime is told of it: for networks without code and for those that a handler
// opens.
import type { InferenceSession } from 'onnxruntime-node';
import type { LoadMessage } from '../protocol/messages.ts';
import { SettingsSection } from './settings-section.ts';

export interface OnnxSettings {
  readonly executionProviders: readonly ExecutionProvider[];
  /** Threads that compute one operator. */
  readonly intraOpThreads: number;
  /** Operators that are computed side by side; above 1 they are. */
  readonly interOpThreads: number;
  readonly graphOptimizationLevel: 'disabled' | 'basic' | 'extended' | 'layout' | 'all';
  /** Along which axis requests are joined: one for all tensors, never, or as the names of the model's dimensions say. */
  readonly batchAxis: number | 'none' | 'auto';
}

export type ExecutionProvider = 'cpu' | 'cuda';

/** `absentProviders` are those of a section that names none. Throws LoadError, naming the setting. */
export function onnxSettings(
  load: Pick<LoadMessage, 'modelConfig' | 'threads'>,
  absentProviders: readonly ExecutionProvider[] = ['cpu'],
): OnnxSettings {
  const section = new SettingsSection('onnx', load.modelConfig?.['onnx'], [
    'executionProviders',
    'intraOpThreads',
    'interOpThreads',
    'graphOptimizationLevel',
    'batchAxis',
  ]);
  const levels = ['disabled', 'basic', 'extended', 'layout', 'all'] as const;
  return {
    executionProviders: section.choices('executionProviders', ['cpu', 'cuda']) ?? absentProviders,
    intraOpThreads: section.whole('intraOpThreads', 1) ?? load.threads,
    interOpThreads: section.whole('interOpThreads', 1) ?? 1,
    graphOptimizationLevel: section.choice('graphOptimizationLevel', levels) ?? 'all',
    batchAxis: section.wholeOr('batchAxis', 0, ['none', 'auto']) ?? 'auto',
  };
}

/** The settings in the runtime's own words; `gpuId` is the GPU of the worker, null for none. */
export function sessionOptions(settings: OnnxSettings, gpuId: number | null): InferenceSession.SessionOptions {
  const deviceId = gpuId ?? 0;
  return {
    executionProviders: settings.executionProviders.map((name) => (name === 'cuda' ? { name, deviceId } : name)),
    intraOpNumThreads: settings.intraOpThreads,
    interOpNumThreads: settings.interOpThreads,
    executionMode: settings.interOpThreads > 1 ? 'parallel' : 'sequential',
    graphOptimizationLevel: settings.graphOptimizationLevel,
  };
}
