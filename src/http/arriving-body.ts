// A request body while it arrives: in memory as the chunks that came, within the budget that all requests share, or in a file once it is large.
// Where the chunks come from is request-body.ts's business.
import type { Readable } from 'node:stream';
import type { ByteBudget } from '../core/byte-budget.ts';
import { ServingError } from '../core/errors.ts';
import { type BodyFile, type BodyFiles, WRITE_BUFFER_BYTES } from './body-files.ts';

/** A body that is longer goes to a file, unless the budget is so small that shorter ones do. */
const LARGE_BODY_BYTES = 16 * 1024 * 1024;

/** What a chunk costs besides its bytes: a body that comes byte by byte is large long before its length is. */
const CHUNK_COST_BYTES = 256;

/** How bodies are kept; shared by all requests of a server. */
export interface BodyRules {
  /** A body may have so many bytes. */
  readonly limitBytes: number;
  readonly budget: ByteBudget;
  readonly files: BodyFiles;
}

/** The bytes of a body that is here as a whole. */
export interface BodyContent {
  /** Empty when they are in a file. */
  readonly chunks: readonly Buffer[];
  readonly sizeBytes: number;
  /** The path of the file, undefined for a body in memory. */
  readonly file?: string | undefined;
}

/** A body and the room that it takes up. */
export interface Body extends BodyContent {
  /** Frees memory and file; nobody reads the body after that. Can be called again. */
  discard(): void;
}

export const NO_BODY: Body = { chunks: [], sizeBytes: 0, discard: () => {} };

/** Up to this length a body stays in memory: never more than a quarter of the budget, so that a model finds room beside one that is flooded. */
export function largestInMemory(budget: ByteBudget): number {
  return Math.min(LARGE_BODY_BYTES, Math.floor(budget.limitBytes / 4));
}

export class ArrivingBody implements Body {
  readonly #rules: BodyRules;
  readonly #owner: string;
  readonly #source: Readable;
  readonly #resolve: (body: Body) => void;
  readonly #reject: (error: ServingError) => void;
  #chunks: Buffer[] = [];
  #sizeBytes = 0;
  #reservedBytes = 0;
  #isOver = false;
  /** Whether it is too large for memory: chunks go to the file, which may still have to be made. */
  #isLarge = false;
  #hasEnded = false;
  #file: BodyFile | undefined;

  /** `owner` is whom the budget counts it for; the source's chunks are to be handed to `add`. */
  constructor(
    rules: BodyRules,
    owner: string,
    source: Readable,
    resolve: (body: Body) => void,
    reject: (error: ServingError) => void,
  ) {
    this.#rules = rules;
    this.#owner = owner;
    this.#source = source;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get chunks(): readonly Buffer[] {
    return this.#chunks;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get file(): string | undefined {
    return this.#file?.path;
  }

  /** Takes what is known of the length before the first chunk: a body that is too large for the budget is refused before it is read. */
  expect(declaredBytes: number): void {
    const { budget } = this.#rules;
    if (declaredBytes > largestInMemory(budget)) this.#goToFile(declaredBytes);
    else if (declaredBytes > 0 && !budget.hasRoom(this.#owner, declaredBytes)) this.fail(this.#noRoom());
  }

  add(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#sizeBytes += chunk.length;
    if (this.#sizeBytes > this.#rules.limitBytes) this.fail(bodyTooLarge(this.#rules.limitBytes));
    else if (this.#file !== undefined) this.#write(this.#file, chunk);
    else if (this.#isLarge) this.#chunks.push(chunk);
    else this.#keep(chunk);
  }

  end(): void {
    if (this.#isOver) return;
    this.#hasEnded = true;
    if (this.#file !== undefined) this.#finish(this.#file);
    else if (!this.#isLarge) this.#handOver();
  }

  /** Gives up: what was kept goes, what still comes goes by. Nothing happens to a body that is here as a whole. */
  fail(error: ServingError): void {
    if (this.#isOver) return;
    this.discard();
    this.#source.resume();
    this.#reject(error);
  }

  discard(): void {
    this.#isOver = true;
    this.#chunks = [];
    this.#release();
    // Whoever waits for the folder to be empty waits for this.
    void this.#file?.remove();
  }

  #keep(chunk: Buffer): void {
    const { budget } = this.#rules;
    const costBytes = chunk.length + CHUNK_COST_BYTES;
    if (this.#reservedBytes + costBytes > largestInMemory(budget)) {
      this.#chunks.push(chunk);
      this.#goToFile(this.#sizeBytes);
    } else if (budget.reserve(this.#owner, costBytes)) {
      this.#reservedBytes += costBytes;
      this.#chunks.push(chunk);
    } else this.fail(this.#noRoom());
  }

  /** From here on the body is written; the source waits until the file is there. */
  #goToFile(expectedBytes: number): void {
    const { budget, files } = this.#rules;
    this.#isLarge = true;
    const bufferBytes = Math.min(WRITE_BUFFER_BYTES, largestInMemory(budget));
    if (this.#reservedBytes === 0) {
      if (!budget.reserve(this.#owner, bufferBytes)) {
        this.fail(this.#noRoom());
        return;
      }
      this.#reservedBytes = bufferBytes;
    }
    this.#source.pause();
    files.create(expectedBytes).then(
      (file) => this.#begin(file, bufferBytes),
      (error: ServingError) => this.fail(error),
    );
  }

  #begin(file: BodyFile, bufferBytes: number): void {
    this.#file = file;
    if (this.#isOver) {
      void file.remove();
      return;
    }
    file.onFailure((error) => this.fail(error));
    const arrived = this.#chunks;
    this.#chunks = [];
    let hasRoom = true;
    for (const chunk of arrived) hasRoom = file.write(chunk);
    const goOn = () => {
      // What was in memory is on the disk; from here on it is what is on its way there.
      const spareBytes = Math.max(0, this.#reservedBytes - bufferBytes);
      this.#reservedBytes -= spareBytes;
      this.#rules.budget.release(this.#owner, spareBytes);
      this.#source.resume();
    };
    if (this.#hasEnded) this.#finish(file);
    else if (hasRoom) goOn();
    else file.drained(goOn);
  }

  #write(file: BodyFile, chunk: Buffer): void {
    if (file.write(chunk)) return;
    this.#source.pause();
    file.drained(() => this.#source.resume());
  }

  #finish(file: BodyFile): void {
    file.finish(() => {
      if (this.#isOver) return;
      this.#release();
      this.#handOver();
    });
  }

  /** From here on it is for its reader to discard it. */
  #handOver(): void {
    this.#isOver = true;
    this.#resolve(this);
  }

  #release(): void {
    this.#rules.budget.release(this.#owner, this.#reservedBytes);
    this.#reservedBytes = 0;
  }

  #noRoom(): ServingError {
    const { budget } = this.#rules;
    const whose = this.#owner === '' ? '' : `, ${budget.usedBy(this.#owner)} of them for model ${this.#owner}`;
    const message = `There is no room for the request body: ${budget.usedBytes} bytes of requests are in memory${whose}, and max_buffered_size allows ${budget.limitBytes}, of which one model may take as much as it leaves to the others. Try again later, add workers, or raise max_buffered_size.`;
    const model = this.#owner === '' ? {} : { model: this.#owner };
    return new ServingError('BUFFER_FULL', message, { ...model, retryAfterSec: 1 });
  }
}

/** The refusal of a body that passes `max_request_size`. */
export function bodyTooLarge(limitBytes: number): ServingError {
  return new ServingError(
    'BODY_TOO_LARGE',
    `The request body is larger than ${limitBytes} bytes; max_request_size sets this limit.`,
  );
}
