// How slow a client may be: a body that drips in is refused, an answer that nobody takes is dropped. One timer serves all requests of the
// server, and runs only while there is something to watch. What a refusal looks like is for exchange.ts.
import type { Clock } from '../core/ports.ts';

/** What is asked of a request whose body comes; an IncomingMessage has it. */
export interface ArrivingRequest {
  readonly complete: boolean;
  /** Bytes that have come and wait to be read here. */
  readonly readableLength: number;
  readonly socket: { readonly bytesRead: number; readonly destroyed: boolean };
}

/** What is asked of an answer that waits for its client; a ServerResponse has it. */
export interface WaitingAnswer {
  readonly writableFinished: boolean;
  readonly destroyed: boolean;
  /** Bytes that the system has not taken yet. */
  readonly writableLength: number;
  /** Null while other answers come first on the connection. */
  readonly socket: object | null;
  /** Cuts the connection when nothing moves on it for so long; 0 for never. */
  setTimeout(ms: number): unknown;
  destroy(): unknown;
}

export interface PaceLimits {
  /** How far a body may fall behind the rate, in milliseconds; also how long it may stand still. */
  readonly bodyTimeoutMs: number;
  /** Bytes a second that a client has to send, or to take. */
  readonly minBytesPerSec: number;
}

const TICK_MS = 1_000;

/** How long a client may take nothing at all of an answer that waits for it. */
const READER_PATIENCE_MS = 30_000;

/** The socket looks whether anything has moved since it last looked, so that it takes up to twice as long until it cuts a client. */
const STALL_CHECK_MS = READER_PATIENCE_MS / 2;

/** How often a stop looks whether the last bodies have arrived. */
const ARRIVAL_POLL_MS = 20;

/** A body on its way in. */
export interface Upload {
  readonly request: ArrivingRequest;
  /** Called once, when the body has fallen behind. */
  readonly onTooSlow: () => void;
  /** Whether an operation waits for it, rather than nobody. */
  readonly isAwaited: boolean;
  seenBytes: number;
  /** How much longer it may stay behind. Bytes that come earn time, up to where it began. */
  creditMs: number;
}

/** An answer that waits for its client. */
interface Download {
  readonly waitingBytes: number;
  /** Undefined until it is this answer's turn on its connection. */
  deadlineAt: number | undefined;
}

export class ClientPace {
  readonly #limits: PaceLimits;
  readonly #clock: Clock;
  readonly #uploads = new Set<Upload>();
  readonly #downloads = new Map<WaitingAnswer, Download>();
  #isTicking = false;
  #lastTickAt = 0;

  constructor(limits: PaceLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Watches the body of a request until it has come, or until `received`. */
  receive(request: ArrivingRequest, isAwaited: boolean, onTooSlow: () => void): Upload {
    const { bodyTimeoutMs: creditMs } = this.#limits;
    const upload = { request, isAwaited, onTooSlow, seenBytes: request.socket.bytesRead, creditMs };
    this.#uploads.add(upload);
    this.#start();
    return upload;
  }

  received(upload: Upload): void {
    this.#uploads.delete(upload);
  }

  /** Watches that the client takes what was written to it, until it has, or until `taken`; otherwise its connection is cut. */
  send(response: WaitingAnswer): void {
    this.#downloads.set(response, { waitingBytes: response.writableLength, deadlineAt: undefined });
    this.#start();
  }

  taken(response: WaitingAnswer): void {
    const download = this.#downloads.get(response);
    if (download === undefined) return;
    this.#downloads.delete(response);
    if (download.deadlineAt !== undefined) response.setTimeout(0);
  }

  /** Resolves when every body that an operation waits for has come and been taken over, after `withinMs` at the latest. */
  async untilReceived(withinMs: number): Promise<void> {
    const deadlineAt = this.#clock.now() + withinMs;
    while (this.#clock.now() < deadlineAt && [...this.#uploads].some(({ isAwaited }) => isAwaited)) {
      await new Promise<void>((resolve) => {
        this.#clock.after(ARRIVAL_POLL_MS, resolve);
      });
    }
  }

  #start(): void {
    if (this.#isTicking) return;
    this.#isTicking = true;
    this.#lastTickAt = this.#clock.now();
    this.#clock.after(TICK_MS, () => this.#tick());
  }

  #tick(): void {
    const now = this.#clock.now();
    // While the event loop was busy nothing could be read: a client must not pay for that.
    const elapsedMs = Math.min(now - this.#lastTickAt, 2 * TICK_MS);
    this.#isTicking = false;
    for (const upload of this.#uploads) this.#review(upload, elapsedMs);
    for (const [response, download] of this.#downloads) this.#reviewAnswer(response, download, now);
    if (this.#uploads.size + this.#downloads.size > 0) this.#start();
  }

  #review(upload: Upload, elapsedMs: number): void {
    const { request } = upload;
    if (request.complete || request.socket.destroyed) {
      if (!upload.isAwaited) this.#uploads.delete(upload);
      return;
    }
    const { bodyTimeoutMs, minBytesPerSec } = this.#limits;
    const { bytesRead } = request.socket;
    const earnedMs = ((bytesRead - upload.seenBytes) / minBytesPerSec) * 1000;
    upload.seenBytes = bytesRead;
    // With bytes that wait to be read here, it is not the client who is slow.
    if (request.readableLength > 0) upload.creditMs = bodyTimeoutMs;
    else upload.creditMs = Math.min(bodyTimeoutMs, upload.creditMs + earnedMs - elapsedMs);
    if (upload.creditMs > 0) return;
    this.#uploads.delete(upload);
    upload.onTooSlow();
  }

  #reviewAnswer(response: WaitingAnswer, download: Download, now: number): void {
    if (response.writableFinished || response.destroyed || response.writableLength === 0) this.taken(response);
    else if (response.socket === null) return;
    else if (download.deadlineAt === undefined) {
      // The socket's own timeout sees progress within one long write, which nothing else shows; it cuts the connection.
      response.setTimeout(STALL_CHECK_MS);
      download.deadlineAt = now + READER_PATIENCE_MS + (download.waitingBytes / this.#limits.minBytesPerSec) * 1000;
    } else if (now >= download.deadlineAt) {
      this.#downloads.delete(response);
      response.destroy();
    }
  }
}
