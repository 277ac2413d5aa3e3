// What clients of the Open Inference Protocol ask about models: their tensors, and whether they answer. Tensors of requests are read by the
// workers.

import type { ModelSignature } from '../core/model-signature.ts';
import type { RuntimeName } from '../core/model-spec.ts';
import type { Registry } from '../core/registry.ts';

export interface ModelMetadata extends ModelSignature {
  readonly name: string;
  readonly versions: readonly string[];
}

/** What a model runs on, for models that do not say it themselves. */
const PLATFORMS: Readonly<Record<RuntimeName, string>> = { python: 'python', node: 'node', onnx: 'onnxruntime_onnx' };

export class OpenInferenceService {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** Inputs and outputs are empty for a model that does not tell them, and before its first worker is ready. */
  metadata(name: string, label: string | undefined): ModelMetadata {
    const { spec, pool } = this.#registry.resolve(name, label);
    const versions = this.#registry.versionsOf(name).map((version) => version.spec.version);
    const signature = pool.signature() ?? { platform: PLATFORMS[spec.runtime], inputs: [], outputs: [] };
    return { name, versions, ...signature };
  }

  /** Whether a worker of the version takes requests now. */
  isReady(name: string, label: string | undefined): boolean {
    return this.#registry.resolve(name, label).pool.readyWorkers() > 0;
  }
}
