// The model of test/fixtures/models/toiler in a model store, and clients that keep it busy.
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestServer } from './sconce-server.ts';
import { ask } from './serving-client.ts';

const HANDLER = fileURLToPath(new URL('../fixtures/models/toiler/handler.py', import.meta.url));

export interface ToilerOptions {
  readonly model?: string;
  readonly version?: string;
  /** Text of model-config.yaml. */
  readonly config?: string;
  /** A file without which it cannot be loaded. */
  readonly needs?: string;
}

/** What a toiler answers. */
export interface ToilerAnswer {
  readonly status: number;
  /** The whole answer, for a failure. */
  readonly text: string;
  readonly pid: number;
  readonly version: string | null;
  readonly value: unknown;
}

export class ToilerStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Adds a folder that can be registered by its name. */
  async add(name: string, options: ToilerOptions = {}): Promise<void> {
    const folder = join(this.folder, name);
    await mkdir(join(folder, 'MAR-INF'), { recursive: true });
    await cp(HANDLER, join(folder, 'handler.py'));
    const { model = name, version = '1.0', config, needs } = options;
    const configFile = config === undefined ? {} : { configFile: 'model-config.yaml' };
    const described = { modelName: model, modelVersion: version, handler: 'handler.py', ...configFile };
    await writeFile(join(folder, 'MAR-INF', 'MANIFEST.json'), JSON.stringify({ runtime: 'python', model: described }));
    await writeFile(join(folder, 'version'), version);
    if (config !== undefined) await writeFile(join(folder, 'model-config.yaml'), config);
    if (needs !== undefined) await writeFile(join(folder, 'needs'), needs);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

export async function createToilerStore(): Promise<ToilerStore> {
  return new ToilerStore(await mkdtemp(join(tmpdir(), 'sconce-toilers-')));
}

/** One prediction. */
export async function toil(server: TestServer, model: string, asked: object): Promise<ToilerAnswer> {
  const { status, text } = await ask(`${server.inference}/predictions/${model}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(asked),
  });
  const answer = status === 200 ? (JSON.parse(text) as Pick<ToilerAnswer, 'pid' | 'version' | 'value'>) : undefined;
  return { pid: -1, version: null, value: undefined, ...answer, status, text };
}

/** Clients that ask again as soon as they have an answer, each time with a value of its own. */
export class Clients {
  /** Answers that are not the answer to their request, or failures. */
  readonly wrong: ToilerAnswer[] = [];
  readonly pids = new Set<number>();
  answered = 0;
  #asked = 0;
  #isOver = false;
  readonly #loops: readonly Promise<void>[];

  constructor(server: TestServer, model: string, count: number, asked: object = {}, limit = Infinity) {
    const loop = async () => {
      while (!this.#isOver && this.#asked < limit) {
        this.#asked += 1;
        const value = this.#asked;
        const answer = await toil(server, model, { ...asked, value });
        this.answered += 1;
        if (answer.status !== 200 || answer.value !== value) this.wrong.push(answer);
        this.pids.add(answer.pid);
      }
    };
    this.#loops = Array.from({ length: count }, loop);
  }

  /** Resolves when all requests have been answered, those of a limit or those begun so far. */
  async end(): Promise<void> {
    await Promise.all(this.#loops);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.end();
  }
}
