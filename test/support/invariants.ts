// What must be so after every fault: every request was answered once, nothing is left of processes, descriptors, timers and temporary
// files, gauges are back at zero, and the server serves. The baseline is taken from the same server before.
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, vi } from 'vitest';
import { createFaultStore, type FaultModel, type FaultStore } from './fault-model.ts';
import { offspringOf, restingDescriptors, zombiesOf } from './processes.ts';
import { type ServerOptions, startServer, type TestServer } from './sconce-server.ts';
import { describeModel, metricsText, predict, register, unregister } from './serving-client.ts';

const PROBE = new URL('./server-probe.mjs', import.meta.url).href;
/** How often the server is looked at for its baseline. */
const LOOKS = 4;
const PATIENCE = { timeout: 15_000, interval: 50 };

/** A model that no fault may touch: one worker, always there. */
const BYSTANDER = 'bystander';

/** What only the server's process knows; see server-probe.mjs. */
export interface ProbeState {
  readonly timers: number;
  readonly lagP99Ms: number;
  readonly lagMaxMs: number;
}

interface Rest {
  readonly offspring: number;
  readonly zombies: number;
  readonly descriptors: number;
  readonly timers: number;
  readonly files: readonly string[];
}

const NOTHING: Rest = { offspring: 0, zombies: 0, descriptors: 0, timers: 0, files: [] };

/** A server that is about to be hurt, with a model store and a bystander. */
export class FaultBench {
  readonly server: TestServer;
  readonly store: FaultStore;
  readonly #models = new Set<string>();
  #bystanderPid = 0;
  #baseline: Rest | undefined;

  private constructor(server: TestServer, store: FaultStore) {
    this.server = server;
    this.store = store;
  }

  static async start(options: Omit<ServerOptions, 'modelStore'> = {}): Promise<FaultBench> {
    const store = await createFaultStore();
    const env = {
      NODE_OPTIONS: `--import=${PROBE}`,
      SCONCE_TEST_PROBE: join(store.folder, 'probe.sock'),
      ...options.env,
    };
    const server = await startServer({ ...options, env, modelStore: store.folder });
    const bench = new FaultBench(server, store);
    try {
      await bench.#begin();
    } catch (error) {
      await server.stop('SIGKILL');
      await store.remove();
      throw error;
    }
    return bench;
  }

  /** Adds a fault model and registers it; it goes with the next `expectAtRest`. */
  async serve(name: string, parameters: Record<string, unknown> = {}, configYaml?: string): Promise<FaultModel> {
    const model = await this.store.add(name, {}, configYaml);
    this.#models.add(name);
    const answer = await register(this.server, name, parameters);
    expect(answer.status, answer.text).toBeLessThan(300);
    return model;
  }

  /** Has a model that the test registered itself go with the next `expectAtRest`. */
  adopt(name: string): void {
    this.#models.add(name);
  }

  /**
   * Unregisters what was served, and holds the server against its baseline. Every request that the server took in has had one end by then,
   * and the bystander has still the process that it had at the beginning.
   */
  async expectAtRest(): Promise<void> {
    await this.#unregisterAll();
    await vi.waitFor(async () => {
      const [now, before] = [await this.#rest(), this.#baseline ?? NOTHING];
      expect({ ...now, descriptors: 0, timers: 0 }).toEqual({ ...before, descriptors: 0, timers: 0 });
      expect(now.descriptors).toBeLessThanOrEqual(before.descriptors);
      expect(now.timers).toBeLessThanOrEqual(before.timers);
      expect(unevenSums(await metricsText(this.server))).toEqual([]);
    }, PATIENCE);
    await this.expectServing();
  }

  /** A fresh prediction of the bystander is answered, by the process that it always had. */
  async expectServing(): Promise<void> {
    const answer = await predict(this.server, BYSTANDER, { do: 'echo', value: 'served' });
    expect([answer.status, answer.text]).toEqual([200, 'served']);
    expect(await this.#pidOfBystander()).toBe(this.#bystanderPid);
  }

  /** How the server's process is. */
  probe(): Promise<ProbeState> {
    return this.#askProbe({ do: 'state' }) as Promise<ProbeState>;
  }

  /** Begins to measure the event loop anew. */
  async resetLag(): Promise<void> {
    await this.#askProbe({ do: 'reset' });
  }

  /** Puts the server's wall clock forward or back. */
  async jumpClock(ms: number): Promise<void> {
    await this.#askProbe({ do: 'jump', ms });
  }

  /** Ends the server, which has to end well, with nothing left of it. */
  async stop(): Promise<void> {
    const code = await this.server.stop();
    await this.store.remove();
    expect(code).toBe(0);
    await vi.waitFor(async () => expect(await offspringOf(this.server)).toEqual([]), PATIENCE);
  }

  async #begin(): Promise<void> {
    const { server, store } = this;
    await store.add(BYSTANDER);
    await register(server, BYSTANDER);
    // One more model comes and goes first, so that what is loaded and opened once is not counted.
    await this.serve('warm');
    await predict(server, 'warm', { do: 'echo', value: 'warm' });
    await predict(server, BYSTANDER, { do: 'echo', value: 'warm' });
    await metricsText(server);
    await this.#unregisterAll();
    this.#bystanderPid = await this.#pidOfBystander();
    await vi.waitFor(async () => expect(await offspringOf(server)).toEqual([this.#bystanderPid]), PATIENCE);
    await this.#takeBaseline();
  }

  /** The least of several looks: what is about to be closed must not count. */
  async #takeBaseline(): Promise<void> {
    const looks: Rest[] = [];
    for (let look = 0; look < LOOKS; look += 1) looks.push(await this.#rest());
    const [first = NOTHING] = looks;
    const least = (of: 'descriptors' | 'timers') => Math.min(...looks.map((rest) => rest[of]));
    this.#baseline = { ...first, descriptors: least('descriptors'), timers: least('timers') };
  }

  async #unregisterAll(): Promise<void> {
    const names = [...this.#models];
    this.#models.clear();
    await Promise.all(names.map((name) => unregister(this.server, name, { timeout: 0 })));
  }

  async #pidOfBystander(): Promise<number> {
    return (await describeModel(this.server, BYSTANDER)).workers[0]?.pid ?? 0;
  }

  async #rest(): Promise<Rest> {
    const { server } = this;
    const [offspring, zombies, descriptors, files, probe] = await Promise.all([
      offspringOf(server),
      zombiesOf(server.pid),
      restingDescriptors(server),
      readdir(server.tmp, { recursive: true, withFileTypes: true }),
      this.probe(),
    ]);
    const names = files.filter((entry) => !entry.isDirectory()).map(({ parentPath, name }) => join(parentPath, name));
    return { offspring: offspring.length, zombies, descriptors, timers: probe.timers, files: names.toSorted() };
  }

  async #askProbe(command: object): Promise<unknown> {
    const socket = connect(join(this.store.folder, 'probe.sock'));
    try {
      socket.write(`${JSON.stringify(command)}\n`);
      const [line] = (await once(createInterface({ input: socket }), 'line')) as [string];
      return JSON.parse(line);
    } finally {
      socket.destroy();
    }
  }
}

/** Which gauges of queues and bodies are not zero, and of which versions not every request that was taken in has ended exactly once. */
export function unevenSums(metrics: string): string[] {
  const uneven = [
    ...metrics.matchAll(/^sconce_(?:queue_(?:waiting|running)|(?:buffered|stored)_bytes)(?:\{.*\})? (?!0$).*$/gm),
  ].map(([line]) => line);
  for (const [, labels, accepted] of metrics.matchAll(
    /^ts_inference_requests_total\{(.*),hostname="[^"]*"\} (\d+)$/gm,
  )) {
    const ended = metrics.split(`sconce_request_duration_seconds_count{${labels}} `)[1]?.split('\n')[0];
    if (ended !== accepted) uneven.push(`${labels}: ${accepted} taken in, ${ended} ended`);
  }
  return uneven;
}
