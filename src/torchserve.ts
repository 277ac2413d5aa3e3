#!/usr/bin/env node
// The command `torchserve`, under the name and with the flags that TorchServe's users have in their scripts. All that it does is in
// commands/torchserve.ts.
import { readFileSync } from 'node:fs';
import { runTorchserve } from './commands/torchserve.ts';

const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
const { version } = JSON.parse(text) as { version: string };

await runTorchserve(process.argv.slice(2), version);
