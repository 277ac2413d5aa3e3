// What tsc leaves undone: the commands must be executable when they are run from a checkout.
import { chmodSync } from 'node:fs';

for (const name of ['main.js', 'torch-model-archiver.js', 'torchserve.js']) {
  chmodSync(new URL(`../dist/${name}`, import.meta.url), 0o755);
}
