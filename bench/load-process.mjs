// The load generator: a closed loop of N keep-alive connections over raw sockets, in a process of its own so that its CPU time is nobody
// else's. Takes orders from its parent, one at a time, and answers each with counts and latencies.
import { connect } from 'node:net';
import { LatencyHistogram } from './latency-histogram.mjs';

const OK = Buffer.from('HTTP/1.1 200');
const HEAD_END = '\r\n\r\n';

/** One connection that always has exactly one request under way while the run goes on. */
class Client {
  #socket;
  #request;
  #run;
  #sentAt = 0;
  /** @type {Buffer | undefined} */
  #pending;
  #answerBytes = 0;

  /**
   * @param {number} port
   * @param {Buffer} request
   * @param {Run} run
   */
  constructor(port, request, run) {
    this.#request = request;
    this.#run = run;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('connect', () => this.#send());
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    this.#socket.on('error', () => run.failed(this));
    this.#socket.on('end', () => run.failed(this));
  }

  close() {
    this.#socket.destroy();
  }

  #send() {
    this.#sentAt = performance.now();
    this.#socket.write(this.#request);
  }

  #receive(chunk) {
    const bytes = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk]);
    // Every answer of a run has the same length: the first one is read with care, the others are recognised by it.
    if (bytes.length !== this.#answerBytes && !this.#isWhole(bytes)) {
      this.#pending = bytes;
      return;
    }
    this.#pending = undefined;
    this.#answerBytes = bytes.length;
    const isOk = OK.compare(bytes, 0, OK.length) === 0;
    if (this.#run.answered(performance.now() - this.#sentAt, isOk)) this.#send();
    else this.close();
  }

  #isWhole(bytes) {
    const headEnd = bytes.indexOf(HEAD_END);
    if (headEnd < 0) return false;
    const length = /content-length: *(\d+)/i.exec(bytes.latin1Slice(0, headEnd))?.[1];
    return length !== undefined && bytes.length >= headEnd + HEAD_END.length + Number(length);
  }
}

/** A closed loop for a given time. */
class Run {
  #endsAt;
  #startedAt = performance.now();
  #lastAt = this.#startedAt;
  #histogram = new LatencyHistogram();
  #refused = 0;
  #lost = 0;
  #open;
  #done;

  constructor({ port, request, connections, durationMs }, done) {
    this.#endsAt = this.#startedAt + durationMs;
    this.#open = connections;
    this.#done = done;
    const bytes = Buffer.from(request, 'latin1');
    for (let count = 0; count < connections; count += 1) new Client(port, bytes, this);
  }

  /** Counts an answer; false when the client is to stop. */
  answered(latencyMs, isOk) {
    this.#histogram.add(latencyMs);
    if (!isOk) this.#refused += 1;
    this.#lastAt = performance.now();
    if (this.#lastAt < this.#endsAt) return true;
    this.#left();
    return false;
  }

  failed(client) {
    client.close();
    this.#lost += 1;
    this.#left();
  }

  #left() {
    this.#open -= 1;
    if (this.#open > 0) return;
    this.#done({
      answers: this.#histogram.count,
      refused: this.#refused,
      lost: this.#lost,
      elapsedMs: this.#lastAt - this.#startedAt,
      p50Ms: this.#histogram.percentile(50),
      p99Ms: this.#histogram.percentile(99),
    });
  }
}

process.on('message', (order) => new Run(order, (result) => process.send?.(result)));
process.on('disconnect', () => process.exit(0));
