// The first minute: starts the server, registers the digits network over the Management API as anyone would, classifies an image, and goes on
// serving until Ctrl-C. Needs Node only.
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const SAMPLE = 'examples/digits/samples/7.png';
const BAR_WIDTH = 40;

const store = await mkdtemp(join(tmpdir(), 'sconce-demo-'));
await cp(join(HERE, 'onnx-model'), join(store, 'digits'), { recursive: true });
const server = spawn(process.execPath, [MAIN, 'serve', '--model-store', store, ...process.argv.slice(2)], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const exited = new Promise((resolve) =>
  server.once('exit', (code, signal) => resolve(code ?? (signal === null ? 0 : 1))),
);
// The terminal sends Ctrl-C to both processes: the server drains, and this one waits for it.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => signal === 'SIGTERM' && server.kill(signal));

const addresses = await Promise.race([started(), exited.then(() => undefined)]);
if (addresses !== undefined) await tour(addresses);
process.exitCode = await exited;
await rm(store, { recursive: true, force: true });

/** The addresses that the server says it listens on. */
function started() {
  return new Promise((resolve) => {
    createInterface({ input: server.stdout }).on('line', (text) => {
      const line = JSON.parse(text);
      if (line.msg === 'Model server started.') resolve(line);
      if (line.level === 'error') process.stderr.write(`${line.msg}\n`);
    });
  });
}

async function tour({ inference, management }) {
  const register = `${management}/models?url=digits&initial_workers=1&synchronous=true`;
  console.log(`\n$ curl -X POST "${register}"`);
  const registered = await fetch(register, { method: 'POST' });
  console.log(await registered.text());
  if (!registered.ok) {
    server.kill('SIGTERM');
    return;
  }
  console.log(`$ curl ${inference}/predictions/digits -T ${SAMPLE}`);
  const image = await readFile(join(HERE, 'samples/7.png'));
  const answer = await fetch(`${inference}/predictions/digits`, {
    method: 'POST',
    body: image,
    headers: { 'content-type': 'image/png' },
  });
  drawBars(await answer.json());
  console.log(
    [
      'Try next:',
      `  curl ${inference}/predictions/digits -T examples/digits/samples/3.png`,
      `  curl ${inference}/predictions/digits -H 'Content-Type: application/json' -d @examples/digits/samples/7.json`,
      `  curl ${inference}/v2/models/digits`,
      `  curl ${inference}/v2/models/digits/infer -d @examples/digits/samples/7-v2.json`,
      `  curl ${management}/models/digits`,
      '',
      'Ctrl-C stops the server.',
    ].join('\n'),
  );
}

/** @param {Record<string, number>} probabilities */
function drawBars(probabilities) {
  const width = Math.max(...Object.keys(probabilities).map((label) => label.length));
  for (const [label, probability] of Object.entries(probabilities)) {
    const bar = '█'.repeat(Math.round(probability * BAR_WIDTH));
    console.log(`  ${label.padStart(width)} ${(probability * 100).toFixed(1).padStart(5)} % ${bar}`);
  }
  console.log();
}
