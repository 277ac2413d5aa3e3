// Lints the names and sizes of an archive: what no server would unpack, and what nobody meant to pack.
import type { ArchiveContent, ContentEntry } from '../../archive/content.ts';
import { pathProblem, plainPath, quoted } from '../../archive/entry-path.ts';
import { DEFAULT_UNPACK_LIMITS } from '../../archive/unpack-limits.ts';
import { sizeText } from '../terminal/words.ts';
import { type Finding, finding } from './finding.ts';

/** Below this size no ratio is judged, as when unpacking. */
const RATIO_GRACE_BYTES = 10 * 1024 * 1024;

/** At most so many files are named for one reason. */
const MAX_NAMED = 5;

export function lintNames(content: ArchiveContent): Finding[] {
  return [
    ...content.entries.flatMap(problemsOf),
    ...clashes(content.entries),
    ...overLimits(content.entries),
    ...junk(content.entries),
  ];
}

function problemsOf({ path, oddity, sizeBytes, packedBytes }: ContentEntry): Finding[] {
  const problem = pathProblem(path, DEFAULT_UNPACK_LIMITS);
  const found: Finding[] = [];
  if (problem !== undefined)
    found.push(finding('error', undefined, `The name ${quoted(path)} ${problem}. Rename the file.`));
  if (oddity !== undefined) {
    found.push(finding('error', undefined, `${quoted(path)} is ${oddity}. Pack the file itself.`));
  }
  const isBomb = packedBytes !== undefined && sizeBytes > DEFAULT_UNPACK_LIMITS.maxCompressionRatio * packedBytes;
  if (isBomb && sizeBytes > RATIO_GRACE_BYTES) {
    const ratio = `more than ${DEFAULT_UNPACK_LIMITS.maxCompressionRatio} times`;
    found.push(
      finding(
        'error',
        path,
        `It unpacks to ${ratio} its packed size, which is refused. Pack it with --archive-format zip-store.`,
      ),
    );
  }
  return found;
}

/** Two entries of one name, or of names that are one on disks that fold case; a name that is a file and a folder. */
function clashes(entries: readonly ContentEntry[]): Finding[] {
  const found: Finding[] = [];
  const files = new Map<string, string>();
  for (const { path } of entries) {
    const folded = fold(path);
    const other = files.get(folded);
    if (other === plainPath(path))
      found.push(finding('error', undefined, `The archive has two entries ${quoted(path)}. Pack it again.`));
    else if (other !== undefined) {
      found.push(
        finding(
          'error',
          undefined,
          `${quoted(other)} and ${quoted(path)} are one name on some disks. Rename one of them.`,
        ),
      );
    }
    files.set(folded, plainPath(path));
  }
  for (const { path } of entries) {
    const parts = fold(path).split('/').slice(0, -1);
    const inTheWay = parts.map((_, index) => parts.slice(0, index + 1).join('/')).find((folder) => files.has(folder));
    if (inTheWay === undefined) continue;
    found.push(
      finding(
        'error',
        undefined,
        `${quoted(files.get(inTheWay) ?? inTheWay)} is a file, and a folder for ${quoted(path)}. Rename one of them.`,
      ),
    );
  }
  return found;
}

function fold(path: string): string {
  return plainPath(path).normalize('NFC').toLowerCase();
}

function overLimits(entries: readonly ContentEntry[]): Finding[] {
  const found: Finding[] = [];
  const { maxEntries, maxUnpackedBytes } = DEFAULT_UNPACK_LIMITS;
  const folders = new Set(entries.flatMap(({ path }) => foldersAbove(plainPath(path))));
  if (entries.length + folders.size > maxEntries) {
    found.push(
      finding(
        'error',
        undefined,
        `It holds more than ${maxEntries} files and folders, which is refused. Serve it as a folder.`,
      ),
    );
  }
  const bytes = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (bytes > maxUnpackedBytes) {
    found.push(
      finding(
        'error',
        undefined,
        `It unpacks to ${sizeText(bytes)}; more than ${sizeText(maxUnpackedBytes)} is refused. Serve it as a folder.`,
      ),
    );
  }
  return found;
}

function foldersAbove(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

const JUNK: readonly (readonly [RegExp, string])[] = [
  [/(^|\/)(\.DS_Store|Thumbs\.db|desktop\.ini)$|(^|\/)__MACOSX\//i, 'left by a file manager'],
  [/(^|\/)__pycache__\/|\.py[co]$/, 'a cache of Python'],
  [/(^|\/)\.(git|svn|hg|idea|vscode|ipynb_checkpoints|pytest_cache|mypy_cache)\//, 'of a tool, not of the model'],
  [/(^|\/)\.env($|\.)/, 'usually full of secrets'],
  [/~$|\.(swp|bak|orig|tmp)$/, 'left by an editor'],
  [/\.(mar|war)$/, 'an archive inside the archive'],
];

function junk(entries: readonly ContentEntry[]): Finding[] {
  const names = entries.map(({ path }) => path);
  const known = JUNK.flatMap(([pattern, reason]) =>
    about(
      names.filter((name) => pattern.test(name)),
      reason,
    ),
  );
  const isKnown = (name: string) => JUNK.some(([pattern]) => pattern.test(name));
  const hidden = names.filter((name) => /(^|\/)\.[^./]/.test(name) && !isKnown(name));
  return [...known, ...about(hidden, 'hidden')];
}

function about(names: readonly string[], reason: string): Finding[] {
  if (names.length === 0) return [];
  const named = names.slice(0, MAX_NAMED).map(quoted).join(', ');
  const more = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : '';
  const verb = names.length === 1 ? 'is' : 'are';
  return [finding('warning', undefined, `${named}${more} ${verb} ${reason}. Leave out what the model does not need.`)];
}
