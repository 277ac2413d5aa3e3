// Which versions of which models exist, and which version is a name's default. Every change is one synchronous step, so two requests
// can never see or make half of one.
import { ServingError } from './errors.ts';
import type { ModelVersion } from './model-version.ts';

interface Model {
  readonly versions: Map<string, ModelVersion>;
  defaultVersion: string;
}

export class Registry {
  readonly #models = new Map<string, Model>();

  /** Adds a version; the first one of a name becomes its default. A version that exists is refused. */
  add(version: ModelVersion): void {
    const { name, version: label } = version.spec;
    const model = this.#models.get(name);
    if (model === undefined) {
      this.#models.set(name, { versions: new Map([[label, version]]), defaultVersion: label });
      return;
    }
    this.checkFree(name, label);
    model.versions.set(label, version);
  }

  /** Whether there is any version of this name. */
  has(name: string): boolean {
    return this.#models.has(name);
  }

  /** Throws when this version is registered already. */
  checkFree(name: string, label: string): void {
    if (this.#models.get(name)?.versions.has(label) === true) {
      const message = `Model version ${label} is already registered for model ${name}`;
      throw new ServingError('MODEL_ALREADY_REGISTERED', message, { model: name, version: label });
    }
  }

  /** The version asked for, or the default one. */
  resolve(name: string, label: string | undefined): ModelVersion {
    const model = this.#resolveModel(name);
    const version = model.versions.get(label ?? model.defaultVersion);
    if (version === undefined) {
      const message = `Model version: ${label} does not exist for model: ${name}`;
      throw new ServingError('MODEL_VERSION_NOT_FOUND', message, {
        model: name,
        version: label ?? model.defaultVersion,
      });
    }
    return version;
  }

  /** Every version of a name: the default first, the others in the order of their registration. */
  versionsOf(name: string): ModelVersion[] {
    const model = this.#resolveModel(name);
    const others = [...model.versions]
      .filter(([label]) => label !== model.defaultVersion)
      .map(([, version]) => version);
    const first = model.versions.get(model.defaultVersion);
    return first === undefined ? others : [first, ...others];
  }

  /** Every version of every name, in no promised order. */
  all(): ModelVersion[] {
    return [...this.#models.values()].flatMap((model) => [...model.versions.values()]);
  }

  /** The default version of each name, sorted by name (by code unit). */
  defaults(): ModelVersion[] {
    const names = [...this.#models.keys()].sort();
    return names.map((name) => this.resolve(name, undefined));
  }

  setDefault(name: string, label: string): void {
    const model = this.#resolveModel(name);
    if (!model.versions.has(label)) {
      const message = `Model version ${label} does not exist for model ${name}`;
      throw new ServingError('MODEL_VERSION_NOT_FOUND', message, { model: name, version: label });
    }
    model.defaultVersion = label;
  }

  isDefault(version: ModelVersion): boolean {
    return this.#models.get(version.spec.name)?.defaultVersion === version.spec.version;
  }

  /** Takes a version out and returns it. The default version stays while others exist. */
  remove(name: string, label: string | undefined): ModelVersion {
    const version = this.resolve(name, label);
    const model = this.#resolveModel(name);
    if (model.versions.size > 1 && model.defaultVersion === version.spec.version) {
      const message = `Cannot remove default version for model ${name}`;
      throw new ServingError('DEFAULT_VERSION_IN_USE', message, { model: name, version: version.spec.version });
    }
    this.discard(version);
    return version;
  }

  /**
   * Puts `next` in the place of `former` in one step: whoever asks finds one of them, never none and never both. Being the default goes along,
   * also when the label is another. Throws when `former` is not registered any more, or when what `next` is called belongs to a third version.
   */
  replace(former: ModelVersion, next: ModelVersion): void {
    const { name, version: label } = former.spec;
    const model = this.#models.get(name);
    if (model === undefined || model.versions.get(label) !== former) {
      const message = `Version ${label} of model "${name}" was unregistered or replaced in the meantime.`;
      throw new ServingError('MODEL_VERSION_NOT_FOUND', message, { model: name, version: label });
    }
    if (next.spec.name !== name) {
      this.add(next);
      this.discard(former);
      return;
    }
    if (next.spec.version !== label) this.checkFree(name, next.spec.version);
    const versions = [...model.versions.values()].map((version) => (version === former ? next : version));
    model.versions.clear();
    for (const version of versions) model.versions.set(version.spec.version, version);
    if (model.defaultVersion === label) model.defaultVersion = next.spec.version;
  }

  /** Takes out a version whose registration failed; when it was the default, the oldest of the others takes its place. */
  discard(version: ModelVersion): void {
    const { name, version: label } = version.spec;
    const model = this.#models.get(name);
    if (model === undefined || model.versions.get(label) !== version) return;
    model.versions.delete(label);
    const [oldest] = model.versions.keys();
    if (oldest === undefined) this.#models.delete(name);
    else if (model.defaultVersion === label) model.defaultVersion = oldest;
  }

  #resolveModel(name: string): Model {
    const model = this.#models.get(name);
    if (model === undefined) throw new ServingError('MODEL_NOT_FOUND', `Model not found: ${name}`, { model: name });
    return model;
  }
}
