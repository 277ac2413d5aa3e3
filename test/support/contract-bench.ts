// What contract tests stand on: a server with a model store of its own, short ways to ask its two ports, and gates at which the puppet
// model (test/fixtures/models/puppet) waits, so that a test decides what is in hand and when it is done.
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, vi } from 'vitest';
import { makeMar, manifestFile } from './archive-forge.ts';
import { type Answer, type Sent, send } from './http-exchange.ts';
import { type ServerOptions, startServer, type TestServer } from './sconce-server.ts';

const PUPPET = fileURLToPath(new URL('../fixtures/models/puppet/puppet_handler.py', import.meta.url));
const NOOP = fileURLToPath(new URL('../fixtures/golden/models/noop-1.0', import.meta.url));
/** For vitest's poll and waitFor: how often to look, and how long a state may take to come on a machine that has much to do. */
export const PATIENCE = { interval: 10, timeout: 20_000 };

/** A version as describe prints it, as far as tests look at it. */
export interface DescribedVersion {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly modelUrl: string;
  readonly runtime: string;
  readonly minWorkers: number;
  readonly maxWorkers: number;
  readonly batchSize: number;
  readonly maxBatchDelay: number;
  readonly responseTimeout: number;
  readonly startupTimeout: number;
  readonly workers: readonly DescribedWorker[];
  readonly jobQueueStatus: { readonly remainingCapacity: number; readonly pendingRequests: number };
}

export interface DescribedWorker {
  readonly id: string;
  readonly status: string;
  readonly gpu: boolean;
  readonly pid?: number;
  readonly state?: string;
}

/** How a puppet loads. */
export interface PuppetLoad {
  /** It waits here. */
  readonly gate?: string;
  /** It raises while this file exists. */
  readonly raise_while?: string;
  /** It ends with this code. */
  readonly exit?: number;
}

export interface PuppetOptions {
  readonly version?: string;
  readonly load?: PuppetLoad;
  /** Text of model-config.yaml. */
  readonly config?: string;
}

/** A place where a puppet waits until the test opens it. */
export interface Gate {
  readonly path: string;
  /** Resolves when somebody stands before it. */
  entered(): Promise<void>;
  open(): Promise<void>;
}

export class ContractBench {
  readonly server: TestServer;
  readonly store: string;
  readonly #folder: string;

  constructor(server: TestServer, folder: string) {
    this.server = server;
    this.#folder = folder;
    this.store = join(folder, 'store');
  }

  manage(method: string, path: string, sent: Omit<Sent, 'method'> = {}): Promise<Answer> {
    return send(this.server.management + path, { ...sent, method });
  }

  infer(path: string, sent: Sent = {}): Promise<Answer> {
    return send(this.server.inference + path, { method: 'POST', ...sent });
  }

  /** A prediction by a puppet, which is told what to do. */
  ask(model: string, what: object, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.infer(`/predictions/${model}`, {
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(what),
    });
  }

  /** `name` or `name/version`. */
  async describe(path: string): Promise<DescribedVersion> {
    const answer = await this.manage('GET', `/models/${path}`);
    expect(answer.status, answer.body).toBe(200);
    const [version] = answer.json() as DescribedVersion[];
    if (version === undefined) throw new Error(`nothing is said of ${path}`);
    return version;
  }

  /** Resolves with the description once it fits. */
  async until(path: string, fits: (version: DescribedVersion) => boolean): Promise<DescribedVersion> {
    return vi.waitFor(async () => {
      const version = await this.describe(path);
      expect(version).toSatisfy(fits);
      return version;
    }, PATIENCE);
  }

  /** Sends a registration that has to succeed. */
  async register(query: string): Promise<Answer> {
    const answer = await this.manage('POST', `/models?${query}`);
    expect(answer.status, answer.body).toBeLessThan(300);
    return answer;
  }

  /** Takes every version of a model away at once, whatever it does. */
  async clear(name: string): Promise<void> {
    const answer = await this.manage('GET', `/models/${name}/all`);
    if (answer.status === 404) return;
    // The default version is described first, and goes last.
    for (const { modelVersion } of (answer.json() as DescribedVersion[]).reverse()) {
      const gone = await this.manage('DELETE', `/models/${name}/${modelVersion}?timeout=0`);
      expect(gone.status, gone.body).toBe(200);
    }
  }

  /** The unpacked archives in the server's cache. */
  async unpackedFolders(): Promise<string[]> {
    const names = await readdir(join(this.server.cache, 'archives')).catch(() => []);
    return names.filter((name) => name !== 'digests' && name !== 'owners');
  }

  /** Puts an archive of the model that answers OK into the store. */
  async addNoop(file: string, name: string, version = '1.0'): Promise<void> {
    const handler = await readFile(join(NOOP, 'noop_handler.py'));
    const manifest = manifestFile({ modelName: name, modelVersion: version, handler: 'noop_handler.py' });
    await makeMar(join(this.store, file), { ...manifest, 'noop_handler.py': handler });
  }

  /** Puts an archive of the model that does as it is told into the store. */
  async addPuppet(file: string, name: string, options: PuppetOptions = {}): Promise<void> {
    const { version = '1.0', load = {}, config } = options;
    const yaml = config === undefined ? {} : { 'model-config.yaml': config };
    const configFile = config === undefined ? {} : { configFile: 'model-config.yaml' };
    await makeMar(join(this.store, file), {
      ...manifestFile({ modelName: name, modelVersion: version, handler: 'puppet_handler.py', ...configFile }),
      'puppet_handler.py': await readFile(PUPPET),
      'load.json': JSON.stringify({ pids: join(this.#folder, 'pids'), ...load }),
      ...yaml,
    });
  }

  gate(): Gate {
    const path = join(this.#folder, `gate-${randomUUID()}`);
    return {
      path,
      entered: () => vi.waitFor(() => expect(existsSync(`${path}.in`)).toBe(true), PATIENCE),
      open: () => writeFile(path, ''),
    };
  }

  /** Processes of puppets that were ever started and are there still. */
  async livingPuppets(): Promise<number[]> {
    const started = await readdir(join(this.#folder, 'pids'));
    return started.map(Number).filter(isAlive);
  }

  async stop(): Promise<void> {
    await this.server.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Starts a server with an empty model store. */
export async function startBench(options: Omit<ServerOptions, 'modelStore'> = {}): Promise<ContractBench> {
  const folder = await mkdtemp(join(tmpdir(), 'sconce-contract-'));
  await mkdir(join(folder, 'store'));
  await mkdir(join(folder, 'pids'));
  const server = await startServer({ ...options, modelStore: join(folder, 'store') });
  return new ContractBench(server, folder);
}

/** Whether a process with this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
