// The load generator: a closed loop of N keep-alive connections over raw sockets, in a process of its own so that its CPU time is nobody
// else's. Takes orders from its parent, one at a time, and answers each with counts and latencies.
import { connect } from 'node:net';
import { AnswerReader } from './answer-reader.mjs';
import { LatencyHistogram } from './latency-histogram.mjs';

/** One connection that always has exactly one request under way while the run goes on. */
class Client {
  #socket;
  #request;
  #run;
  #sentAt = 0;
  #isOver = false;
  #answers = new AnswerReader();

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
    this.#socket.on('error', () => this.#fail());
    this.#socket.on('end', () => this.#fail());
  }

  #send() {
    this.#sentAt = performance.now();
    this.#socket.write(this.#request);
  }

  #receive(chunk) {
    try {
      if (!this.#answers.take(chunk)) return;
    } catch {
      this.#fail();
      return;
    }
    if (this.#run.answered(performance.now() - this.#sentAt, this.#answers.status === 200)) this.#send();
    else this.#socket.destroy();
  }

  #fail() {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#socket.destroy();
    this.#run.failed();
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

  failed() {
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
