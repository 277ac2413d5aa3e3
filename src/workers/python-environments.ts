// The environments of Python models: which one a model needs, whether it is there already, and that each is built once, also when several
// models or servers ask for it at the same time. How one is built is told in environment-build.
//
//   <folder>/<digest>            a link to the environment that is complete
//   <folder>/<digest>.<random>/  an environment: built under the name that it keeps, since virtual environments cannot be moved
//   <folder>/<digest>.lock       who builds it
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, readlink, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ServingError } from '../core/errors.ts';
import type { ModelSpec, PythonEnvironment } from '../core/model-spec.ts';
import { type Builder, isLeft, lockBuild } from './build-lock.ts';
import { type BuildSettings, buildEnvironment, diskFailure, packagesFolder, venvPython } from './environment-build.ts';
import { probeInterpreter } from './python-interpreter.ts';
import { digestRequirements } from './requirements-digest.ts';

/** Environments that nobody has used for so long are removed. */
const UNUSED_DAYS = 30;
const DAY_MS = 24 * 60 * 60 * 1000;
/** So many are built at a time; others wait. */
const MAX_BUILDS = 2;
/** Raised when environments are built in another way than before. */
const LAYOUT = 'sconce environment 1';

export interface EnvironmentsOptions extends BuildSettings {
  /** An absolute path; made when needed. */
  readonly folder: string;
  readonly builder: Builder;
  log(level: 'info' | 'warn', message: string, details?: object): void;
}

/** What a model asks for. */
export type EnvironmentRequest = Pick<ModelSpec, 'name' | 'version' | 'modelDir' | 'requirementsFile' | 'useVenv'>;

/** A build that some registrations wait for. */
interface Build {
  readonly done: Promise<string>;
  readonly giveUp: AbortController;
  waiting: number;
}

export class PythonEnvironments {
  readonly #options: EnvironmentsOptions;
  readonly #builds = new Map<string, Build>();
  /** Digests of what this server has handed out. */
  readonly #used = new Set<string>();
  readonly #queue = new Set<() => void>();
  #running = 0;

  constructor(options: EnvironmentsOptions) {
    this.#options = options;
    void this.#sweep();
    setInterval(() => void this.#sweep(), DAY_MS).unref();
  }

  /**
   * The environment that a model needs, built when it is not there yet. Throws ENVIRONMENT_FAILED, and the signal's reason; what has been
   * built by then is removed, unless others wait for it.
   */
  async prepare(spec: EnvironmentRequest, signal: AbortSignal): Promise<PythonEnvironment> {
    signal.throwIfAborted();
    const { python, env } = this.#options;
    const interpreter = await probeInterpreter(python, env, signal);
    const digest = await this.#digestOf(spec, [...interpreter.identity, ...interpreter.siteFolders]);
    const folder = (await this.#find(digest)) ?? (await this.#join(digest, spec, interpreter.siteFolders, signal));
    this.#used.add(digest);
    await this.#touch(digest);
    if (spec.useVenv) return { python: venvPython(folder), sitePackages: undefined };
    return { python: undefined, sitePackages: packagesFolder(folder) };
  }

  async #digestOf(spec: EnvironmentRequest, interpreter: readonly string[]): Promise<string> {
    const { modelDir, requirementsFile, useVenv, name } = spec;
    const digest = createHash('sha256').update(JSON.stringify([LAYOUT, useVenv, interpreter]));
    if (requirementsFile !== undefined) {
      try {
        await digestRequirements(digest, join(modelDir, requirementsFile), modelDir, this.#options.env);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        const message = `MANIFEST.json: model.requirementsFile: ${requirementsFile} ${why}. Pack it into the archive, or correct the name.`;
        throw new ServingError('ENVIRONMENT_FAILED', message, { model: name, value: 'pip' }, error);
      }
    }
    return digest.digest('hex').slice(0, 32);
  }

  /** The folder of a complete environment. */
  async #find(digest: string): Promise<string | undefined> {
    const link = this.#path(digest);
    const target = await readlink(link).catch(() => undefined);
    if (target === undefined) return undefined;
    const folder = this.#path(target);
    if ((await stat(folder).catch(() => undefined)) !== undefined) return folder;
    await rm(link, { force: true });
    return undefined;
  }

  /** Waits for the build of this environment, which it begins unless that has been done. */
  async #join(
    digest: string,
    spec: EnvironmentRequest,
    siteFolders: readonly string[],
    signal: AbortSignal,
  ): Promise<string> {
    const build = this.#builds.get(digest) ?? this.#begin(digest, spec, siteFolders);
    build.waiting += 1;
    let leave = () => {};
    const left = new Promise<never>((_resolve, reject) => {
      leave = () => reject(signal.reason);
    });
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([build.done, left]);
    } catch (error) {
      if (build.waiting === 1) {
        // Whoever comes now begins anew.
        this.#forget(digest, build);
        build.giveUp.abort(error);
        // The caller hears of it when its folder has gone, too.
        await build.done.catch(() => {});
      }
      throw error;
    } finally {
      build.waiting -= 1;
      signal.removeEventListener('abort', leave);
    }
  }

  #begin(digest: string, spec: EnvironmentRequest, siteFolders: readonly string[]): Build {
    const giveUp = new AbortController();
    const done = this.#build(digest, spec, siteFolders, giveUp.signal).catch((error: unknown) => {
      throw diskFailure(spec.name, error);
    });
    const build = { done, giveUp, waiting: 0 };
    this.#builds.set(digest, build);
    const forget = () => this.#forget(digest, build);
    build.done.then(forget, forget);
    return build;
  }

  #forget(digest: string, build: Build): void {
    if (this.#builds.get(digest) === build) this.#builds.delete(digest);
  }

  async #build(
    digest: string,
    spec: EnvironmentRequest,
    siteFolders: readonly string[],
    signal: AbortSignal,
  ): Promise<string> {
    const { folder: root, builder, log } = this.#options;
    const facts = { model: spec.name, version: spec.version, environment: digest };
    await mkdir(root, { recursive: true, mode: 0o700 });
    const isDone = async () => (await this.#find(digest)) !== undefined;
    const onWait = () => log('info', 'another server builds the same environment; waiting for it', facts);
    const unlock = await lockBuild(this.#path(`${digest}.lock`), builder, isDone, onWait, signal);
    const name = `${digest}.${randomBytes(4).toString('hex')}`;
    const folder = this.#path(name);
    try {
      if (unlock === undefined) return await this.#built(digest);
      await this.#turn(signal);
      try {
        await mkdir(folder, { mode: 0o700 });
        await writeFile(join(folder, 'builder'), builder.name);
        const onLine = (line: string) => log('info', line, facts);
        await buildEnvironment(this.#options, { spec, folder, siteFolders, signal, onLine });
        // Fails when another server has been first, in spite of the lock; then that one's environment counts.
        await symlink(name, this.#path(digest)).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'EEXIST') throw error;
          return rm(folder, { recursive: true, force: true });
        });
        return await this.#built(digest);
      } finally {
        this.#turnOver();
      }
    } catch (error) {
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
      throw error;
    } finally {
      await unlock?.();
    }
  }

  async #built(digest: string): Promise<string> {
    const folder = await this.#find(digest);
    if (folder !== undefined) return folder;
    throw new ServingError(
      'ENVIRONMENT_FAILED',
      'The environment was removed while it was built; register the model again.',
    );
  }

  /** Waits until one more build may run; `#turnOver` lets the next one. */
  async #turn(signal: AbortSignal): Promise<void> {
    while (this.#running >= MAX_BUILDS) {
      await new Promise<void>((resolve) => {
        this.#queue.add(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      signal.throwIfAborted();
    }
    this.#running += 1;
  }

  #turnOver(): void {
    this.#running -= 1;
    for (const look of this.#queue) look();
    this.#queue.clear();
  }

  /** Says that an environment is in use. */
  async #touch(digest: string): Promise<void> {
    const now = new Date();
    const folder = await this.#find(digest);
    if (folder !== undefined) await utimes(join(folder, 'builder'), now, now).catch(() => {});
  }

  /** Removes what nobody uses any more, and what builders left that have ended; keeps what this server uses fresh. */
  async #sweep(): Promise<void> {
    for (const digest of this.#used) await this.#touch(digest);
    const names = await readdir(this.#options.folder).catch(() => []);
    for (const name of names) {
      const [digest = '', rest] = name.split('.');
      if (!/^[0-9a-f]{32}$/.test(digest) || rest === undefined) continue;
      await (rest === 'lock' ? this.#sweepLock(name) : this.#sweepFolder(digest, name)).catch(() => {});
    }
  }

  async #sweepLock(name: string): Promise<void> {
    if (await isLeft(this.#path(name), this.#options.builder)) await rm(this.#path(name), { force: true });
  }

  async #sweepFolder(digest: string, name: string): Promise<void> {
    const { builder, log } = this.#options;
    const folder = this.#path(name);
    const mark = join(folder, 'builder');
    const isComplete = (await readlink(this.#path(digest)).catch(() => undefined)) === name;
    const { mtimeMs } = await stat(mark);
    const isUnused = isComplete
      ? Date.now() - mtimeMs > UNUSED_DAYS * DAY_MS
      : !this.#builds.has(digest) && (await builder.isGone(await readFile(mark, 'utf8')));
    if (!isUnused) return;
    if (isComplete) await rm(this.#path(digest), { force: true });
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    log('info', 'an environment that nobody uses was removed', { environment: digest });
  }

  #path(name: string): string {
    return join(this.#options.folder, name);
  }
}
