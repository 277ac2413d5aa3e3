// The server's log as an author at a terminal wants it: what the handler prints stands as it was printed, failures come with their trace, and
// what only matters to operators is left out. It is a destination of the ordinary log, whose lines it reads back.
import { createLog, type ServerLog } from '../../telemetry/logger.ts';
import type { Paint } from '../terminal/paint.ts';
import { authorPlace, TracePainter } from './trace-painter.ts';

export interface AuthorLogOptions {
  /** Where the handler's own lines go. */
  readonly output: NodeJS.WritableStream;
  /** Where everything else goes. */
  readonly messages: NodeJS.WritableStream;
  readonly paint: { readonly output: Paint; readonly messages: Paint };
  /** The author's folder: an absolute real path. */
  readonly folder: string;
}

/** A failure with what is known of it. */
export interface ShownFailure {
  readonly message: string;
  readonly trace: string | undefined;
  readonly hint: string | undefined;
}

/** A line of the log, as far as it matters here. */
interface LogEntry {
  readonly level: string;
  readonly msg?: string;
  readonly worker?: string;
  readonly stream?: string;
  readonly trace?: string;
}

/** Worker lines that repeat what the server tells about a failed load. */
const LOAD_FAILED = /^The (?:model|handler) .*could not be (?:loaded|imported): /;
/** Events that whoever loads a model reports in words of its own. */
const REPORTED_ELSEWHERE =
  /^(?:registration|reload|unregistering) failed$|^workers? of a (?:new|reloaded) model did not start/;
const START_FAILED = /^worker failed to start: /;
const WORKER_ENDED = /^worker ended: /;
const WORKER_READY = 'worker is ready';

export class AuthorLog {
  /** For the server. */
  readonly serverLog: ServerLog;
  readonly #options: AuthorLogOptions;
  readonly #painters = new Map<string, TracePainter>();
  /** Workers that are through with their model: what they print afterwards has been told. */
  readonly #failedWorkers = new Set<string>();
  #isToldElsewhere = false;

  constructor(options: AuthorLogOptions) {
    this.#options = options;
    const log = createLog({ write: (line) => this.#take(JSON.parse(line) as LogEntry) });
    this.serverLog = { log, access: undefined, droppedLines: () => 0, flush: async () => {} };
  }

  /** A line of the command's own. */
  say(line: string): void {
    this.#options.messages.write(`${line}\n`);
  }

  /** Does the work of a load, whose failure is told by whoever wants it; starts of workers that fail at other times are told here. */
  async during<T>(load: () => Promise<T>): Promise<T> {
    this.#isToldElsewhere = true;
    try {
      return await load();
    } finally {
      this.#isToldElsewhere = false;
    }
  }

  /** Shows a failure with the place in the author's code and the trace. */
  fail({ message, trace, hint }: ShownFailure): void {
    const { folder, paint } = this.#options;
    const { bold, red, yellow } = paint.messages;
    const place = trace === undefined ? undefined : authorPlace(trace, folder);
    const what = hint === undefined || !message.endsWith(hint) ? message : message.slice(0, -hint.length).trimEnd();
    const isPlaced = place === undefined || what.startsWith(`${place.file}:${place.line}`);
    this.say(`${red('✗')} ${isPlaced ? '' : bold(`${place.file}:${place.line} `)}${bold(red(what))}`);
    const painter = new TracePainter(paint.messages, folder);
    // One that only says the same once more is no trace.
    if (trace !== undefined && !what.includes(trace.trim()))
      for (const line of trace.split('\n')) this.say(`  ${painter.paint(line)}`.trimEnd());
    if (hint !== undefined) this.say(`  ${yellow(hint)}`);
  }

  #take(entry: LogEntry): void {
    const { msg = '', worker = '', stream } = entry;
    if (stream !== undefined) this.#takeOutput(worker, stream, msg);
    else if (START_FAILED.test(msg)) {
      this.#failedWorkers.add(worker);
      if (!this.#isToldElsewhere)
        this.fail({ message: msg.replace(START_FAILED, ''), trace: entry.trace, hint: undefined });
    } else if (msg === WORKER_READY) {
      // One that goes on with a built-in handler in place of the author's has told a failure all the same.
      for (const known of ['stdout', 'stderr']) this.#failedWorkers.delete(`${worker} ${known}`);
    } else if (entry.level === 'info' || REPORTED_ELSEWHERE.test(msg)) return;
    else if (!(WORKER_ENDED.test(msg) && this.#failedWorkers.has(worker))) {
      const { red, yellow } = this.#options.paint.messages;
      this.say(entry.level === 'error' ? `${red('✗')} ${msg}` : `${yellow('!')} ${msg}`);
    }
  }

  #takeOutput(worker: string, stream: string, line: string): void {
    const source = `${worker} ${stream}`;
    if (LOAD_FAILED.test(line)) this.#failedWorkers.add(source);
    // The traceback follows the line that says so, and then the process ends.
    if (this.#failedWorkers.has(source)) return;
    const { output, paint, folder } = this.#options;
    const painter = this.#painters.get(source) ?? new TracePainter(paint.output, folder);
    this.#painters.set(source, painter);
    output.write(`${painter.paint(line)}\n`);
  }
}
