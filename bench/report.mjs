// Figures beside their floors and targets: as a table for people, as JSON for comparisons.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';

/**
 * @typedef {object} Figure
 * @property {string} name
 * @property {number} value
 * @property {'req/s' | 'MiB/s' | 'ms' | 'µs' | 'MB' | '×'} unit
 * @property {number} [floor] the same figure of the bare http server, or of the bare session of an ONNX model
 * @property {Target} [target]
 *
 * @typedef {object} Target
 * @property {'at least' | 'at most'} bound
 * @property {number} value
 */

const DIGITS = { 'req/s': 0, 'MiB/s': 0, ms: 2, µs: 1, MB: 1, '×': 3 };

/** @param {Figure} figure */
export function isReached({ value, target }) {
  if (target === undefined) return undefined;
  return target.bound === 'at least' ? value >= target.value : value <= target.value;
}

/**
 * @param {readonly Figure[]} figures
 * @returns {string}
 */
export function tableOf(figures) {
  const rows = figures.map((figure) => {
    const { name, value, unit, floor, target } = figure;
    const show = (number) => (number === undefined ? '–' : `${number.toFixed(DIGITS[unit])} ${unit}`);
    const reached = isReached(figure);
    return [
      name,
      show(value),
      show(floor),
      target === undefined ? '–' : `${target.bound} ${target.value} ${unit}`,
      reached === undefined ? '–' : reached ? 'reached' : 'MISSED',
    ];
  });
  const lines = [['figure', 'Sconce', 'floor', 'target', 'verdict'], ...rows];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const render = (line) =>
    `| ${line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [render(lines[0]), rule, ...lines.slice(1).map(render)].join('\n');
}

/**
 * Writes the run as JSON and returns the file's path.
 * @param {string} folder
 * @param {object} run
 */
export function writeJson(folder, run) {
  mkdirSync(folder, { recursive: true });
  const at = new Date().toISOString();
  const file = join(folder, `${at.replaceAll(':', '-')}.json`);
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
