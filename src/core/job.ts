// One request on its way through a model version. A job knows no transport: what the handler answers is handed over part by part
// to whoever awaits `next()`.
//
//   queued ──dispatch──▶ held ──started──▶ started ──last part / failure──▶ ended
//     ▲                   │                                                   ▲
//     ├── died, recalled ─┘                 │    expiry, cancellation, failure ─┘
//     └── died, may be tried once more ─────┘
import { ServingError } from './errors.ts';
import type { Priority } from './priority.ts';

/** What is asked of the handler. A batch holds jobs of one kind. */
export type JobKind = 'predict' | 'explain' | 'describe';

export type HeaderPair = readonly [name: string, value: string];

/** One named value of a request, as the bytes that arrived. */
export interface JobInput {
  readonly name: string;
  /** Media type without parameters, "" when unknown. */
  readonly contentType: string;
  /** Empty for a value that is in a file. */
  readonly chunks: readonly Uint8Array[];
  readonly sizeBytes: number;
  /** Where the bytes are, if not in memory. */
  readonly stored?: StoredValue;
}

/** A value that is too large for memory: a piece of a file, as long as the input says. */
export interface StoredValue {
  /** Absolute. */
  readonly path: string;
  readonly offsetBytes: number;
}

/** What a caller hands in. */
export interface JobRequest {
  readonly requestId: string;
  readonly kind: JobKind;
  /** Who goes first among those that wait. */
  readonly priority: Priority;
  /** In the order and letter case of the client. */
  readonly headers: readonly HeaderPair[];
  /** Taken away when they are discarded, so that whoever still knows the job does not keep them in memory. */
  inputs: readonly JobInput[];
  /** Called once, when nobody reads the inputs any more: the job is over, and no worker has it. For a request that is submitted once. */
  readonly discard?: () => void;
  /** The version if the caller named one; error texts tell the two cases apart. */
  readonly requestedVersion: string | undefined;
}

/** How the handler's result became bytes. */
export type OutputEncoding = 'json' | 'text' | 'binary';

/** One part of a job's answer; a plain answer is a stream of one. Status, reason and headers count in the first part only. */
export interface OutputPart {
  readonly chunks: readonly Uint8Array[];
  readonly sizeBytes: number;
  readonly isLast: boolean;
  readonly encoding: OutputEncoding;
  readonly status: number;
  /** The handler's own reason phrase, "" for none. */
  readonly reason: string;
  readonly headers: readonly HeaderPair[];
}

export type JobState = 'queued' | 'held' | 'started' | 'ended';

/** What a job knows of the worker that has it. */
export interface JobHolder {
  /** Tells the handler that nobody waits for the job any more. */
  cancel(job: Job): void;
  /** The reader of the job's stream has taken this many bytes. */
  credit(job: Job, sizeBytes: number): void;
}

/** Who follows a job's fate: the scheduler that took it in. */
export interface JobKeeper {
  /** The reader lost interest; `error` is what the job is to end with. */
  abandoned(job: Job, error: ServingError): void;
  /** The reader has taken `sizeBytes` of a stream. */
  taken(job: Job, sizeBytes: number): void;
  /** The handler begins with it. */
  begun(job: Job): void;
  ended(job: Job, error: ServingError | undefined): void;
}

/** Who follows a job besides its keeper: the sequence that it belongs to. */
export interface JobFollower {
  /** The handler begins with it. */
  begun(job: Job): void;
  /** A part of its answer has come from the worker, be somebody there to read it or not. */
  passed(job: Job, part: OutputPart): void;
  over(job: Job): void;
}

const NO_INPUTS: readonly JobInput[] = [];

interface Reader {
  readonly resolve: (part: OutputPart) => void;
  readonly reject: (error: ServingError) => void;
}

/** A request in the hands of the server, from its arrival to its last part. */
export class Job {
  readonly id: number;
  readonly request: JobRequest;
  readonly arrivedAt: number;
  /** Monotonic moment after which nobody waits; Infinity for none. */
  readonly deadlineAt: number;
  state: JobState = 'queued';
  /** The worker that holds it, from dispatch to its end. */
  worker: JobHolder | undefined;
  /** How many workers have died with it without having begun. */
  timesGivenBack = 0;
  /** Whether a worker has died while it computed this job: it may be the reason. */
  isSuspect = false;

  /** Undefined for a job that nobody follows. */
  follower: JobFollower | undefined;

  /** Neighbours in the queue: the queue's own. */
  previous: Job | undefined;
  following: Job | undefined;

  /** How many workers have its inputs, in a socket or in a file that they may read. */
  #holders = 0;
  readonly #keeper: JobKeeper;
  readonly #parts: OutputPart[] = [];
  #handedBytes = 0;
  #hasAnswered = false;
  #failure: ServingError | undefined;
  #reader: Reader | undefined;

  constructor(id: number, request: JobRequest, arrivedAt: number, deadlineAt: number, keeper: JobKeeper) {
    this.id = id;
    this.request = request;
    this.arrivedAt = arrivedAt;
    this.deadlineAt = deadlineAt;
    this.#keeper = keeper;
  }

  /**
   * The next part of the answer; rejects with a ServingError when the job failed. One caller at a time, not after the last part. Asking for
   * a part says that the one before has been passed on, which is what lets the worker send more.
   */
  next(): Promise<OutputPart> {
    if (this.#handedBytes > 0 && this.state !== 'ended') this.#keeper.taken(this, this.#handedBytes);
    this.#handedBytes = 0;
    const part = this.#parts.shift();
    if (part !== undefined) {
      this.#handedBytes = part.sizeBytes;
      return Promise.resolve(part);
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  /** The reader gives up: a queued job leaves the queue, a running handler is told. Nothing happens to a job that is over. */
  abandon(error: ServingError = new ServingError('CANCELLED', 'The client closed the connection.')): void {
    if (this.state !== 'ended') this.#keeper.abandoned(this, error);
  }

  /** The handler begins with it: its waiting is over. Nothing happens to a job that has begun or is over. */
  begin(): void {
    if (this.state !== 'held') return;
    this.state = 'started';
    // Its waiting was over when the first worker began.
    if (!this.isSuspect) this.#keeper.begun(this);
    this.follower?.begun(this);
  }

  /** Whether a part of the answer has been handed over, or will be. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** Its worker died while it computed it: another one may begin with it anew. */
  lose(): void {
    this.state = 'held';
    this.isSuspect = true;
  }

  /** Hands a part of the answer to the reader. Parts after the end are ignored: they are late, and never another job's. */
  deliver(part: OutputPart): void {
    this.follower?.passed(this, part);
    if (this.state === 'ended') return;
    this.#hasAnswered = true;
    const reader = this.#reader;
    if (reader === undefined) {
      this.#parts.push(part);
    } else {
      this.#reader = undefined;
      this.#handedBytes = part.sizeBytes;
      reader.resolve(part);
    }
    if (part.isLast) this.#end(undefined);
  }

  /** Ends the job with an error, behind the parts that were delivered before. */
  fail(error: ServingError): void {
    if (this.state === 'ended') return;
    this.#failure = error;
    this.#reader?.reject(error);
    this.#reader = undefined;
    this.#end(error);
  }

  /** A worker has the inputs from now on, whatever becomes of the job. */
  hold(): void {
    this.#holders += 1;
  }

  /** A worker that had the inputs is done with them, or has gone. */
  letGo(): void {
    this.#holders -= 1;
    this.#discardIfDone();
  }

  #end(error: ServingError | undefined): void {
    this.state = 'ended';
    this.#keeper.ended(this, error);
    this.follower?.over(this);
    this.#discardIfDone();
  }

  #discardIfDone(): void {
    if (this.state !== 'ended' || this.#holders > 0) return;
    const { request } = this;
    if (request.discard === undefined) return;
    request.inputs = NO_INPUTS;
    request.discard();
  }
}
