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
// More arguments go to the server, for instance `--ts-config FILE` with other ports. It gets a process group of its own, so that a terminal's
// Ctrl-C reaches it only once, by way of stop().
const server = spawn(process.execPath, [MAIN, 'serve', '--model-store', store, ...process.argv.slice(2)], {
  stdio: ['ignore', 'pipe', 'inherit'],
  detached: true,
});
const exited = new Promise((resolve) => server.once('exit', (code) => resolve(code)));
let stoppedAt;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);

let hasFailed = false;
try {
  const addresses = await Promise.race([started(), exited.then(() => undefined)]);
  if (addresses !== undefined) await tour(addresses);
} catch (error) {
  // What Ctrl-C breaks off is no failure.
  if (stoppedAt === undefined) {
    hasFailed = true;
    console.error(error instanceof Error ? error.message : error);
    stop();
  }
}
const serverCode = await exited;
await rm(store, { recursive: true, force: true });
// A server that a signal ended before it could drain has no code; after Ctrl-C that is as it should be.
process.exitCode = hasFailed ? 1 : (serverCode ?? (stoppedAt === undefined ? 1 : 0));

/** The first call drains the server, a later one ends it at once. */
function stop() {
  const now = performance.now();
  // npm passes on a Ctrl-C that this process has got from the terminal already.
  if (stoppedAt !== undefined && now - stoppedAt < 1000) return;
  stoppedAt ??= now;
  server.kill('SIGTERM');
}

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
  const outcome = await registered.text();
  if (!registered.ok) throw new Error(`The model was not registered: ${outcome}`);
  console.log(outcome);
  console.log(`$ curl ${inference}/predictions/digits -T ${SAMPLE}`);
  const image = await readFile(join(HERE, 'samples/7.png'));
  const answer = await fetch(`${inference}/predictions/digits`, { method: 'PUT', body: image });
  if (!answer.ok) throw new Error(`The image was not classified: ${await answer.text()}`);
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
    console.log(`  ${label.padStart(width)} ${(probability * 100).toFixed(1).padStart(5)} % ${bar}`.trimEnd());
  }
  console.log();
}
