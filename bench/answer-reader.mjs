// Finds the end of each answer on a connection, and reads no more of it than that takes. Answers need a Content-Length; others count as broken.

const HEAD_END = '\r\n\r\n';
const STATUS_AT = 'HTTP/1.1 '.length;

/** The answers of one connection, one after the other. */
export class AnswerReader {
  /** Bytes of a head that is not whole yet. @type {Buffer | undefined} */
  #pending;
  /** Body bytes that are still to come. */
  #missing = 0;
  #wholeBytes = 0;
  /** Where the last answer began: at least its head. */
  #start = Buffer.alloc(0);

  /** The status of the last answer. */
  get status() {
    const digit = (index) => this.#start[STATUS_AT + index] - 48;
    return digit(0) * 100 + digit(1) * 10 + digit(2);
  }

  /** Whether the last answer had this header. @param {string} name in lower case */
  hasHeader(name) {
    const head = this.#start.latin1Slice(0, this.#start.indexOf(HEAD_END)).toLowerCase();
    return head.includes(`\r\n${name}:`);
  }

  /**
   * Takes what has arrived; true when an answer is whole by it. Fails at an answer of unknown length.
   * @param {Buffer} chunk
   */
  take(chunk) {
    if (this.#missing > 0) {
      this.#missing -= chunk.length;
      return this.#missing <= 0;
    }
    const bytes = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#start = bytes;
    // Most answers of a run have one length and come in one piece: the first one is read with care, the others are recognised by it.
    if (bytes.length === this.#wholeBytes) {
      this.#pending = undefined;
      return true;
    }
    const headEnd = bytes.indexOf(HEAD_END);
    if (headEnd < 0) {
      this.#pending = bytes;
      return false;
    }
    this.#pending = undefined;
    const length = /\r\ncontent-length: *(\d+)/i.exec(bytes.latin1Slice(0, headEnd))?.[1];
    if (length === undefined) throw new Error('an answer without Content-Length');
    const whole = headEnd + HEAD_END.length + Number(length);
    this.#missing = whole - bytes.length;
    if (this.#missing === 0) this.#wholeBytes = whole;
    return this.#missing <= 0;
  }
}
