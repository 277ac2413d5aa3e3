// Figures beside their floors and targets: as a table for people, as JSON for comparisons.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';

/**
 * @typedef {object} Figure
 * @property {string} name
 * @property {number} value
 * @property {'req/s' | 'rows/s' | 'MiB/s' | 'ms' | 'µs' | 'MB' | 'kB' | '%' | '×'} unit
 * @property {number} [floor] the same figure of what nobody can beat, or of what it is compared with
 * @property {number} [ratio] the median of value ÷ floor within the rounds, where there are rounds
 * @property {number} [other] the same figure of the other build
 * @property {Target} [target]
 *
 * @typedef {object} Target
 * @property {'at least' | 'at most'} bound
 * @property {number} value
 * @property {number} [stretch] what would be better still
 * @property {boolean} [isOfRatio] whether it is the ratio that has to reach it
 */

const DIGITS = { 'req/s': 0, 'rows/s': 0, 'MiB/s': 0, ms: 2, µs: 1, MB: 1, kB: 1, '%': 1, '×': 3 };

/** value ÷ floor; undefined without a floor. @param {Figure} figure */
export function ratioOf({ value, floor, ratio }) {
  return ratio ?? (floor === undefined ? undefined : value / floor);
}

/** @param {Figure} figure @returns {'reached' | 'stretch' | 'MISSED' | undefined} undefined without a target */
export function verdictOf(figure) {
  const { value, target } = figure;
  if (target === undefined) return undefined;
  const judged = target.isOfRatio === true ? ratioOf(figure) : value;
  const reaches = (bound) => (target.bound === 'at least' ? judged >= bound : judged <= bound);
  if (!reaches(target.value)) return 'MISSED';
  return target.stretch !== undefined && reaches(target.stretch) ? 'stretch' : 'reached';
}

/** A number with its unit. @param {number | undefined} number @param {Figure['unit']} unit */
export function shown(number, unit) {
  return number === undefined ? '' : `${number.toFixed(DIGITS[unit])} ${unit}`;
}

/** What has to be reached, with the stretch in brackets. @param {Figure} figure */
export function targetText({ target, unit }) {
  if (target === undefined) return '';
  const stretch = target.stretch === undefined ? '' : ` (${target.stretch})`;
  return `${target.bound} ${target.value}${stretch} ${target.isOfRatio === true ? '×' : unit}`;
}

/**
 * The lines of one table; a string stands for a row that names what follows.
 * @param {readonly (Figure | string)[]} figures
 * @returns {string}
 */
export function tableOf(figures) {
  const hasOther = figures.some(({ other }) => other !== undefined);
  const rows = figures.map((figure) => {
    if (typeof figure === 'string') return [`**${figure}**`];
    const { name, value, unit, floor, other } = figure;
    return [
      name,
      shown(value, unit),
      shown(floor, unit),
      shown(ratioOf(figure), '×'),
      targetText(figure),
      verdictOf(figure) ?? '',
      ...(hasOther ? [shown(other, unit)] : []),
    ];
  });
  const titles = ['figure', 'Sconce', 'floor', 'ratio', 'target (stretch)', 'verdict'];
  return markdown([...titles, ...(hasOther ? ['other build'] : [])], rows);
}

/**
 * A Markdown table whose columns line up; cells that a row lacks are empty.
 * @param {readonly string[]} titles
 * @param {readonly (readonly string[])[]} rows
 */
export function markdown(titles, rows) {
  const lines = [titles, ...rows.map((row) => titles.map((_, column) => row[column] ?? ''))];
  const widths = titles.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const render = (line) =>
    `| ${line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [render(lines[0]), rule, ...lines.slice(1).map(render)].join('\n');
}

/**
 * Writes the run as JSON and returns the file's path.
 * @param {string} folder
 * @param {object} run
 * @param {string} [kind] the beginning of the file's name
 */
export function writeJson(folder, run, kind = '') {
  mkdirSync(folder, { recursive: true });
  const at = new Date().toISOString();
  const file = join(folder, `${kind}${at.replaceAll(':', '-')}.json`);
  writeFileSync(file, `${JSON.stringify({ at, machine: machine(), ...run }, null, 2)}\n`);
  return file;
}

/** What the figures depend on. */
export function machine() {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()}`,
    node: process.version,
    python: execFileSync('python3', ['--version'], { encoding: 'utf8' }).trim(),
  };
}

/** The machine and the day, in one line. */
export function machineText() {
  const { cpu, cores, memoryGb, node, python } = machine();
  return `${cores} cores (${cpu}), ${memoryGb} GB, Node ${node.slice(1)}, ${python}; ${new Date().toISOString().slice(0, 10)}`;
}
