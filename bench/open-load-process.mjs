// The open-loop load generator: requests begin at fixed times, whether or not earlier ones are answered, and their latency counts from the
// time at which they were meant to begin. So a server that stalls is charged for all who would have come meanwhile. Takes orders from its
// parent, one at a time.
import { connect } from 'node:net';
import { AnswerReader } from './answer-reader.mjs';
import { LatencyHistogram } from './latency-histogram.mjs';

/** How long after the last arrival answers are waited for. */
const PATIENCE_MS = 30_000;

/** A keep-alive connection that carries one request at a time. */
class Client {
  #socket;
  #run;
  #answers = new AnswerReader();
  /** When the request under way was meant to begin; undefined while there is none. @type {number | undefined} */
  #dueAt;

  constructor(port, run) {
    this.#run = run;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => this.#run.left(this, this.#dueAt !== undefined));
  }

  ask(request, dueAt) {
    this.#dueAt = dueAt;
    this.#socket.write(request);
  }

  close() {
    this.#socket.destroy();
  }

  #receive(chunk) {
    try {
      if (!this.#answers.take(chunk)) return;
    } catch {
      this.close();
      return;
    }
    const dueAt = this.#dueAt;
    this.#dueAt = undefined;
    this.#run.answered(this, this.#answers, dueAt);
  }
}

class OpenRun {
  #order;
  #request;
  #done;
  #startedAt = performance.now();
  #sent = 0;
  #total;
  #open = 0;
  /** @type {Set<Client>} */
  #clients = new Set();
  /** Those without a request; the last one used is used again first. @type {Client[]} */
  #idle = [];
  #accepted = new LatencyHistogram();
  #refused = new LatencyHistogram();
  #lateness = new LatencyHistogram();
  #inTime = 0;
  #withRetryAfter = 0;
  #others = {};
  #lost = 0;
  #giveUp;

  constructor(order, done) {
    this.#order = order;
    this.#request = Buffer.from(order.request, 'latin1');
    this.#done = done;
    this.#total = Math.floor((order.ratePerSec * order.durationMs) / 1000);
    this.#sendDue();
  }

  #dueAt(index) {
    return this.#startedAt + (index * 1000) / this.#order.ratePerSec;
  }

  #sendDue() {
    const now = performance.now();
    while (this.#sent < this.#total && this.#dueAt(this.#sent) <= now) {
      const dueAt = this.#dueAt(this.#sent);
      this.#lateness.add(performance.now() - dueAt);
      this.#sent += 1;
      this.#open += 1;
      (this.#idle.pop() ?? this.#newClient()).ask(this.#request, dueAt);
    }
    if (this.#sent < this.#total) setTimeout(() => this.#sendDue(), this.#dueAt(this.#sent) - performance.now());
    else this.#giveUp = setTimeout(() => this.#finish(), PATIENCE_MS);
  }

  #newClient() {
    const client = new Client(this.#order.port, this);
    this.#clients.add(client);
    return client;
  }

  answered(client, answer, dueAt) {
    if (this.#done === undefined) return;
    const now = performance.now();
    const { status } = answer;
    this.#idle.push(client);
    if (status === 200) {
      this.#accepted.add(now - dueAt);
      if (now - this.#startedAt <= this.#order.durationMs) this.#inTime += 1;
    } else if (status === 503) {
      this.#refused.add(now - dueAt);
      if (answer.hasHeader('retry-after')) this.#withRetryAfter += 1;
    } else this.#others[status] = (this.#others[status] ?? 0) + 1;
    this.#over();
  }

  /** A connection has ended, with or without a request under way. */
  left(client, hadRequest) {
    if (this.#done === undefined) return;
    this.#clients.delete(client);
    const at = this.#idle.indexOf(client);
    if (at >= 0) this.#idle.splice(at, 1);
    if (!hadRequest) return;
    this.#lost += 1;
    this.#over();
  }

  #over() {
    this.#open -= 1;
    if (this.#open === 0 && this.#sent === this.#total) this.#finish();
  }

  #finish() {
    if (this.#done === undefined) return;
    const done = this.#done;
    this.#done = undefined;
    clearTimeout(this.#giveUp);
    const unanswered = this.#open;
    for (const client of this.#clients) client.close();
    const times = (histogram) => ({
      count: histogram.count,
      p50Ms: histogram.percentile(50),
      p99Ms: histogram.percentile(99),
    });
    done({
      sent: this.#sent,
      accepted: times(this.#accepted),
      refused: times(this.#refused),
      withRetryAfter: this.#withRetryAfter,
      others: this.#others,
      lost: this.#lost + unanswered,
      goodputPerSec: this.#inTime / (this.#order.durationMs / 1000),
      latenessP99Ms: this.#lateness.percentile(99),
    });
  }
}

process.on('message', (order) => new OpenRun(order, (result) => process.send?.(result)));
process.on('disconnect', () => process.exit(0));
