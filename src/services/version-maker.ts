// From what a registration asks for to a version of which nothing has started yet: the archive is opened, its settings are compiled, its
// packages are installed. It knows what is under way; which versions exist is the registry's business, and workers are the pool's.
import type { Archive } from '../archive/archive.ts';
import type { ArchiveStore } from '../archive/archive-store.ts';
import type { ModelSpecInputs } from '../config/model-spec-compiler.ts';
import type { RegisterParameters } from '../config/register-parameters.ts';
import type { ServerConfig } from '../config/server-config.ts';
import { ServingError } from '../core/errors.ts';
import type { LoadProgress } from '../core/load-progress.ts';
import type { ModelSpec, PythonEnvironment } from '../core/model-spec.ts';
import type { ModelVersion } from '../core/model-version.ts';
import { shownUrl } from '../core/shown-url.ts';
import type { PendingDescription } from '../core/version-description.ts';

export interface VersionMakerOptions {
  readonly archives: ArchiveStore;
  readonly config: ServerConfig;
  readonly machine: ModelSpecInputs['machine'];
  /** Follows a registration, from its archive to its workers. The name is as good as it is known at the moment when it is asked for. */
  newProgress(nameOf: () => string, url: string): LoadProgress;
  /** Installs what the model needs; undefined when that is nothing. Throws ENVIRONMENT_FAILED, and the signal's reason. */
  prepareEnvironment(
    spec: ModelSpec,
    progress: LoadProgress,
    signal: AbortSignal,
  ): Promise<PythonEnvironment | undefined>;
  /** Makes queue, scheduler and pool for a version; starts nothing. Fails when no runtime can run it. */
  createVersion(spec: ModelSpec, progress: LoadProgress, releaseArchive: () => Promise<void>): ModelVersion;
  log(level: 'info' | 'warn' | 'error', message: string, details?: object): void;
}

/** What the caller has to say about a version that is being made. */
export interface MakingSteps {
  /** Throws when a version of this name cannot be had, before the long part of the work. */
  check(spec: ModelSpec): void;
  /** Takes the version in, in the step in which it comes to be. What it throws undoes everything. */
  enter(version: ModelVersion): void;
}

interface Pending {
  name: string;
  readonly url: string;
  readonly progress: LoadProgress;
}

export class VersionMaker {
  readonly #options: VersionMakerOptions;
  readonly #pending = new Set<Pending>();
  readonly #making = new Set<Promise<ModelVersion>>();
  readonly #closing = new AbortController();

  constructor(options: VersionMakerOptions) {
    this.#options = options;
  }

  /** Makes a version. Whatever fails, nothing of it stays behind. */
  make(parameters: RegisterParameters, loadedAtStartup: boolean, steps: MakingSteps): Promise<ModelVersion> {
    const url = shownUrl(parameters.url);
    const name = parameters.modelName || nameIn(url);
    const pending: Pending = { name, url, progress: this.#options.newProgress(() => pending.name, url) };
    const making = this.#make(pending, parameters, loadedAtStartup, steps);
    this.#pending.add(pending);
    this.#making.add(making);
    const forget = () => {
      this.#pending.delete(pending);
      this.#making.delete(making);
    };
    making.then(forget, forget);
    return making;
  }

  /** Registrations of this name that have no version yet, in the order in which they came. */
  pendingOf(name: string): PendingDescription[] {
    return [...this.#pending]
      .filter((pending) => pending.name === name)
      .map(({ url, progress }) => ({ name, url, loading: progress.report() }));
  }

  /** Lets no version come to be any more. */
  refuse(): void {
    this.#closing.abort(new ServingError('SERVER_STOPPING', 'The server is shutting down.', { retryAfterSec: 1 }));
  }

  /** Gives up what is being made and closes the archives; resolves when nothing of it is left. Can be called again. */
  async close(): Promise<void> {
    this.refuse();
    await Promise.all([this.#options.archives.close(), Promise.allSettled(this.#making)]);
  }

  async #make(
    pending: Pending,
    parameters: RegisterParameters,
    loadedAtStartup: boolean,
    steps: MakingSteps,
  ): Promise<ModelVersion> {
    const { archives, createVersion, prepareEnvironment } = this.#options;
    const { progress } = pending;
    const { signal } = this.#closing;
    const { sha256, s3SseKms = false } = parameters;
    const archive = await archives.open(parameters.url, { sha256, s3SseKms, progress });
    try {
      const compiled = await this.#compile(archive, parameters, loadedAtStartup);
      pending.name = compiled.name;
      steps.check(compiled);
      signal.throwIfAborted();
      const spec = { ...compiled, environment: await prepareEnvironment(compiled, progress, signal) };
      // Another registration may have taken the place while the packages were installed.
      steps.check(spec);
      signal.throwIfAborted();
      const version = createVersion(spec, progress, () => archive.release());
      steps.enter(version);
      return version;
    } catch (error) {
      await archive.release();
      throw error;
    }
  }

  async #compile(archive: Archive, request: RegisterParameters, loadedAtStartup: boolean): Promise<ModelSpec> {
    const { config, machine, log } = this.#options;
    const { compileModelSpec } = await import('../config/model-spec-compiler.ts');
    const { configText, modelDir, url, manifest } = archive;
    const inputs = {
      manifest,
      configText,
      request,
      server: config,
      dialect: config.dialect,
      machine,
      modelDir,
      url,
      loadedAtStartup,
    };
    const { spec, notices } = await compileModelSpec(inputs);
    for (const notice of notices) log('warn', notice, { model: spec.name, version: spec.version });
    return spec;
  }
}

/** What a model will most likely be called: the last part of its url, without query and ending. */
function nameIn(url: string): string {
  const file = url
    .replace(/[?#].*$/, '')
    .replace(/\/+$/, '')
    .replace(/^.*\//, '');
  return file.replace(/\.(?:mar|model|onnx|tgz|tar\.gz)$/, '');
}
