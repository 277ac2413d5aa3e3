// Reads what Python's faulthandler writes about the threads of a worker that hangs or has crashed: where in the model's code it was.

/** What a dump tells. */
export interface DumpedStack {
  /** The lines without other threads and without the calls that led to the model's code; all lines when no thread was in it. */
  readonly trace: string;
  /** The innermost line of the model's code, in words; undefined when no thread was in it. */
  readonly place: string | undefined;
}

const FRAME = /^\s*File "(?<file>[^"]+)", line (?<line>\d+) in (?<name>.+)$/;
const THREAD = /^(?:Current thread|Thread) /;

/** Finds the thread that was in code below `modelDir`. The innermost call of each thread comes first. */
export function stackIn(lines: readonly string[], modelDir: string): DumpedStack {
  const folder = `${modelDir}/`;
  const isOfModel = (line: string | undefined) => FRAME.exec(line ?? '')?.groups?.['file']?.startsWith(folder) === true;
  const innermost = lines.findIndex(isOfModel);
  const frame = FRAME.exec(lines[innermost] ?? '')?.groups;
  if (frame === undefined) return { trace: lines.join('\n'), place: undefined };
  const begin = Math.max(
    0,
    lines.slice(0, innermost).findLastIndex((line) => THREAD.test(line)),
  );
  const length = lines.slice(begin + 1).findIndex((line) => !FRAME.test(line));
  const end = length < 0 ? lines.length : begin + 1 + length;
  const outermost = lines.slice(0, end).findLastIndex(isOfModel);
  const isTold = (line: string, index: number) =>
    (index >= begin && index <= outermost) || !(THREAD.test(line) || FRAME.test(line));
  const place = `${frame['file']?.slice(folder.length)}, line ${frame['line']}, in ${frame['name']}`;
  return { trace: lines.filter(isTold).join('\n'), place };
}
