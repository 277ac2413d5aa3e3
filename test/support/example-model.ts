// The models of examples/ in a model store of the test's own, with other settings where a test needs them, and what their READMEs say.
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { blocksOf } from './markdown-blocks.ts';
import type { TestServer } from './sconce-server.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

export class ExampleStore {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<ExampleStore> {
    return new ExampleStore(await mkdtemp(join(tmpdir(), 'sconce-examples-')));
  }

  /** A copy of an example's model under a name of its own; `configYaml` takes the place of its settings, `handler` that of its code. */
  async add(example: string, name: string, over: { configYaml?: string; handler?: string } = {}): Promise<void> {
    const folder = join(this.folder, name);
    await cp(join(ROOT, 'examples', example, 'model'), folder, { recursive: true });
    const manifestFile = join(folder, 'MAR-INF', 'MANIFEST.json');
    const manifest = JSON.parse(await readFile(manifestFile, 'utf8')) as { model: Record<string, string> };
    manifest.model['modelName'] = name;
    await writeFile(manifestFile, JSON.stringify(manifest));
    if (over.configYaml !== undefined) await writeFile(join(folder, 'model-config.yaml'), over.configYaml);
    if (over.handler !== undefined) await writeFile(join(folder, manifest.model['handler'] ?? ''), over.handler);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Runs the curl commands of a page against a server, in order; gives what the last command of each block printed. */
export async function runCurlBlocks(page: string, server: TestServer): Promise<string[]> {
  const printed: string[] = [];
  for (const { language, text } of blocksOf(await readFile(join(ROOT, page), 'utf8'))) {
    if (language !== 'sh' || !text.startsWith('curl')) continue;
    let last = '';
    for (const line of text.trim().split('\n')) {
      const command = line
        .replaceAll('http://localhost:8080', server.inference)
        .replaceAll('http://localhost:8081', server.management)
        .replace(/^curl /, 'curl -sS ');
      last = (await run('sh', ['-c', command])).stdout;
    }
    printed.push(last);
  }
  return printed;
}

/** What a page shows as answers, in order. */
export async function shownAnswers(page: string): Promise<string[]> {
  const blocks = blocksOf(await readFile(join(ROOT, page), 'utf8'));
  return blocks.filter(({ language }) => language === 'json' || language === 'text').map(({ text }) => text);
}
