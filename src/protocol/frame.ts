// Bytes ↔ frames, as docs/architecture/protocol.md draws them. Payload parts are passed on as the chunks that arrived, never copied or
// joined, and nothing is allocated by a length that the peer claims.

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
  const json = JSON.stringify(message);
  const text = partLengths.length === 0 ? json : `${json.slice(0, -1)},"parts":[${partLengths.join(',')}]}`;
  const length = Buffer.byteLength(text);
  const head = Buffer.allocUnsafe(4 + length);
  head.writeUInt32BE(length, 0);
  head.write(text, 4);
  return head;
}

/** Takes chunks as they come and calls back for each whole frame. Throws FrameError at the first byte that cannot be right. */
export class FrameDecoder {
  readonly #onFrame: (header: FrameHeader, parts: readonly Part[]) => void;
  readonly #maxPartBytes: number;
  readonly #chunks: Uint8Array[] = [];
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
    this.#chunks.push(chunk);
    this.#availableBytes += chunk.length;
    while (this.#step());
  }

  /** Whether the bytes so far end inside a frame. */
  get isInsideFrame(): boolean {
    return this.#availableBytes > 0 || this.#header !== undefined || this.#headerBytes !== undefined;
  }

  /** Reads the next piece of a frame, if all of it is here. */
  #step(): boolean {
    if (this.#headerBytes === undefined) {
      if (this.#availableBytes < 4) return false;
      this.#headerBytes = checkHeaderLength(Buffer.concat(this.#take(4)).readUInt32BE(0));
    }
    if (this.#header === undefined) {
      if (this.#availableBytes < this.#headerBytes) return false;
      this.#header = parseHeader(this.#take(this.#headerBytes));
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

  #take(length: number): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let missing = length;
    while (missing > 0) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) throw new FrameError('a frame ended early');
      if (chunk.length <= missing) {
        taken.push(chunk);
        this.#chunks.shift();
        missing -= chunk.length;
      } else {
        taken.push(chunk.subarray(0, missing));
        this.#chunks[0] = chunk.subarray(missing);
        missing = 0;
      }
    }
    this.#availableBytes -= length;
    return taken;
  }
}

function checkHeaderLength(length: number): number {
  if (length > MAX_HEADER_BYTES)
    throw new FrameError(`a frame header of ${length} bytes is over the limit of ${MAX_HEADER_BYTES}`);
  return length;
}

function parseHeader(chunks: Uint8Array[]): FrameHeader {
  const [only] = chunks;
  const bytes =
    chunks.length === 1 && only !== undefined
      ? Buffer.from(only.buffer, only.byteOffset, only.length)
      : Buffer.concat(chunks);
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
