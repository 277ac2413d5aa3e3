// The `onnx:` section of model-config.yaml.
import type { LoadMessage } from '../protocol/messages.ts';
import { SettingsSection } from './settings-section.ts';

export interface OnnxSettings {
  readonly executionProviders: readonly ('cpu' | 'cuda')[];
  /** Threads that compute one operator. */
  readonly intraOpThreads: number;
  /** Operators that are computed side by side; above 1 they are. */
  readonly interOpThreads: number;
  readonly graphOptimizationLevel: 'disabled' | 'basic' | 'extended' | 'layout' | 'all';
  /** Along which axis requests are joined: one for all tensors, never, or as the names of the model's dimensions say. */
  readonly batchAxis: number | 'none' | 'auto';
}

/** Throws LoadError, naming the setting. */
export function onnxSettings(load: Pick<LoadMessage, 'modelConfig' | 'threads'>): OnnxSettings {
  const section = new SettingsSection('onnx', load.modelConfig?.['onnx'], [
    'executionProviders',
    'intraOpThreads',
    'interOpThreads',
    'graphOptimizationLevel',
    'batchAxis',
  ]);
  const levels = ['disabled', 'basic', 'extended', 'layout', 'all'] as const;
  return {
    executionProviders: section.choices('executionProviders', ['cpu', 'cuda']) ?? ['cpu'],
    intraOpThreads: section.whole('intraOpThreads', 1) ?? load.threads,
    interOpThreads: section.whole('interOpThreads', 1) ?? 1,
    graphOptimizationLevel: section.choice('graphOptimizationLevel', levels) ?? 'all',
    batchAxis: section.wholeOr('batchAxis', 0, ['none', 'auto']) ?? 'auto',
  };
}
