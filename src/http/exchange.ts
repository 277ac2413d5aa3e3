// One HTTP request and its answer. Answers are written straight to the socket's response, because names, order and letter case of headers
// are part of the interface, and payload chunks must not be copied.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Dialect } from '../config/dialect.ts';
import { ServingError, toServingError } from '../core/errors.ts';
import type { HeaderPair } from '../core/job.ts';
import type { Log } from '../telemetry/logger.ts';
import type { ServerMetrics } from '../telemetry/server-metrics.ts';
import { logFailure } from './failure-log.ts';
import { type ErrorDocument, errorDocument } from './http-errors.ts';
import { prettyJson } from './pretty-json.ts';
import { type Body, readRequestBody } from './request-body.ts';

const CLIENT_REQUEST_ID = /^[\w.:@/+=-]{1,128}$/;

/** How long a client may take to make room for the next part of a stream before its stream ends. */
const READER_PATIENCE_MS = 30_000;

/** How much of a refused body is still read, so that the client gets to see the answer. */
const LINGER_MS = 2_000;

/** A body up to this length becomes a string of its bytes, because Node sends a string together with the head, and a buffer on its own. */
const SMALL_BODY_BYTES = 8 * 1024;

/** What every exchange of a server shares. */
export interface ExchangeContext {
  readonly dialect: Dialect;
  readonly maxRequestBytes: number;
  readonly log: Log;
  readonly metrics: ServerMetrics;
  /** While true, connections end with their answers. */
  isStopping(): boolean;
}

export class Exchange {
  readonly request: IncomingMessage;
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly requestId: string;
  readonly #response: ServerResponse;
  readonly #context: ExchangeContext;

  constructor(
    context: ExchangeContext,
    request: IncomingMessage,
    response: ServerResponse,
    params: Readonly<Record<string, string | undefined>>,
  ) {
    this.#context = context;
    this.#response = response;
    this.request = request;
    this.params = params;
    this.requestId = context.dialect.http.isClientRequestIdKept
      ? (clientRequestId(request) ?? randomUUID())
      : randomUUID();
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

  /** Reads the body, never more than `max_request_size` of it; see readRequestBody for its failures. */
  readBody(): Promise<Body> {
    return readRequestBody(this.request, this.#context.maxRequestBytes);
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
  }

  /** Begins an answer whose length is not known yet. */
  beginStream(status: number, reason: string, headers: readonly HeaderPair[]): void {
    this.#head(status, reason, headers, ['transfer-encoding', 'chunked']);
  }

  /** Sends a part of a stream; resolves when there is room for the next. A client that makes no room loses its stream. */
  async write(chunks: readonly Uint8Array[]): Promise<void> {
    let hasRoom = true;
    for (const chunk of chunks) if (chunk.length > 0) hasRoom = this.#response.write(chunk);
    if (!hasRoom && !this.#response.destroyed) await this.#drained();
  }

  endStream(): void {
    this.#response.end();
  }

  /**
   * Answers with the error document, in the form that `describe` gives it, or breaks the connection off when an answer has begun already.
   */
  fail(thrown: unknown, describe: (document: ErrorDocument) => object = (document) => document): void {
    const error = toServingError(thrown);
    logFailure(this.#context.log, this.requestId, error);
    if (this.#response.headersSent) {
      this.#breakOff();
      return;
    }
    const { dialect } = this.#context;
    const document = errorDocument(dialect, error);
    const { retryAfterSec } = error.details;
    // Only "unavailable" promises a better answer later; a dialect that words the same failure as 500 does not.
    const retryAfter: HeaderPair[] =
      retryAfterSec === undefined || document.code !== 503 ? [] : [['Retry-After', String(retryAfterSec)]];
    if (error.code === 'BODY_TOO_LARGE') this.#refuseBody(document.code, describe(document));
    else this.json(document.code, describe(document), retryAfter);
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
      this.#connection(status),
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

  #connection(status: number): string {
    const isEnding = this.#context.isStopping() || (status >= 400 && this.#context.dialect.http.isClosedOnError);
    return isEnding || !this.#response.shouldKeepAlive ? 'close' : 'keep-alive';
  }

  /**
   * Answers at once, and goes on reading for a moment: closing with unread bytes would reset the connection and take the answer away from
   * a client that is still sending.
   */
  #refuseBody(status: number, document: object): void {
    const { dialect } = this.#context;
    const text = dialect.http.isTooLargeBare ? '' : prettyJson(document);
    const head = dialect.http.isTooLargeBare
      ? []
      : ['content-type', 'application/json', 'x-request-id', this.requestId];
    const close = dialect.http.isTooLargeBare ? [] : ['connection', 'close'];
    const headers = [...head, 'content-length', String(Buffer.byteLength(text)), ...close];
    const response = this.#response;
    response.shouldKeepAlive = false;
    // The connection ends all the same; Node would say so in a header that the bare answer does not have.
    if (dialect.http.isTooLargeBare) response.removeHeader('connection');
    response.writeHead(status, dialect.http.reasonOf(status), headers);
    response.write(text);
    response.flushHeaders();
    const end = () => {
      clearTimeout(timer);
      response.end();
    };
    const timer = setTimeout(end, LINGER_MS);
    this.request.removeAllListeners('data');
    this.request.on('end', end);
    this.request.on('close', end);
    this.request.resume();
  }

  /** Ends the connection without the mark that an answer is complete, behind what was already written if the client takes it soon. */
  #breakOff(): void {
    const response = this.#response;
    const timer = setTimeout(() => response.destroy(), LINGER_MS);
    response.once('close', () => clearTimeout(timer));
    if (response.destroyed || response.socket === null) response.destroy();
    else response.socket.destroySoon();
  }

  #drained(): Promise<void> {
    const response = this.#response;
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        response.off('drain', done);
        response.off('close', done);
        resolve();
      };
      const timer = setTimeout(() => response.destroy(), READER_PATIENCE_MS);
      response.on('drain', done);
      response.on('close', done);
    });
  }
}

function clientRequestId(request: IncomingMessage): string | undefined {
  const id = request.headers['x-request-id'];
  return typeof id === 'string' && CLIENT_REQUEST_ID.test(id) ? id : undefined;
}
