// What tsc leaves undone: the commands must be executable when they are run from a checkout, and what was compiled from files that are gone
// must go, too. The folder itself stays: servers may be running from it.
import { chmodSync, existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const COMMANDS = ['main.js', 'torch-model-archiver.js', 'torchserve.js'];
const OUTPUT = /\.(?:js|d\.ts)(?:\.map)?$/;

/** Removes outputs below `dist` whose source below `src` is gone, and folders that are empty then. */
export function removeStale(dist, src) {
  for (const entry of readdirSync(dist, { withFileTypes: true })) {
    const path = join(dist, entry.name);
    if (entry.isDirectory()) {
      removeStale(path, join(src, entry.name));
      if (readdirSync(path).length === 0) rmdirSync(path);
    } else if (OUTPUT.test(entry.name) && !existsSync(join(src, entry.name.replace(OUTPUT, '.ts')))) {
      rmSync(path);
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [dist, src] = ['dist', 'src'].map((name) => fileURLToPath(new URL(`../${name}`, import.meta.url)));
  removeStale(dist, src);
  for (const name of COMMANDS) chmodSync(join(dist, name), 0o755);
}
