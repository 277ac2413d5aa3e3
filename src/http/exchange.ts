// One HTTP request and its answer. Answers are written straight to the socket's response, because names, order and letter case of headers
// are part of the interface, and payload chunks must not be copied.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ErrorCode, ServingError, toServingError } from '../core/errors.ts';
import type { HeaderPair } from '../core/job.ts';
import type { Body } from './arriving-body.ts';
import { answerWhileReading, breakOff, knowsChunks } from './connection-end.ts';
import type { Connection, UnderWay } from './connections.ts';
import type { ListenerContext } from './exchange-context.ts';
import { logFailure } from './failure-log.ts';
import { type ErrorDocument, errorDocument } from './http-errors.ts';
import { prettyJson } from './pretty-json.ts';
import { readRequestBody } from './request-body.ts';
import { requestIdOf } from './request-id.ts';

/** What the log says of a request whose client left before its answer; the number that proxies use. */
const CLIENT_GONE_STATUS = 499;

/** A body up to this length becomes a string of its bytes, because Node sends a string together with the head, and a buffer on its own. */
const SMALL_BODY_BYTES = 8 * 1024;

/** Errors that a client gets while it still sends its body. */
const REFUSED_BODIES: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['BODY_TOO_LARGE', 'BUFFER_FULL', 'BODY_NOT_STORED']);

/** The form in which a protocol wants its error documents. */
export type DescribeError = (document: ErrorDocument) => object;

export class Exchange implements UnderWay {
  readonly request: IncomingMessage;
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly requestId: string;
  readonly #response: ServerResponse;
  readonly #context: ListenerContext;
  readonly #describeError: DescribeError;
  readonly #connection: Connection | undefined;
  readonly #beganAt = performance.now();

  constructor(
    context: ListenerContext,
    request: IncomingMessage,
    response: ServerResponse,
    params: Readonly<Record<string, string | undefined>>,
    describeError: DescribeError = (document) => document,
  ) {
    this.#context = context;
    this.#response = response;
    this.#describeError = describeError;
    this.request = request;
    this.params = params;
    this.#connection = context.connections.find(request.socket);
    if (this.#connection !== undefined) context.connections.begin(this.#connection, this, response);
    response.on('close', () => this.#over());
    this.requestId = requestIdOf(request, context.dialect.http.isClientRequestIdKept);
    response.sendDate = false;
  }

  /** The `Content-Type` as sent, "" when absent. */
  get contentType(): string {
    const { rawHeaders } = this.request;
    for (let index = 0; index < rawHeaders.length; index += 2) {
      if (rawHeaders[index]?.toLowerCase() === 'content-type') return rawHeaders[index + 1] ?? '';
    }
    return '';
  }

  /** The raw query string, without `?`. Throws MALFORMED_URL when its percent-encoding is broken. */
  get query(): string {
    const url = this.request.url ?? '';
    const start = url.indexOf('?');
    if (start < 0) return '';
    const query = url.slice(start + 1);
    if (/%(?![0-9A-Fa-f]{2})/.test(query))
      throw new ServingError('MALFORMED_URL', 'The query string has a % that no two hex digits follow.');
    return query;
  }

  /** A request header, undefined when absent. */
  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /**
   * Reads the body, never more than `max_request_size` of it, into memory or a file, and hands it to `take`, which sees to its being discarded.
   * A server that stops waits for both. `owner` is the model that it is counted for, "" for none. See readRequestBody for its failures.
   */
  async readBody<Taken>(owner: string, take: (body: Body) => Promise<Taken>): Promise<Taken> {
    const { request } = this;
    const { bodies, pace } = this.#context;
    const { 'content-length': declared, 'transfer-encoding': encoding } = request.headers;
    if (declared === undefined && encoding === undefined) return take(await readRequestBody(request, bodies, owner));
    const upload = pace.receive(request, true, () => this.giveUp(bodyTooSlow()));
    try {
      return await take(await readRequestBody(request, bodies, owner));
    } finally {
      pace.received(upload);
    }
  }

  /** Calls back if the client goes away before its answer is complete; at once when it has gone already. */
  onClientGone(callback: () => void): void {
    if (this.#response.destroyed) callback();
    else {
      this.#response.once('close', () => {
        if (!this.#response.writableFinished) callback();
      });
    }
  }

  /** Answers with a document, or with a list as the contract prints it. */
  json(status: number, document: object, headers: readonly HeaderPair[] = []): void {
    const reason = this.#context.dialect.http.reasonOf(status);
    this.body(status, reason, [['content-type', 'application/json'], ...headers], [Buffer.from(prettyJson(document))]);
  }

  /** Answers with the one-key document of a successful operation. */
  status(status: number, text: string): void {
    this.json(status, { status: text });
  }

  /** Answers with bytes. Throws OUTPUT_HEADER_INVALID, before anything was sent, when a header cannot be sent. */
  body(status: number, reason: string, headers: readonly HeaderPair[], chunks: readonly Uint8Array[]): void {
    if (status === 204 || status === 304) {
      this.#head(status, reason, headers, []);
      this.#response.end();
      return;
    }
    const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#head(status, reason, headers, ['content-length', String(sizeBytes)]);
    if (sizeBytes <= SMALL_BODY_BYTES) {
      this.#response.end(Buffer.concat(chunks, sizeBytes).toString('latin1'), 'latin1');
    } else {
      for (const chunk of chunks) this.#response.write(chunk);
      this.#response.end();
    }
    if (this.#response.writableLength > 0) this.#context.pace.send(this.#response);
  }

  /** Begins an answer whose length is not known yet. */
  beginStream(status: number, reason: string, headers: readonly HeaderPair[]): void {
    if (knowsChunks(this.request)) this.#head(status, reason, headers, ['transfer-encoding', 'chunked']);
    else {
      // The end of the connection is the end of the stream.
      this.#response.shouldKeepAlive = false;
      this.#head(status, reason, headers, []);
    }
  }

  /** Sends a part of a stream; resolves when there is room for the next. A client that makes no room loses its stream. */
  async write(chunks: readonly Uint8Array[]): Promise<void> {
    let hasRoom = true;
    for (const chunk of chunks) if (chunk.length > 0) hasRoom = this.#response.write(chunk);
    if (!hasRoom && !this.#response.destroyed) await this.#drained();
  }

  endStream(): void {
    this.#response.end();
    if (this.#response.writableLength > 0) this.#context.pace.send(this.#response);
  }

  /** Answers with the error document, or breaks the connection off when an answer has begun already. After a whole answer it does nothing. */
  fail(thrown: unknown): void {
    const error = toServingError(thrown);
    logFailure(this.#context.log, this.requestId, error);
    if (this.#response.writableEnded) return;
    if (this.#response.headersSent) {
      breakOff(this.#response);
      return;
    }
    const { dialect } = this.#context;
    const document = errorDocument(dialect, error);
    const { retryAfterSec, methods } = error.details;
    const added: HeaderPair[] = [];
    // Only "unavailable" promises a better answer later; a dialect that words the same failure as 500 does not.
    if (retryAfterSec !== undefined && document.code === 503) added.push(['Retry-After', String(retryAfterSec)]);
    if (methods !== undefined && dialect.http.isAllowSent) added.push(['Allow', methods.join(', ')]);
    const described = this.#describeError(document);
    if (REFUSED_BODIES.has(error.code)) this.#refuseBody(document.code, described, added);
    else this.json(document.code, described, added);
  }

  /** The answer has ended, or its connection has. */
  #over(): void {
    const { request } = this;
    const { connections, pace, access } = this.#context;
    const response = this.#response;
    // What nobody read is still on its way; the connection's next request comes behind it.
    if (!request.complete && !request.socket.destroyed) pace.receive(request, false, () => request.socket.destroy());
    if (this.#connection !== undefined) connections.end(this.#connection);
    access?.add({
      requestId: this.requestId,
      method: request.method ?? '',
      path: (request.url ?? '').split('?', 1)[0] ?? '',
      status: response.headersSent ? response.statusCode : CLIENT_GONE_STATUS,
      tookMs: performance.now() - this.#beganAt,
      remote: this.#connection?.remote ?? '',
      // A response lets its socket go when it has been handed over whole.
      isCut: !response.writableFinished || response.socket !== null,
    });
  }

  get hasBegunAnswer(): boolean {
    return this.#response.headersSent;
  }

  /** Ends a request whose body will not come: with this error where there is no answer yet, and with its connection. */
  giveUp(error: ServingError): void {
    const { request } = this;
    const response = this.#response;
    if (this.hasBegunAnswer) {
      request.socket.destroy();
      return;
    }
    response.shouldKeepAlive = false;
    // A request whose answer is complete hears nothing more of its connection; whoever reads its body has to.
    response.on('close', () => request.destroy());
    this.fail(error);
  }

  #head(status: number, reason: string, headers: readonly HeaderPair[], framing: readonly string[]): void {
    const { dialect, metrics } = this.#context;
    const flat: string[] = [];
    for (const [name, value] of headers) flat.push(name, value);
    flat.push(
      'x-request-id',
      this.requestId,
      ...dialect.http.extraHeaders,
      ...framing,
      'connection',
      this.#connectionHeader(status),
    );
    try {
      this.#response.writeHead(status, reason, flat);
    } catch (error) {
      throw new ServingError(
        'OUTPUT_HEADER_INVALID',
        `The handler set a header or status that HTTP cannot carry: ${String(error)}`,
        {},
        error,
      );
    }
    metrics.responded(status);
  }

  #connectionHeader(status: number): string {
    const { isStopping, dialect } = this.#context;
    // Requests that came behind this one, without waiting for its answer, are to have theirs.
    const isLast = this.#connection === undefined || this.#connection.latest === this;
    const isEnding = (isStopping() && isLast) || (status >= 400 && dialect.http.isClosedOnError);
    return isEnding || !this.#response.shouldKeepAlive ? 'close' : 'keep-alive';
  }

  /** Answers at once, while the body still arrives. */
  #refuseBody(status: number, document: object, added: readonly HeaderPair[]): void {
    const { dialect, metrics } = this.#context;
    const isBare = dialect.http.isTooLargeBare && status === 413;
    const text = isBare ? '' : prettyJson(document);
    const head = isBare ? [] : ['content-type', 'application/json', ...added.flat(), 'x-request-id', this.requestId];
    const close = isBare ? [] : ['connection', 'close'];
    const headers = [...head, 'content-length', String(Buffer.byteLength(text)), ...close];
    const response = this.#response;
    response.shouldKeepAlive = false;
    // The connection ends all the same; Node would say so in a header that the bare answer does not have.
    if (isBare) response.removeHeader('connection');
    response.writeHead(status, dialect.http.reasonOf(status), headers);
    metrics.responded(status);
    answerWhileReading(this.request, response, text);
  }

  #drained(): Promise<void> {
    const response = this.#response;
    const { pace } = this.#context;
    pace.send(response);
    return new Promise((resolve) => {
      const done = () => {
        pace.taken(response);
        response.off('drain', done);
        response.off('close', done);
        resolve();
      };
      response.on('drain', done);
      response.on('close', done);
    });
  }
}

function bodyTooSlow(): ServingError {
  const message =
    'The body of the request came too slowly; client_min_rate and client_body_timeout set what is waited for.';
  return new ServingError('REQUEST_TOO_SLOW', message);
}
