// Bytes ↔ frames, as docs/architecture/protocol.md draws them. Payload parts are passed on as the chunks that arrived, never copied or
// joined, and nothing is allocated by a length that the peer claims.
import { isUtf8 } from 'node:buffer';

/** A header longer than this is a protocol error. */
export const MAX_HEADER_BYTES = 16 * 1024 * 1024;

/** The peer sent what no well-behaved peer sends; the connection is of no use any more. */
export class FrameError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FrameError';
  }
}

export type FrameHeader = Readonly<Record<string, unknown>> & { readonly type: string };

/** The bytes of one part, in the chunks that arrived. */
export type Part = readonly Uint8Array[];

/** The length and header of a frame as one buffer; the caller writes the parts behind it. */
export function encodeFrameHead(message: object, partLengths: readonly number[]): Buffer {
  const text = headerText(message, partLengths);
  const length = Buffer.byteLength(text);
  const head = Buffer.allocUnsafe(4 + length);
  head.writeUInt32BE(length, 0);
  head.write(text, 4);
  return head;
}

/** A whole frame as one buffer, its parts copied: for parts so small that handing the system a list of them costs more. */
export function encodeSmallFrame(message: object, parts: readonly Part[], partLengths: readonly number[]): Buffer {
  const text = headerText(message, partLengths);
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(4 + length + sum(partLengths));
  frame.writeUInt32BE(length, 0);
  let end = 4 + frame.write(text, 4);
  for (const part of parts) {
    for (const chunk of part) {
      frame.set(chunk, end);
      end += chunk.length;
    }
  }
  return frame;
}

function headerText(message: object, partLengths: readonly number[]): string {
  const json = JSON.stringify(message);
  return partLengths.length === 0 ? json : `${json.slice(0, -1)},"parts":[${partLengths.join(',')}]}`;
}

/** Takes chunks as they come and calls back for each whole frame. Throws FrameError at the first byte that cannot be right. */
export class FrameDecoder {
  readonly #onFrame: (header: FrameHeader, parts: readonly Part[]) => void;
  readonly #maxPartBytes: number;
  readonly #chunks: Buffer[] = [];
  /** How much of the first chunk has been read. */
  #offset = 0;
  #availableBytes = 0;
  #headerBytes: number | undefined;
  #header: FrameHeader | undefined;
  #partLengths: readonly number[] = [];
  #parts: Part[] = [];

  constructor(onFrame: (header: FrameHeader, parts: readonly Part[]) => void, maxPartBytes: number) {
    this.#onFrame = onFrame;
    this.#maxPartBytes = maxPartBytes;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
    this.#availableBytes += chunk.length;
    while (this.#step());
  }

  /** Whether the bytes so far end inside a frame. */
  get isInsideFrame(): boolean {
    return this.#availableBytes > 0 || this.#header !== undefined || this.#headerBytes !== undefined;
  }

  /** Reads the next frame as far as it is here; false when more bytes are needed. */
  #step(): boolean {
    if (this.#headerBytes === undefined) {
      if (this.#availableBytes < 4) return false;
      this.#headerBytes = checkHeaderLength(this.#takeWhole(4).readUInt32BE(0));
    }
    if (this.#header === undefined) {
      if (this.#availableBytes < this.#headerBytes) return false;
      this.#header = parseHeader(this.#takeWhole(this.#headerBytes));
      this.#partLengths = partLengthsOf(this.#header, this.#maxPartBytes);
    }
    while (this.#parts.length < this.#partLengths.length) {
      const length = this.#partLengths[this.#parts.length] ?? 0;
      if (this.#availableBytes < length) return false;
      this.#parts.push(this.#take(length));
    }
    const [header, parts] = [this.#header, this.#parts];
    this.#headerBytes = undefined;
    this.#header = undefined;
    this.#parts = [];
    this.#onFrame(header, parts);
    return true;
  }

  /** The next `length` bytes as one buffer. */
  #takeWhole(length: number): Buffer {
    const chunk = this.#chunks[0];
    if (chunk === undefined || chunk.length - this.#offset < length) return Buffer.concat(this.#take(length));
    const whole = chunk.subarray(this.#offset, this.#offset + length);
    this.#skip(length);
    return whole;
  }

  #take(length: number): Buffer[] {
    const taken: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) throw new FrameError('a frame ended early');
      const size = Math.min(missing, chunk.length - this.#offset);
      taken.push(size === chunk.length ? chunk : chunk.subarray(this.#offset, this.#offset + size));
      this.#skip(size);
      missing -= size;
    }
    return taken;
  }

  /** Goes on by `length` bytes, none of them behind the first chunk. */
  #skip(length: number): void {
    this.#offset += length;
    this.#availableBytes -= length;
    if (this.#offset !== this.#chunks[0]?.length) return;
    this.#chunks.shift();
    this.#offset = 0;
  }
}

function checkHeaderLength(length: number): number {
  if (length > MAX_HEADER_BYTES)
    throw new FrameError(`a frame header of ${length} bytes is over the limit of ${MAX_HEADER_BYTES}`);
  return length;
}

function parseHeader(bytes: Buffer): FrameHeader {
  if (!isUtf8(bytes)) throw new FrameError('a frame header is not UTF-8');
  let header: unknown;
  try {
    header = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new FrameError(`a frame header is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isFrameHeader(header)) throw new FrameError('a frame header is not an object with a type');
  return header;
}

function isFrameHeader(value: unknown): value is FrameHeader {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

function partLengthsOf(header: FrameHeader, maxPartBytes: number): readonly number[] {
  const lengths = header['parts'] ?? [];
  if (!Array.isArray(lengths)) throw new FrameError('"parts" of a frame header is not a list');
  for (const length of lengths) {
    if (!Number.isSafeInteger(length) || length < 0)
      throw new FrameError(`"parts" of a frame header has ${JSON.stringify(length)}, not a length`);
    if (length > maxPartBytes)
      throw new FrameError(`a frame part of ${length} bytes is over the limit of ${maxPartBytes}`);
  }
  return lengths;
}

function sum(numbers: readonly number[]): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
