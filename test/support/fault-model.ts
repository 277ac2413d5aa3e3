// The model of test/fixtures/models/fault as a test uses it: a copy in a model store of the test's own, served in place, so that plan,
// gates and journal are files which both sides see.
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';

const FIXTURE = fileURLToPath(new URL('../fixtures/models/fault', import.meta.url));

/** What a request asks of the handler; see the fixture's COMMANDS. */
export type Command = Readonly<Record<string, unknown>> & { readonly do: string };

/** What goes wrong while the model loads. */
export interface LoadPlan {
  /** A module that the handler imports. */
  readonly import?: string;
  /** A gate without which the handler cannot be imported. */
  readonly needs?: string;
  /** A command to obey in `initialize`. */
  readonly load?: Command;
}

/** One line of the journal. */
export interface JournalEntry {
  readonly event: string;
  readonly pid: number;
  /** Seconds of the wall clock. */
  readonly at: number;
  readonly child?: number;
  readonly ids?: readonly string[];
  readonly commands?: readonly unknown[];
  readonly sent?: number;
  readonly cancelled?: boolean;
  readonly gate?: string;
}

export class FaultModel {
  /** Also its folder in the model store, and so its url. */
  readonly name: string;
  readonly folder: string;

  constructor(name: string, folder: string) {
    this.name = name;
    this.folder = folder;
  }

  /** Lets a handler that waits for this gate go on. */
  async open(gate: string): Promise<void> {
    await writeFile(join(this.folder, gate), '');
  }

  /** All that happened so far. */
  async journal(): Promise<JournalEntry[]> {
    const text = await readFile(join(this.folder, 'journal.jsonl'), 'utf8').catch(() => '');
    const lines = text.split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as JournalEntry);
  }

  async entries(event: string): Promise<JournalEntry[]> {
    return (await this.journal()).filter((entry) => entry.event === event);
  }

  /** Resolves with the entry once the handler has come to this event `times` times. */
  reached(event: string, times = 1, timeoutMs?: number): Promise<JournalEntry> {
    return until(async () => (await this.entries(event))[times - 1], timeoutMs);
  }
}

/** A model store with copies of the model. */
export class FaultStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Adds a model that loads as planned. */
  async add(name: string, plan: LoadPlan = {}, configYaml?: string): Promise<FaultModel> {
    const folder = join(this.folder, name);
    await cp(FIXTURE, folder, { recursive: true });
    await rm(join(folder, '__pycache__'), { recursive: true, force: true });
    await writeFile(join(folder, 'plan.json'), JSON.stringify(plan));
    const manifest = JSON.parse(await readFile(join(FIXTURE, 'MAR-INF', 'MANIFEST.json'), 'utf8'));
    manifest.model.modelName = name;
    if (configYaml !== undefined) {
      manifest.model.configFile = 'model-config.yaml';
      await writeFile(join(folder, 'model-config.yaml'), configYaml);
    }
    await writeFile(join(folder, 'MAR-INF', 'MANIFEST.json'), JSON.stringify(manifest));
    return new FaultModel(name, folder);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

export async function createFaultStore(): Promise<FaultStore> {
  return new FaultStore(await mkdtemp(join(tmpdir(), 'sconce-faults-')));
}

/** Resolves with what `look` finds, as soon as that is neither undefined nor false. */
export function until<T>(
  look: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 15_000,
): Promise<T> {
  return vi.waitFor(
    async () => {
      const found = await look();
      if (found === undefined || found === false) throw new Error('the awaited state did not come');
      return found;
    },
    { timeout: timeoutMs, interval: 10 },
  );
}
