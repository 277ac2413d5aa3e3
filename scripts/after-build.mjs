// What tsc leaves undone: the command must be executable when it is run from a checkout.
import { chmodSync } from 'node:fs';

chmodSync(new URL('../dist/main.js', import.meta.url), 0o755);
