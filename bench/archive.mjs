// `npm run bench:archive`: what registering an archive costs beside the least that it could cost, how far it makes the server grow, what others
// feel of it, and what a second start costs. It measures and judges nothing, as main.mjs does.
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, statfs } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeArchiveOfMany, makeLargeArchive } from './archive-files.mjs';
import { median } from './median.mjs';
import { residentBytes } from './process-tree.mjs';
import { tableOf, writeJson } from './report.mjs';
import { startSconce } from './sconce.mjs';

const OWN_MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const NOOP = fileURLToPath(new URL('models/noop', import.meta.url));
const RESULTS = fileURLToPath(new URL('results', import.meta.url));
const MIB = 1024 * 1024;
/** Between two looks at the memory of the server. */
const LOOK_EVERY_MS = 10;
const SETTLE_MS = 500;

const { values: options } = parseArgs({
  options: {
    /** Size of the archives that are registered, in MiB. */
    size: { type: 'string', default: '1024' },
    /** Size of the archive that is loaded at the second start, in MiB. */
    'start-size': { type: 'string', default: '2048' },
    /** How many tiny files the third archive has. */
    files: { type: 'string', default: '30000' },
  },
});
const mebibytes = Number(options.size);
const startMebibytes = Number(options['start-size']);
const fileCount = Number(options.files);

const [loadBefore] = loadavg();
const folder = await mkdtemp(join(tmpdir(), 'sconce-bench-archive-'));
try {
  await checkRoom((2 * Math.max(mebibytes, startMebibytes) + 1024) * MIB);
  const store = join(folder, 'store');
  await mkdir(store);
  const figures = [];
  for (const compress of [false, true]) {
    const kind = compress ? 'deflated' : 'zip-store';
    progress(`${kind}: making ${mebibytes} MiB`);
    const file = join(store, 'large.mar');
    await makeLargeArchive(file, 'large', { mebibytes, compress });
    figures.push(...(await registrationFigures(`${kind} of ${mebibytes} MiB`, store, file)));
    await rm(file);
  }
  progress(`making an archive of ${fileCount} files`);
  await makeArchiveOfMany(join(store, 'many.mar'), 'many', fileCount);
  figures.push(...(await neighbourFigures(store)));
  await rm(join(store, 'many.mar'));
  progress(`zip-store: making ${startMebibytes} MiB`);
  await makeLargeArchive(join(store, 'large.mar'), 'large', { mebibytes: startMebibytes, compress: false });
  figures.push(...(await startFigures(store)));
  progress('');
  const results = writeJson(RESULTS, { archive: { mebibytes, startMebibytes, fileCount, loadBefore }, figures });
  console.log(`${tableOf(figures)}\n\nWritten to ${results}`);
  if (loadBefore > 0.5)
    console.log(`The machine was busy before (load average ${loadBefore.toFixed(1)}): do not trust these figures.`);
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Registers one archive, and does beside it the least that could be done. */
async function registrationFigures(name, store, file) {
  progress(`${name}: floor`);
  const floorMs = timed(() => leastWork(file, mebibytes));
  const sconce = await startSconce(OWN_MAIN, 'Sconce', store);
  await sleep(SETTLE_MS);
  progress(`${name}: registering`);
  const before = residentBytes(sconce.pid);
  let peak = before;
  const looking = setInterval(() => {
    peak = Math.max(peak, residentBytes(sconce.pid));
  }, LOOK_EVERY_MS);
  const beganAt = performance.now();
  await manage(sconce, 'POST', '/models?url=large.mar&initial_workers=0&synchronous=true');
  const tookMs = performance.now() - beganAt;
  clearInterval(looking);
  const again = performance.now();
  await manage(sconce, 'POST', '/models?url=large.mar&model_name=again&initial_workers=0&synchronous=true');
  const againMs = performance.now() - again;
  await sconce.stop();
  const rate = (ms) => mebibytes / (ms / 1000);
  return [
    { name: `${name}: registration`, value: rate(tookMs), unit: 'MiB/s', floor: rate(floorMs) },
    {
      name: '  server, RSS at most above before',
      value: (peak - before) / 1e6,
      unit: 'MB',
      target: { bound: 'at most', value: 30 },
    },
    { name: '  a second model of the same archive', value: againMs, unit: 'ms' },
  ];
}

/** What nobody can save who knows an archive by its content: to read and hash it, and to bring as many bytes as come out of it to the disk. */
function leastWork(file, outMebibytes) {
  const buffer = Buffer.alloc(MIB);
  const hash = createHash('sha256');
  const input = openSync(file, 'r');
  for (let bytes = readSync(input, buffer); bytes > 0; bytes = readSync(input, buffer))
    hash.update(buffer.subarray(0, bytes));
  hash.digest();
  closeSync(input);
  const output = openSync(join(folder, 'floor.bin'), 'w');
  for (let number = 0; number < outMebibytes; number += 1) writeSync(output, buffer);
  fsyncSync(output);
  closeSync(output);
}

/** How long others wait while an archive of many files is unpacked. */
async function neighbourFigures(store) {
  await cp(NOOP, join(store, 'noop'), { recursive: true });
  const sconce = await startSconce(OWN_MAIN, 'Sconce', store);
  await sconce.register('noop', 'batch_size=1');
  progress('noop alone');
  await latenciesUntil(sconce, sleep(1000));
  const alone = await latenciesUntil(sconce, sleep(3000));
  progress(`noop while ${fileCount} files are unpacked`);
  const beganAt = performance.now();
  let tookMs = 0;
  const registered = manage(sconce, 'POST', '/models?url=many.mar&initial_workers=0&synchronous=true').then(() => {
    tookMs = performance.now() - beganAt;
  });
  const beside = await latenciesUntil(sconce, registered);
  await sconce.stop();
  await rm(join(store, 'noop'), { recursive: true });
  const atMost = (value) => ({ bound: 'at most', value });
  return [
    { name: `zip of ${fileCount} tiny files: registration`, value: tookMs, unit: 'ms', target: atMost(3000) },
    { name: '  noop meanwhile, p50', value: share(beside, 0.5), unit: 'ms', floor: share(alone, 0.5) },
    {
      name: '  noop meanwhile, p99',
      value: share(beside, 0.99),
      unit: 'ms',
      floor: share(alone, 0.99),
      target: atMost(10),
    },
  ];
}

/** How long a server takes to start with a large archive, the first time and then again. */
async function startFigures(store) {
  const cache = { cache_dir: join(folder, 'kept') };
  const startMs = async (settings) => {
    const sconce = await startSconce(OWN_MAIN, 'Sconce', store, { ...cache, ...settings });
    await sconce.stop();
    return sconce.startMs;
  };
  const load = { load_models: 'large.mar', default_workers_per_model: '1' };
  const name = `start with a zip-store of ${startMebibytes} MiB`;
  progress(`${name}: first`);
  // What was changed within the last two seconds may still change unseen, and its digest is not kept.
  await sleep(2_500);
  const first = await startMs(load);
  progress(`${name}: again`);
  const again = median([await startMs(load), await startMs(load), await startMs(load)]);
  const without = median([await startMs({}), await startMs({}), await startMs({})]);
  return [
    { name: `${name}: first`, value: first, unit: 'ms', floor: without },
    { name: '  again', value: again, unit: 'ms', floor: without, target: { bound: 'at most', value: 2000 } },
  ];
}

/** Asks noop for predictions, one after another, until `ended`; in ms. */
async function latenciesUntil(sconce, ended) {
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const latencies = [];
  while (!isOver) {
    const beganAt = performance.now();
    const { status, text } = await ask(sconce.port, 'POST', '/predictions/noop', agent);
    if (status !== 200) throw new Error(`noop answered ${status}: ${text}`);
    latencies.push(performance.now() - beganAt);
  }
  await ended;
  agent.destroy();
  return latencies.sort((one, other) => one - other);
}

function share(sorted, of) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * of))];
}

async function manage(sconce, method, path) {
  const { status, text } = await ask(sconce.managementPort, method, path, false);
  if (status !== 200) throw new Error(`${method} ${path} answered ${status}: ${text}`);
}

function ask(port, method, path, agent) {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method, path, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
    sent.on('error', reject);
    sent.end(method === 'POST' && path.startsWith('/predictions') ? '{}' : undefined);
  });
}

function timed(work) {
  const beganAt = performance.now();
  work();
  return performance.now() - beganAt;
}

async function checkRoom(neededBytes) {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= neededBytes) return;
  throw new Error(
    `${folder} has ${Math.floor((bavail * bsize) / MIB)} MiB of room, and this needs ${Math.ceil(neededBytes / MIB)}`,
  );
}

/** Says on a terminal what is going on. */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}
