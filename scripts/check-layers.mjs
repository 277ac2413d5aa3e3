// Holds src/ to its levels: which folder may import which, no cycle between files, no Node built-ins inside core.
// It reads import statements as text on purpose: the TypeScript 7 package has no compiler API to ask.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder → the folders it may import besides itself; '' stands for the files directly in src/, which may import all of them. */
const MAY_IMPORT = {
  core: [],
  protocol: ['core'],
  config: ['core'],
  archive: ['core'],
  workers: ['core', 'protocol'],
  telemetry: ['core'],
  'runtime-node': ['core', 'protocol'],
  services: ['core', 'archive', 'config'],
  http: ['core', 'config', 'telemetry', 'services'],
  grpc: ['core', 'config', 'services'],
  // runtime-node: what lint reads as the worker does.
  commands: ['core', 'config', 'archive', 'workers', 'telemetry', 'runtime-node', 'services', 'http', ''],
};

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)\s*import\s*['"]([^'"]+)['"]/g;

/** Every complaint about the source tree below `root`, in words; empty when it keeps its levels. */
export function checkLayers(root) {
  const files = readdirSync(root, { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(root, name));
  const imports = new Map(files.map((file) => [file, importsOf(file)]));
  return [...imports].flatMap(([file, targets]) => complaintsAbout(root, file, targets)).concat(cycles(root, imports));
}

function importsOf(file) {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3]);
}

function folderOf(root, file) {
  const path = relative(root, file).split(sep);
  return path.length === 1 ? undefined : path[0];
}

function complaintsAbout(root, file, targets) {
  const from = folderOf(root, file);
  const name = relative(root, file);
  if (from !== undefined && MAY_IMPORT[from] === undefined) {
    return [`${name}: folder "${from}" has no level; add it to MAY_IMPORT and to src/README.md`];
  }
  const complaints = [];
  for (const target of targets) {
    if (from === 'core' && !target.startsWith('.')) {
      complaints.push(`${name}: core imports nothing from outside, yet imports "${target}"`);
    }
    if (!target.startsWith('.')) continue;
    const to = folderOf(root, resolve(dirname(file), target));
    if (from === undefined || to === from) continue;
    if (!MAY_IMPORT[from].includes(to ?? '')) {
      complaints.push(`${name}: ${from}/ may not import "${target}"`);
    }
  }
  return complaints;
}

function cycles(root, imports) {
  const state = new Map();
  const found = [];
  const visit = (file, path) => {
    if (state.get(file) === 'done' || !imports.has(file)) return;
    if (state.get(file) === 'open') {
      found.push(`cycle: ${[...path.slice(path.indexOf(file)), file].map((one) => relative(root, one)).join(' → ')}`);
      return;
    }
    state.set(file, 'open');
    for (const target of imports.get(file)) {
      if (target.startsWith('.')) visit(resolve(dirname(file), target), [...path, file]);
    }
    state.set(file, 'done');
  };
  for (const file of imports.keys()) visit(file, []);
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const complaints = checkLayers(join(dirname(fileURLToPath(import.meta.url)), '..', 'src'));
  for (const complaint of complaints) console.error(complaint);
  process.exitCode = complaints.length === 0 ? 0 : 1;
}
