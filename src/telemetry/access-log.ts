// One line of the log for each request that a listener has answered. Lines are made by hand and written several at a time: a request costs
// about a microsecond, and a busy server does not write to its output thousands of times a second.
import type { Clock } from '../core/ports.ts';

/** One request and what became of it. */
export interface AccessEntry {
  readonly requestId: string;
  readonly method: string;
  /** Without the query, which may hold what should not be written down. */
  readonly path: string;
  readonly status: number;
  readonly tookMs: number;
  /** The client's address, empty on a socket of the file system. */
  readonly remote: string;
  /** Whether the connection ended before the answer did. */
  readonly isCut: boolean;
}

const FLUSH_AFTER_MS = 100;
const FLUSH_AT_CHARACTERS = 16 * 1024;
const MAX_PATH_CHARACTERS = 500;

export class AccessLog {
  readonly #write: (lines: string) => void;
  readonly #clock: Pick<Clock, 'after'>;
  #lines = '';
  #isFlushDue = false;
  #timeMs = 0;
  #time = '';

  /** `write` takes whole lines, their ends included. */
  constructor(write: (lines: string) => void, clock: Pick<Clock, 'after'>) {
    this.#write = write;
    this.#clock = clock;
  }

  /** Writes the request down, within a moment. */
  add({ requestId, method, path, status, tookMs, remote, isCut }: AccessEntry): void {
    const shown = path.length > MAX_PATH_CHARACTERS ? `${path.slice(0, MAX_PATH_CHARACTERS)}…` : path;
    // The names that can need escaping are the path alone: ids, methods and addresses were checked or made by whoever read them.
    const request = `"requestId":"${requestId}","method":"${method}","path":${JSON.stringify(shown)}`;
    const answer = `"status":${status},"ms":${Math.round(tookMs * 100) / 100},"remote":"${remote}"${isCut ? ',"isCut":true' : ''}`;
    // TorchServe's users know such lines by this name.
    this.#lines += `{"level":"info","time":"${this.#now()}","logger":"ACCESS_LOG",${request},${answer},"msg":"request"}\n`;
    if (this.#lines.length >= FLUSH_AT_CHARACTERS) this.flush();
    else if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      this.#clock.after(FLUSH_AFTER_MS, () => {
        this.#isFlushDue = false;
        this.flush();
      });
    }
  }

  /** Hands over what has been added. */
  flush(): void {
    if (this.#lines === '') return;
    const lines = this.#lines;
    this.#lines = '';
    this.#write(lines);
  }

  /** Many requests share a millisecond, and making a date text costs more than all the rest. */
  #now(): string {
    const nowMs = Date.now();
    if (nowMs !== this.#timeMs) {
      this.#timeMs = nowMs;
      this.#time = new Date(nowMs).toISOString();
    }
    return this.#time;
  }
}
