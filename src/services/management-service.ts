// The operations of the Management API, without a transport: register, scale, unregister, set-default, describe, list.
import type { Dialect, ScaledModel } from '../config/dialect.ts';
import type { RegisterParameters } from '../config/register-parameters.ts';
import { toServingError } from '../core/errors.ts';
import type { ModelVersion } from '../core/model-version.ts';
import type { Registry } from '../core/registry.ts';
import { shownUrl } from '../core/shown-url.ts';
import type { PendingDescription, VersionDescription } from '../core/version-description.ts';
import { isCode, naming, withModel } from './change-failure.ts';
import { describeVersion } from './describe-version.ts';
import { ModelReload } from './model-reload.ts';
import { type MakingSteps, VersionMaker, type VersionMakerOptions } from './version-maker.ts';

export interface ManagementOptions extends VersionMakerOptions {
  readonly registry: Registry;
  /** The version has gone, with all that belonged to it. */
  onUnregistered(version: ModelVersion): void;
}

/** What became of a registration. */
export interface Registration {
  readonly outcome: 'registered' | 'starting' | 'started';
  readonly model: ScaledModel;
}

/** What a scale request asks; undefined where the caller said nothing. */
export interface ScaleParameters {
  readonly minWorkers: number;
  readonly maxWorkers: number;
  readonly numberGpu: number | undefined;
  readonly synchronous: boolean;
  /** How long work in hand and in the queue may take before surplus workers are ended; Infinity for as long as it takes. */
  readonly drainMs: number;
}

export interface Scaling {
  readonly outcome: 'scaling' | 'scaled';
  readonly model: ScaledModel;
}

export interface ModelPage {
  readonly models: readonly { readonly name: string; readonly url: string }[];
  /** Offset of the next page, undefined on the last one. */
  readonly nextOffset: number | undefined;
}

export class ManagementService {
  readonly #options: ManagementOptions;
  /** Versions that are on their way out, and when they are gone. */
  readonly #leaving = new Map<ModelVersion, Promise<void>>();
  /** What each version was registered with, for making it anew. */
  readonly #requests = new WeakMap<ModelVersion, RegisterParameters>();
  readonly #maker: VersionMaker;
  readonly #reloads: ModelReload;

  constructor(options: ManagementOptions) {
    this.#options = options;
    this.#maker = new VersionMaker(options);
    this.#reloads = new ModelReload({
      registry: options.registry,
      end: (version, drainMs) => this.#end(version, drainMs),
      watch: (change, version, message) => this.#watch(change, version, message),
    });
  }

  /**
   * Registers a version and starts the workers it asks for. Whatever fails, nothing of it stays behind. When a later scale takes over before
   * the workers are ready, the outcome is `starting`: the version is there, and that scale answers for its workers.
   */
  register(parameters: RegisterParameters, loadedAtStartup = false): Promise<Registration> {
    return this.#recorded('registration', { url: shownUrl(parameters.url) }, () =>
      this.#register(parameters, loadedAtStartup),
    );
  }

  async #register(parameters: RegisterParameters, loadedAtStartup: boolean): Promise<Registration> {
    const version = await this.#add(parameters, loadedAtStartup);
    const { name, version: label, initialMinWorkers: minWorkers, initialMaxWorkers: maxWorkers } = version.spec;
    const model = { name, version: label, minWorkers, isVersionNamed: true };
    this.#options.log('info', 'model registered', {
      model: name,
      version: label,
      url: version.spec.url,
      minWorkers,
      maxWorkers,
    });
    if (maxWorkers === 0) return { outcome: 'registered', model };
    const scaling = version.pool.scale({ minWorkers, maxWorkers, numberGpu: undefined, drainMs: 0, onFailure: 'keep' });
    if (!(parameters.synchronous ?? this.#dialect.defaults.isRegistrationSynchronous)) {
      this.#watch(scaling, version, 'workers of a new model did not start');
      return { outcome: 'starting', model };
    }
    try {
      await scaling;
    } catch (error) {
      if (isCode(error, 'SCALE_SUPERSEDED')) return { outcome: 'starting', model };
      // Whoever ends the version already answers for how.
      if (!isCode(error, 'MODEL_STOPPING')) {
        this.#options.registry.discard(version);
        await this.#end(version, 0);
      }
      throw withModel(error, name, label);
    }
    return { outcome: 'started', model };
  }

  /** Changes the number of workers. When synchronous, resolves after all workers have been adjusted. */
  scale(name: string, label: string | undefined, parameters: ScaleParameters): Promise<Scaling> {
    const { minWorkers, maxWorkers } = parameters;
    const facts = { model: name, version: label, minWorkers, maxWorkers };
    return this.#recorded('scaling', facts, () => this.#scale(name, label, parameters));
  }

  async #scale(name: string, label: string | undefined, parameters: ScaleParameters): Promise<Scaling> {
    const { minWorkers, maxWorkers, numberGpu, drainMs } = parameters;
    const version = this.#options.registry.resolve(name, label);
    const model = { name, version: version.spec.version, minWorkers, isVersionNamed: label !== undefined };
    this.#options.log('info', 'scaling workers', { model: name, version: model.version, minWorkers, maxWorkers });
    const onFailure = parameters.synchronous ? this.#dialect.onScaleFailure : 'keep';
    const scaling = version.pool.scale({ minWorkers, maxWorkers, numberGpu, drainMs, onFailure });
    if (!parameters.synchronous) {
      this.#watch(scaling, version, 'scaling did not succeed');
      return { outcome: 'scaling', model };
    }
    await naming(scaling, name, label);
    return { outcome: 'scaled', model };
  }

  /**
   * Opens the version's url again and puts what is there now in its place, with the parameters of its registration or others; see
   * ModelReload.replace. The old version answers until the new one does, also when that fails or `signal` is aborted.
   */
  reload(
    name: string,
    label: string | undefined,
    signal: AbortSignal,
    changed?: RegisterParameters,
  ): Promise<ModelVersion> {
    return this.#recorded('reload', { model: name, version: label }, async () => {
      const former = this.#options.registry.resolve(name, label);
      const parameters = changed ?? this.#requests.get(former) ?? { url: former.spec.url };
      const prepare = () => this.#make(parameters, former.spec.loadedAtStartup, { check: () => {}, enter: () => {} });
      const drainMs = this.#options.config.unregisterModelTimeoutSec * 1000;
      const next = await this.#reloads.replace(former, prepare, drainMs, signal);
      const { name: model, version, url } = next.spec;
      this.#options.log('info', 'model reloaded', { model, version, url });
      return next;
    });
  }

  /** Takes a version away. New requests miss it at once; those it has may take `drainMs`, then they fail. Resolves when all is gone. */
  unregister(name: string, label: string | undefined, drainMs: number | undefined): Promise<void> {
    return this.#recorded('unregistering', { model: name, version: label }, async () => {
      const version = this.#options.registry.remove(name, label);
      await this.#end(version, drainMs ?? this.#options.config.unregisterModelTimeoutSec * 1000);
      this.#options.log('info', 'model unregistered', { model: name, version: version.spec.version });
    });
  }

  /**
   * Has a worker replaced by a fresh one. When synchronous, resolves with the id of that, once it is ready and the old one has ended; else at once,
   * with undefined.
   */
  restartWorker(
    name: string,
    label: string | undefined,
    id: string,
    isSynchronous: boolean,
  ): Promise<string | undefined> {
    return this.#recorded('restarting a worker', { model: name, version: label, worker: id }, async () => {
      const version = this.#options.registry.resolve(name, label);
      const restarted = version.pool.restart(id);
      if (!isSynchronous) {
        this.#watch(restarted, version, 'restarting a worker did not succeed');
        return undefined;
      }
      return naming(restarted, name, label);
    });
  }

  /** Makes a version its model's default; with `waitsUntilReady` as soon as one of its workers is ready, and not at all when none will be. */
  setDefault(name: string, label: string, waitsUntilReady = false): Promise<void> {
    return this.#recorded('changing the default version', { model: name, version: label }, async () => {
      const { registry } = this.#options;
      if (waitsUntilReady) await naming(registry.resolve(name, label).pool.untilReady(), name, label);
      registry.setDefault(name, label);
      this.#options.log('info', 'default version changed', { model: name, version: label });
    });
  }

  /** One version, or the default one. */
  async describe(name: string, label: string | undefined): Promise<VersionDescription> {
    return describeVersion(this.#options.registry, this.#options.registry.resolve(name, label));
  }

  /** Whether any version of this name is there. */
  isRegistered(name: string): boolean {
    return this.#options.registry.all().some(({ spec }) => spec.name === name);
  }

  /** Registrations of this name that are still fetching, unpacking or installing. */
  pending(name: string): PendingDescription[] {
    return this.#maker.pendingOf(name);
  }

  async describeAll(name: string): Promise<VersionDescription[]> {
    const versions = this.#options.registry.versionsOf(name);
    return Promise.all(versions.map((version) => describeVersion(this.#options.registry, version)));
  }

  /** The default versions, sorted by name, from `offset` on. A page that ends exactly at the end names a next one, as clients expect. */
  list(limit: number, offset: number): ModelPage {
    const all = this.#options.registry.defaults();
    const models = all.slice(offset, offset + limit).map(({ spec }) => ({ name: spec.name, url: spec.url }));
    return { models, nextOffset: offset + limit <= all.length ? offset + limit : undefined };
  }

  /** Ends every version; what is queued and in hand may take `drainMs`. */
  async close(drainMs: number): Promise<void> {
    const { registry } = this.#options;
    this.#maker.refuse();
    const reloads = this.#reloads.close();
    const versions = new Set([...registry.all(), ...this.#leaving.keys()]);
    await Promise.all([...versions].map((version) => this.#end(version, drainMs)));
    for (const version of versions) registry.discard(version);
    await Promise.all([reloads, this.#maker.close()]);
  }

  /** For a start that is broken off: what is being registered fails, and so does what comes later. Resolves when nothing of it is left. */
  giveUpPending(): Promise<void> {
    return this.#maker.close();
  }

  /** A change that fails is written down with its true reason, which a dialect may word away. */
  async #recorded<T>(what: string, facts: object, change: () => Promise<T>): Promise<T> {
    try {
      return await change();
    } catch (error) {
      const { code, message } = toServingError(error);
      this.#options.log('warn', `${what} failed`, { ...facts, code, reason: message });
      throw error;
    }
  }

  get #dialect(): Dialect {
    return this.#options.config.dialect;
  }

  /** From a url to a version in the registry; nothing of it has started yet. */
  #add(parameters: RegisterParameters, loadedAtStartup: boolean): Promise<ModelVersion> {
    const { registry } = this.#options;
    return this.#make(parameters, loadedAtStartup, {
      check: (spec) => registry.checkFree(spec.name, spec.version),
      enter: (version) => registry.add(version),
    });
  }

  async #make(parameters: RegisterParameters, loadedAtStartup: boolean, steps: MakingSteps): Promise<ModelVersion> {
    const version = await this.#maker.make(parameters, loadedAtStartup, steps);
    this.#requests.set(version, parameters);
    return version;
  }

  /** Ends a version. When it is on its way out already, only its time to finish is set anew. */
  async #end(version: ModelVersion, drainMs: number): Promise<void> {
    const stopped = version.pool.stop(drainMs);
    const gone = this.#leaving.get(version) ?? this.#release(version, stopped);
    this.#leaving.set(version, gone);
    await gone;
  }

  async #release(version: ModelVersion, stopped: Promise<void>): Promise<void> {
    try {
      await stopped;
      await version.releaseArchive();
    } finally {
      this.#leaving.delete(version);
      this.#options.onUnregistered(version);
    }
  }

  /** Nobody waits for an asynchronous change; its failure belongs in the log. */
  #watch(scaling: Promise<unknown>, { spec }: ModelVersion, message: string): void {
    scaling.catch((error: unknown) => {
      const { code, message: reason } = toServingError(error);
      if (code !== 'SCALE_SUPERSEDED' && code !== 'MODEL_STOPPING')
        this.#options.log('error', message, { model: spec.name, version: spec.version, code, reason });
    });
  }
}
