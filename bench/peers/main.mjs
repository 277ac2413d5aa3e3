// `npm run bench:peers`: the same load on other model servers, each taking turns with Sconce. It installs them into a scratch environment that
// is gone afterwards; what cannot be installed is said and left out. It measures and judges nothing.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Load } from '../load.mjs';
import { median } from '../median.mjs';
import { makeOnnxModels, NO_TORCH } from '../onnx-models.mjs';
import { OpenLoad } from '../open-load.mjs';
import { progress } from '../progress.mjs';
import { machineText, markdown, shown, verdictOf, writeJson } from '../report.mjs';
import { litserve } from './litserve.mjs';
import { GROUPS } from './loads.mjs';
import { mlserver } from './mlserver.mjs';
import { measurePeer } from './peer-measurement.mjs';
import { Scratch } from './scratch.mjs';
import { torchserve } from './torchserve.mjs';

const RESULTS = fileURLToPath(new URL('../results', import.meta.url));
const PEERS = [torchserve, litserve, mlserver];
const ROWS = [
  { name: 'rate', unit: 'req/s', of: ({ ratePerSec }) => ratePerSec },
  { name: 'p50', unit: 'ms', of: ({ p50Ms }) => p50Ms },
  { name: 'p99', unit: 'ms', of: ({ p99Ms }) => p99Ms },
  { name: 'CPU a request', unit: 'µs', of: ({ cpuMicroseconds }) => cpuMicroseconds },
  { name: 'RSS of all processes', unit: 'MB', of: ({ residentMb }) => residentMb },
];
const OPEN_ROWS = [
  { name: 'answered in time', unit: 'req/s', of: ({ goodputPerSec }) => goodputPerSec },
  { name: 'p99 of the answers', unit: 'ms', of: ({ accepted }) => accepted.p99Ms },
  { name: 'refused with 503', unit: '%', of: ({ refused, sent }) => (100 * refused.count) / sent },
  { name: 'p99 of the refusals', unit: 'ms', of: ({ refused }) => refused.p99Ms },
  {
    name: 'neither, within 30 s',
    unit: '%',
    of: ({ accepted, refused, sent }) => (100 * (sent - accepted.count - refused.count)) / sent,
  },
  ROWS.at(-1),
];

const { values: options } = parseArgs({
  options: {
    /** Names of peers, parted by commas. */
    only: { type: 'string' },
    /** Names of groups of loads, parted by commas. */
    loads: { type: 'string' },
    /** Everything in short: to see that it works. */
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '1' },
    /** A folder for the environments that stays, for the next run. */
    keep: { type: 'string' },
  },
});
const rounds = options.quick ? 1 : Number(options.rounds);
const durationMs = Number(options.seconds) * 1000;
const groups = chosen(GROUPS, options.loads, 'load');
const peers = chosen(PEERS, options.only, 'server');

// What was started ends, and the scratch environment goes, when the bench is interrupted.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

const scratch = await Scratch.open(options.keep);
const load = new Load();
const openLoad = new OpenLoad();
progress('networks');
const hasMlp = groups.some(({ model }) => model.handler === 'mlp');
const networks = hasMlp ? await makeOnnxModels(scratch.folder) : undefined;
const remarks = hasMlp && networks === undefined ? [`The MLP is left out: ${NO_TORCH}.`] : [];
/** @type {Map<string, import('./peer-measurement.mjs').Pair[]>} */
const pairsOf = new Map();
try {
  for (const peer of peers) {
    const missing = peer.missing();
    if (missing !== undefined) {
      remarks.push(`${peer.name} is left out: ${missing}.`);
      continue;
    }
    try {
      const plan = { groups, rounds, durationMs, isQuick: options.quick };
      const bench = { scratch, networks: networks?.folder, load, openLoad, plan, progress };
      const { pairs, failures } = await measurePeer(peer, bench);
      pairsOf.set(peer.name, pairs);
      remarks.push(...failures);
    } catch (error) {
      remarks.push(`${peer.name} is left out: ${error.message}`);
    }
  }
} finally {
  load.stop();
  await openLoad.stop();
  await networks?.remove();
  await scratch.remove();
}

progress('');
const names = [...pairsOf.keys()];
const file = writeJson(
  RESULTS,
  { rounds, durationMs, isQuick: options.quick, peers: Object.fromEntries(pairsOf), remarks },
  'peers-',
);
console.log(`${machineText()}\n`);
if (names.length > 0) console.log(table());
console.log(
  `\nMedians of ${rounds} rounds in which Sconce and the peer take turns; × is Sconce's rate beside the peer's.`,
);
console.log(`Written to ${file}`);
for (const remark of remarks) console.log(remark);

/** Those of a list that were asked for by their names; ends the bench at a name that none has. */
function chosen(all, names, what) {
  if (names === undefined) return all;
  const wanted = names.split(',').map((name) => name.trim().toLowerCase());
  const known = all.map(({ name }) => name.toLowerCase());
  const unknown = wanted.filter((name) => !known.includes(name));
  if (unknown.length === 0) return all.filter(({ name }) => wanted.includes(name.toLowerCase()));
  console.error(`There is no ${what} ${unknown.join(', ')}. There are ${known.join(', ')}.`);
  return process.exit(2);
}

function table() {
  const titles = ['load', 'Sconce', ...names.flatMap((name) => [name, '×']), 'target × TorchServe', 'verdict'];
  return markdown(titles, groups.flatMap(({ loads }) => loads).flatMap(rowsOf));
}

function rowsOf({ title, target, ratePerSec }) {
  const pairs = names.map((name) => pairsOf.get(name)?.find((pair) => pair.title === title));
  const measured = pairs.filter((pair) => pair !== undefined);
  if (measured.length === 0) return [];
  const torchServes = pairs[names.indexOf(torchserve.name)];
  const figure = { name: title, value: torchServes?.times, unit: '×', target };
  return [
    [`**${title}**`],
    ...(ratePerSec === undefined ? ROWS : OPEN_ROWS).map(({ name, unit, of }, index) => [
      `  ${name}`,
      shown(median(measured.map(({ own }) => of(own))), unit),
      ...pairs.flatMap((pair) => [
        pair === undefined ? '–' : shown(of(pair.peer), unit),
        index === 0 && pair !== undefined ? pair.times.toFixed(1) : '',
      ]),
      ...(index === 0 && target !== undefined && torchServes !== undefined
        ? [
            `${target.bound} ${target.value}${target.stretch === undefined ? '' : ` (${target.stretch})`}`,
            verdictOf(figure),
          ]
        : []),
    ]),
  ];
}
