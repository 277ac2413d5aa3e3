// The check of levels finds what it is there to find, and src/ gives it nothing to say.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { checkLayers } from '../../scripts/check-layers.mjs';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));
const roots: string[] = [];

afterEach(async () => {
  for (const root of roots.splice(0)) await rm(root, { recursive: true, force: true });
});

/** What the check says of a tree of these files. */
async function complaintsAbout(files: Readonly<Record<string, string>>): Promise<string[]> {
  const root = await mkdtemp(join(tmpdir(), 'sconce-layers-'));
  roots.push(root);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
  return checkLayers(root);
}

describe('the check of levels', () => {
  it('has nothing to say about src/', () => {
    expect(checkLayers(SRC)).toEqual([]);
  });

  it('lets higher levels import lower ones, and anybody at the top import all', async () => {
    const complaints = await complaintsAbout({
      'core/job.ts': 'export const a = 1;',
      'protocol/frame.ts': "import { readFileSync } from 'node:fs';\nimport type { a } from '../core/job.ts';",
      'http/routes.ts': "// about routes\nimport { a } from '../core/job.ts';\nimport { x } from 'fastify';",
      'server.ts': "import './http/routes.ts';\nimport './protocol/frame.ts';",
      'main.ts': "const server = await import('./server.ts');",
    });
    expect(complaints).toEqual([]);
  });

  it.each([
    ['a plain import', "import { b } from '../http/b.ts';"],
    ['an import of types', "import type { B } from '../http/b.ts';"],
    ['an import over several lines', "import {\n  b,\n  c,\n} from '../http/b.ts';"],
    ['an import for its effect', "import '../http/b.ts';"],
    ['an import at run time', "const b = await import('../http/b.ts');"],
    ['an export of another file', "export { b } from '../http/b.ts';"],
    ['an import behind other text', "// from 'here'\nconst word = `x`;\nimport b from '../http/b.ts';"],
  ])('finds an upward import: %s', async (_what, text) => {
    const complaints = await complaintsAbout({ 'services/a.ts': text, 'http/b.ts': 'export const b = 1;' });
    expect(complaints).toEqual(['services/a.ts: services/ may not import "../http/b.ts"']);
  });

  it('finds an import between folders of one level', async () => {
    const complaints = await complaintsAbout({
      'config/a.ts': "import '../archive/b.ts';",
      'archive/b.ts': 'export const b = 1;',
    });
    expect(complaints).toEqual(['config/a.ts: config/ may not import "../archive/b.ts"']);
  });

  it('finds an import of what only starts the server', async () => {
    const complaints = await complaintsAbout({ 'http/a.ts': "import '../server.ts';", 'server.ts': '' });
    expect(complaints).toEqual(['http/a.ts: http/ may not import "../server.ts"']);
  });

  it.each(['node:fs', 'pino'])('finds that core imports %s', async (name) => {
    const complaints = await complaintsAbout({ 'core/a.ts': `import { x } from '${name}';` });
    expect(complaints).toEqual([`core/a.ts: core imports nothing from outside, yet imports "${name}"`]);
  });

  it('finds a cycle, and tells its way', async () => {
    const complaints = await complaintsAbout({
      'core/a.ts': "import './b.ts';",
      'core/b.ts': "import './c.ts';",
      'core/c.ts': "import './a.ts';",
      'core/d.ts': "import './a.ts';",
    });
    expect(complaints).toEqual(['cycle: core/a.ts → core/b.ts → core/c.ts → core/a.ts']);
  });

  it('finds a folder that has no level', async () => {
    const complaints = await complaintsAbout({ 'helpers/a.ts': 'export const a = 1;' });
    expect(complaints).toEqual([expect.stringContaining('helpers/a.ts: folder "helpers" has no level')]);
  });
});
