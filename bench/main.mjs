// `npm run bench`: what Sconce costs beside what nobody can beat, on this machine and in this run. It measures and judges nothing: the exit
// code is 0 when targets are missed, and 1 only when something is broken. docs/performance.md tells how to read it.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BenchRun } from './bench-run.mjs';
import { progress } from './progress.mjs';
import { machineText, tableOf, writeJson } from './report.mjs';
import { chosenScenarios, SCENARIOS } from './scenario-list.mjs';

const RESULTS = fileURLToPath(new URL('results', import.meta.url));
/** What other processes may use of the machine in a comparison whose figures are to be trusted. */
const QUIET_SHARE = 0.05;
const QUICK = { rounds: 1, durationMs: 300, isQuick: true };

const { values: options } = parseArgs({
  options: {
    /** Names of scenarios, parted by commas. */
    only: { type: 'string' },
    /** Everything in short: to see that it works. */
    quick: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '1' },
    /** Another build's main.js: it takes turns with this one. */
    against: { type: 'string' },
  },
});

const chosen = chosenScenarios(options.only);
if (chosen.unknown.length > 0) {
  console.error(`There is no scenario ${chosen.unknown.join(', ')}. \`--list\` names all.`);
  process.exitCode = 2;
} else if (options.list) for (const { name, title } of SCENARIOS) console.log(`${name.padEnd(18)} ${title}`);
else await measure(chosen.scenarios);

/** @param {readonly import('./bench-run.mjs').Scenario[]} scenarios */
async function measure(scenarios) {
  const thorough = { rounds: Number(options.rounds), durationMs: Number(options.seconds) * 1000, isQuick: false };
  const plan = options.quick ? QUICK : thorough;
  const bench = new BenchRun(plan, options.against);
  const results = [];
  try {
    for (const scenario of scenarios) results.push(await resultOf(scenario, bench));
  } finally {
    await bench.close();
  }
  progress('');
  const file = writeJson(RESULTS, { plan, against: options.against, scenarios: results });
  console.log(`${machineText()}\n`);
  console.log(tableOf(results.flatMap(({ title, figures, remark }) => [`${title}${remark ?? ''}`, ...figures])));
  console.log(`\nMedians of ${plan.rounds} interleaved rounds of ${plan.durationMs / 1000} s each. Written to ${file}`);
  if (plan.isQuick) console.log('Quick rounds say that everything works, and nothing about speed.');
  const disturbed = results.filter(({ othersShare }) => othersShare > QUIET_SHARE);
  for (const { name, othersShare } of disturbed)
    console.log(`Other processes used ${(othersShare * 100).toFixed(0)} % of the machine in ${name}: do not trust it.`);
  if (results.some(({ failed }) => failed)) process.exitCode = 1;
}

/** Runs one scenario; what breaks it is told in its row. */
async function resultOf({ name, title, run }, bench) {
  progress(name);
  const startedAt = performance.now();
  const result = { name, title, figures: [], remark: undefined, failed: false, othersShare: 0, tookSec: 0 };
  try {
    const outcome = await run(bench);
    if (Array.isArray(outcome)) result.figures = outcome;
    else result.remark = ` – left out: ${outcome.leftOut}`;
  } catch (error) {
    result.remark = ` – FAILED: ${error.message}`;
    result.failed = true;
  }
  result.othersShare = Math.max(0, ...bench.othersShares);
  await bench.stopAll();
  result.tookSec = Math.round((performance.now() - startedAt) / 100) / 10;
  return result;
}
