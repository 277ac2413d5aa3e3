// Reads the traces of Python and Node line by line: the lines that speak of the author's own files stand out, the others step back. It only
// paints; which lines there are is decided by whoever prints them.
import { isAbsolute, relative, sep } from 'node:path';
import type { Paint } from '../terminal/paint.ts';

/** A place in the author's code. */
export interface CodePlace {
  /** Relative to the model's folder. */
  readonly file: string;
  readonly line: number;
}

const PYTHON_FRAME = /^\s*File "(?<file>[^"]+)", line (?<line>\d+)/;
const NODE_FRAME = /^\s*at (?:.*\()?(?:file:\/\/)?(?<file>(?:[A-Za-z]:|node:)?[^():]+):(?<line>\d+):\d+\)?$/;
/** How esbuild and Node point at an error of syntax. */
const BARE_PLACE = /^\s*(?<file>[^\s:()"]+\.[cm]?[jt]sx?):(?<line>\d+)(?::\d+)?:?(?:\s|$)/;
/** The line that names an exception, at the end of a Python trace and at the beginning of one of Node. */
const EXCEPTION = /^(?:Uncaught )?(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning|Cancelled)\b(?::|$)/;

export class TracePainter {
  readonly #paint: Paint;
  readonly #folder: string;
  /** Whether the lines that follow belong to a frame of Python, and whose. */
  #frame: 'own' | 'foreign' | undefined;

  /** `folder` is the author's: an absolute real path. */
  constructor(paint: Paint, folder: string) {
    this.#paint = paint;
    this.#folder = folder;
  }

  /** The line, painted for its place in a trace; any other line as it is. */
  paint(line: string): string {
    const { bold, dim, red } = this.#paint;
    const python = PYTHON_FRAME.exec(line);
    if (python !== null) {
      this.#frame = ownPlace(python, this.#folder) === undefined ? 'foreign' : 'own';
      return this.#frame === 'own' ? bold(line) : dim(line);
    }
    if (this.#frame !== undefined && /^\s{2,}\S/.test(line)) return this.#frame === 'own' ? bold(line) : dim(line);
    this.#frame = undefined;
    if (EXCEPTION.test(line)) return bold(red(line));
    const node = NODE_FRAME.exec(line);
    if (node !== null) return ownPlace(node, this.#folder) === undefined ? dim(line) : bold(line);
    const bare = BARE_PLACE.exec(line);
    return bare !== null && ownPlace(bare, this.#folder) !== undefined ? bold(line) : line;
  }
}

/**
 * Where in the author's own code a trace comes from: the innermost frame of the author's, which Python prints last and Node first. Undefined when
 * none of its lines lies in `folder`.
 */
export function authorPlace(trace: string, folder: string): CodePlace | undefined {
  const lines = trace.split('\n');
  const python = lines.map((line) => ownPlace(PYTHON_FRAME.exec(line), folder)).filter(isDefined);
  const node = lines.map((line) => ownPlace(NODE_FRAME.exec(line) ?? BARE_PLACE.exec(line), folder)).filter(isDefined);
  return python.at(-1) ?? node[0];
}

function ownPlace(match: RegExpExecArray | null, folder: string): CodePlace | undefined {
  const { file, line } = match?.groups ?? {};
  if (file === undefined || line === undefined) return undefined;
  const path = isAbsolute(file) ? relative(folder, file) : file;
  const isForeign = path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path) || /^node:|^</.test(path);
  const parts = path.split(sep);
  // What was installed into the folder was not written by its author.
  if (isForeign || parts.some((part) => part === 'node_modules' || part === 'site-packages')) return undefined;
  return { file: path, line: Number(line) };
}

function isDefined<T>(value: T | undefined): value is T {
  return value !== undefined;
}
