#!/usr/bin/env node
// The command `torch-model-archiver`, under the name and with the flags that TorchServe's users have in their scripts. All that it does is in
// commands/torch-model-archiver.ts.
import { readFileSync } from 'node:fs';
import { runArchiver } from './commands/torch-model-archiver.ts';

const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
const { version } = JSON.parse(text) as { version: string };

process.exitCode = await runArchiver(process.argv.slice(2), `sconce-${version}`);
