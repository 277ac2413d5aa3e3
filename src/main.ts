#!/usr/bin/env node
// The command `sconce`: declares its commands and hands each one's flags to its file in commands/, which is loaded only when that
// command is run.
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addArchiveCommand } from './commands/archive.ts';
import type { DevFlags } from './commands/dev.ts';
import type { InitFlags } from './commands/init.ts';
import type { InvokeFlags } from './commands/invoke.ts';
import type { ServeFlags } from './commands/serve.ts';
import { surviveClosedOutput } from './commands/terminal/closed-output.ts';

const VERSION = readVersion();

surviveClosedOutput('sconce');

const program = new Command('sconce')
  .description('A model server: TorchServe’s APIs, archives and handlers, maintained and faster')
  .version(VERSION)
  // A command's own --version is not this one.
  .enablePositionalOptions();

program
  .command('serve')
  .description('Serve models in the foreground until Ctrl-C')
  .argument('[model]', 'a model to serve at once: an .onnx file, an archive or a folder')
  .option('--ts-config <file>', 'settings in TorchServe’s config.properties form')
  .option('--model-store <folder>', 'where model archives lie')
  .option('--models <models...>', 'models to load at start: [name=]archive, or all')
  .option('--python <command>', 'interpreter for Python handlers')
  .option('--api-dialect <dialect>', 'documented or torchserve')
  .option('--insecure', 'allow a management address that other machines can reach')
  .action(async (model: string | undefined, flags: ServeFlags) => {
    const { serve } = await import('./commands/serve.ts');
    await serve(model, flags, VERSION);
  });

program
  .command('dev')
  .description('Serve a model folder as it stands, and load it again on each save')
  .argument('<model>', 'a folder, a handler (.py, .ts, .js), an .onnx file or an archive')
  .option('--ts-config <file>', 'settings in TorchServe’s config.properties form')
  .option('--python <command>', 'interpreter for Python handlers')
  .option('--api-dialect <dialect>', 'documented or torchserve')
  .option('--ignore <name>', 'file or folder whose changes do not count; may be given again', oneMore)
  .option('--debugpy <port>', 'start the Python worker under debugpy, without timeouts')
  .option('--inspect <port>', 'start the Node worker under its inspector, without timeouts')
  .option('--wait', 'load the model when a debugger is attached')
  .action(async (model: string, flags: DevFlags) => {
    const { dev } = await import('./commands/dev.ts');
    await dev(model, flags, VERSION);
  });

program
  .command('invoke')
  .description('Run requests through a worker of a model, print the answers and how long each stage took')
  .argument('<model>', 'a folder, a handler (.py, .ts, .js), an .onnx file or an archive')
  .argument('[files...]', 'bodies of requests, one each; - reads standard input')
  .option('--json <text>', 'a request with this JSON as its body')
  .option('--content-type <type>', 'content type of every request; guessed from the file name otherwise')
  .option('-H, --header <header>', 'a header of every request, "Name: value"; may be given again', oneMore)
  .option('--batch', 'hand all requests to the handler as one batch')
  .option('--explain', 'ask for an explanation instead of a prediction')
  .option('-o, --output <file>', 'write the answer to this file, byte by byte')
  .option('--ts-config <file>', 'settings in TorchServe’s config.properties form')
  .option('--python <command>', 'interpreter for Python handlers')
  .option('--api-dialect <dialect>', 'documented or torchserve')
  .option('--debugpy <port>', 'start the Python worker under debugpy, without timeouts')
  .option('--inspect <port>', 'start the Node worker under its inspector, without timeouts')
  .option('--wait', 'load the model when a debugger is attached')
  .action(async (model: string, files: string[], flags: InvokeFlags) => {
    const { invoke } = await import('./commands/invoke.ts');
    await invoke(model, files, flags, VERSION);
  });

program
  .command('init')
  .description('Start a model folder with a handler, settings, a request to try and a test')
  .argument('<folder>', 'the folder to make; its name becomes the name of the model')
  .option('--template <template>', 'python, typescript or onnx; has to be given')
  .action(async (folder: string, flags: InitFlags) => {
    const { init } = await import('./commands/init.ts');
    await init(folder, flags);
  });

addArchiveCommand(program, VERSION);

await program.parseAsync();

/** Collects a flag that may be given several times. One that took several values would take the files behind it, too. */
function oneMore(value: string, former: readonly string[] = []): string[] {
  return [...former, value];
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
