// Judges the names that archives and manifests give to files: which are safe to create below a folder, and how to print one.
// Pure text; the file system is not asked here, and clashes between names are UnpackTree's business.

const MAX_QUOTED_CHARACTERS = 120;
const MAX_COMPONENT_BYTES = 255;

/** Bounds of one path, part of UnpackLimits. */
export interface PathLimits {
  /** Longest path of an entry, in bytes of UTF-8. */
  readonly maxPathBytes: number;
  /** Most folders and names in one path. */
  readonly maxPathDepth: number;
}

/**
 * What is wrong with a name as a relative path below some folder, in words that continue "the name …"; undefined when nothing
 * is. Empty and `.` components are fine: `plainPath` drops them.
 */
export function pathProblem(name: string, limits: PathLimits): string | undefined {
  if (name === '') return 'is empty';
  if (/\p{Cc}/u.test(name)) return 'contains a control character';
  if (name.includes('\\')) return 'contains a backslash';
  if (name.startsWith('/')) return 'is an absolute path';
  if (/^[A-Za-z]:/.test(name)) return 'starts with a drive letter';
  const components = name.split('/');
  if (components.includes('..')) return 'climbs out of its folder with ".."';
  if (Buffer.byteLength(name) > limits.maxPathBytes) return `is longer than ${limits.maxPathBytes} bytes`;
  if (components.length > limits.maxPathDepth) return `is nested deeper than ${limits.maxPathDepth} folders`;
  if (components.some((one) => Buffer.byteLength(one) > MAX_COMPONENT_BYTES)) {
    return `has a part that is longer than ${MAX_COMPONENT_BYTES} bytes`;
  }
  return undefined;
}

/** A name without empty and `.` components and without a trailing slash; '' when it names the folder itself. */
export function plainPath(name: string): string {
  return name
    .split('/')
    .filter((component) => component !== '' && component !== '.')
    .join('/');
}

/** A name for a message or a log line: quoted, shortened, and with everything escaped that could forge or hide text. */
export function quoted(name: string): string {
  const characters = [...name];
  const shown = characters.slice(0, MAX_QUOTED_CHARACTERS).join('');
  const escaped = JSON.stringify(shown).replace(
    /[^\p{L}\p{N}\p{P}\p{S} ]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
  return characters.length > MAX_QUOTED_CHARACTERS ? `${escaped.slice(0, -1)}…"` : escaped;
}
