// The loop of `sconce dev`: which version answers, what has changed since it was loaded, and one load at a time, of which the last save wins. The
// server does the swapping; what is watched and what is printed where is decided in dev.ts.
import { extname } from 'node:path';
import { ServingError, toServingError } from '../../core/errors.ts';
import type { PhaseReport } from '../../core/load-progress.ts';
import type { RunningServer } from '../../server.ts';
import type { WorkerDebugger } from '../../workers/debugger.ts';
import type { Paint } from '../terminal/paint.ts';
import { duration } from '../terminal/stage-table.ts';
import type { AuthorLog } from './author-log.ts';
import { debuggerPortFree } from './debug-flags.ts';
import { findTarget } from './model-target.ts';

export interface DevSessionOptions {
  /** What the author named. */
  readonly path: string;
  /** Whether that is a file which is the model. */
  readonly isSingleFile: boolean;
  readonly server: RunningServer;
  readonly log: AuthorLog;
  readonly paint: Paint;
  readonly workerDebugger: WorkerDebugger | undefined;
  /** The model answers for the first time. */
  onFirstAnswer(name: string): Promise<void>;
}

/** Saves that follow each other this closely are one. */
const DEBOUNCE_MS = 120;
/** A file that never stops changing holds a reload back no longer than this. */
const MAX_DEBOUNCE_MS = 500;
const DEBUGGER_PATIENCE_MS = 5_000;

/** What authors write by hand. Other files that change while the model loads were most likely written by the load itself. */
const SOURCES = /^\.(?:py|[cm]?[jt]sx?|json|ya?ml|toml)$/;

interface Serving {
  readonly name: string;
  readonly version: string;
}

export class DevSession {
  readonly #options: DevSessionOptions;
  readonly #changed = new Set<string>();
  #firstChangeAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #loading: AbortController | undefined;
  #loop: Promise<void> | undefined;
  #serving: Serving | undefined;
  #hasAnswered = false;
  #isClosed = false;

  constructor(options: DevSessionOptions) {
    this.#options = options;
  }

  /** Loads the model for the first time; resolves when it answers or when it is known why it does not. */
  async start(): Promise<void> {
    this.#loop = this.#work([]);
    await this.#loop;
  }

  /** A file of the folder (or `.`, the folder itself) has changed: the model is loaded again in a moment, and a load that is under way is given up. */
  touched(path: string): void {
    if (this.#isClosed) return;
    const { log, paint, isSingleFile } = this.#options;
    if (this.#loading !== undefined && !isSingleFile && path !== '.' && !SOURCES.test(extname(path))) {
      log.say(
        paint.dim(`  ${path} changed while the model was loading, probably by its own doing; save it again if not`),
      );
      return;
    }
    if (this.#changed.size === 0) this.#firstChangeAt = performance.now();
    this.#changed.add(path);
    if (this.#timer !== undefined && performance.now() - this.#firstChangeAt > MAX_DEBOUNCE_MS) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#saved(), DEBOUNCE_MS);
  }

  /** Gives up what is under way; the server is the caller's to stop. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#loading?.abort();
    await this.#loop;
  }

  #saved(): void {
    this.#timer = undefined;
    if (this.#loading !== undefined) this.#loading.abort();
    else this.#loop = this.#work(this.#takeChanges());
  }

  #takeChanges(): string[] {
    const files = [...this.#changed];
    this.#changed.clear();
    return files;
  }

  /** Loads until nothing has changed meanwhile. */
  async #work(first: readonly string[]): Promise<void> {
    for (let files = first; ; files = this.#takeChanges()) {
      const loading = new AbortController();
      this.#loading = loading;
      await this.#load(files, loading.signal);
      this.#loading = undefined;
      if (this.#isClosed || !loading.signal.aborted) return;
    }
  }

  /** One load, told in words; never rejects. */
  async #load(files: readonly string[], signal: AbortSignal): Promise<void> {
    const { server, log, paint } = this.#options;
    const beganAt = performance.now();
    if (files.length > 0) log.say(`${paint.yellow('↻')} ${paint.bold(listed(files))} changed`);
    try {
      const serving = await log.during(() => this.#replace(signal));
      const tookMs = performance.now() - beganAt;
      this.#serving = serving;
      const { loading } = await server.management.describe(serving.name, serving.version);
      log.say(`${paint.green('✓')} ${serving.name} ${serving.version} answers ${paint.dim(times(tookMs, loading))}`);
      if (!this.#hasAnswered) await this.#options.onFirstAnswer(serving.name);
      this.#hasAnswered = true;
    } catch (error) {
      if (signal.aborted) return;
      const { code, message, details, cause } = toServingError(error);
      const isOurs = error instanceof ServingError && code !== 'INTERNAL';
      const shown = isOurs ? message : String(cause instanceof Error ? cause.message : error);
      log.fail({ message: shown, trace: details.trace, hint: details.hint });
      log.say(paint.dim(`  ${this.#whatAnswers()}; a save loads it again`));
    }
  }

  #whatAnswers(): string {
    const { workerDebugger } = this.#options;
    if (this.#serving === undefined || workerDebugger !== undefined) return 'nothing answers';
    return 'the version before goes on answering';
  }

  /** Puts what the folder holds now in the place of what answers. */
  async #replace(signal: AbortSignal): Promise<Serving> {
    const { path, server, workerDebugger } = this.#options;
    const { parameters } = await findTarget(path);
    const former = await this.#registered();
    if (former !== undefined && workerDebugger === undefined) {
      const { spec } = await server.management.reload(former.name, former.version, signal, parameters);
      return spec;
    }
    if (former !== undefined && workerDebugger !== undefined) {
      // Two workers cannot listen on one port: with a debugger the old one has to go first.
      await server.management.unregister(former.name, former.version, 0);
      await debuggerPortFree(workerDebugger, DEBUGGER_PATIENCE_MS);
    }
    return this.#register(parameters, signal);
  }

  async #register(parameters: Parameters<RunningServer['management']['register']>[0], signal: AbortSignal) {
    const { management } = this.#options.server;
    const giveUp = () => {
      for (const { name } of management.list(1, 0).models) management.unregister(name, undefined, 0).catch(() => {});
    };
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      signal.throwIfAborted();
      const { model } = await management.register({ ...parameters, synchronous: true }, true);
      return { name: model.name, version: model.version };
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  /** The version that answers, unless somebody has taken it away over the Management API. */
  async #registered(): Promise<Serving | undefined> {
    const serving = this.#serving;
    if (serving === undefined) return undefined;
    return this.#options.server.management.describe(serving.name, serving.version).then(
      () => serving,
      () => undefined,
    );
  }
}

function listed(files: readonly string[]): string {
  const shown = files
    .slice(0, 3)
    .map((file) => (file === '.' ? 'the folder' : file))
    .join(', ');
  return files.length > 3 ? `${shown} and ${files.length - 3} more` : shown;
}

function times(tookMs: number, phases: readonly PhaseReport[]): string {
  const each = phases.map(({ phase, tookMs: phaseMs }) => `${phase} ${duration(phaseMs)}`);
  return `after ${duration(tookMs)}${each.length === 0 ? '' : ` (${each.join(', ')})`}`;
}
