// One listener: a router finds the operation, an Exchange answers. Opening, guarding and closing happen here; what is answered does not.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import createRouter from 'find-my-way';
import { formatListenAddress, isLoopback, type ListenAddress } from '../config/listen-address.ts';
import { ServingError } from '../core/errors.ts';
import { Exchange, type ExchangeContext } from './exchange.ts';
import { errorDocument } from './http-errors.ts';
import { checkHost, checkOrigin } from './listener-guard.ts';
import type { Operation } from './operation.ts';
import { prettyJson } from './pretty-json.ts';
import { isPathOf, routerPath } from './route-path.ts';
import { removeStaleSocket } from './stale-socket.ts';

const HEADERS_TIMEOUT_MS = 60_000;
const REQUEST_TIMEOUT_MS = 300_000;
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/** A model's name, or any other part of a path, may have this many characters. */
const MAX_PATH_PART_LENGTH = 1024;
/** When the listener closes, how long the last answers may take to reach their clients. */
const LAST_BYTES_MS = 3_000;

export interface HttpServerOptions {
  readonly address: ListenAddress;
  readonly context: ExchangeContext;
  readonly operations: readonly Operation[];
  /** Refuses browsers' requests from other sites. */
  readonly isManagement: boolean;
}

export class HttpServer {
  readonly #server: Server;
  readonly #options: HttpServerOptions;
  #closed: Promise<void> = Promise.resolve();

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#server = createListener(options);
  }

  /** Opens the listener and returns where it listens: `http://host:port` or `unix:/path`. */
  async listen(): Promise<string> {
    const { address } = this.#options;
    const server = this.#server;
    if (address.scheme === 'unix') await removeStaleSocket(address.path);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(
        address.scheme === 'unix' ? { path: address.path } : { host: address.host, port: address.port },
        () => {
          server.off('error', reject);
          resolve();
        },
      );
    });
    if (address.scheme === 'unix') return formatListenAddress(address);
    const { port } = server.address() as AddressInfo;
    return formatListenAddress({ ...address, port });
  }

  /** Takes no new connections; those that are idle end now, the others with their answers. */
  stopListening(): void {
    this.#closed = new Promise((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
  }

  /** Resolves when every connection has ended; those that take longer than a moment are cut. */
  async close(): Promise<void> {
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#server.closeAllConnections(), LAST_BYTES_MS);
    await this.#closed;
    clearTimeout(timer);
  }
}

type Params = Exchange['params'];

function createListener(options: HttpServerOptions): Server {
  const { context, operations } = options;
  const guard = guardOf(options);
  const serve =
    ({ handle, describeError }: Pick<Operation, 'handle' | 'describeError'>) =>
    (request: IncomingMessage, response: ServerResponse, params: Params) => {
      void handleSafely(new Exchange(context, request, response, params), guard, handle, describeError);
    };
  const serveUnknown = (request: IncomingMessage, response: ServerResponse) => {
    const handle = (exchange: Exchange) => {
      throw notFound(exchange, operations);
    };
    serve({ handle, ...errorFormOf(request.url ?? '', operations) })(request, response, {});
  };
  const refusePath = (why: string) => (path: string, request: IncomingMessage, response: ServerResponse) => {
    const malformed = new ServingError(
      'MALFORMED_URL',
      `The path of the request cannot be decoded: "${path.slice(0, 200)}" ${why}.`,
    );
    const { describeError } = errorFormOf(path, operations);
    new Exchange(context, request, response, {}).fail(malformed, describeError);
  };
  const router = createRouter({
    ignoreTrailingSlash: true,
    ignoreDuplicateSlashes: true,
    maxParamLength: MAX_PATH_PART_LENGTH,
    // An operation that has a use for the query reads it itself.
    querystringParser: () => ({}),
    defaultRoute: serveUnknown,
    onBadUrl: refusePath('has a % that no two hex digits follow, or is not UTF-8'),
    onMaxParamLength: refusePath(`has a part of more than ${MAX_PATH_PART_LENGTH} characters`),
  });
  for (const operation of operations) router.on([...operation.methods], routerPath(operation), serve(operation));

  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      noDelay: true,
    },
    (request, response) => router.lookup(request, response),
  );
  server.on('clientError', (error, socket: Socket) => answerClientError(error, socket, context));
  // A client that asks before it sends gets the refusal instead of the permission.
  server.on('checkContinue', (request, response) => {
    if (Number(request.headers['content-length'] ?? 0) <= context.maxRequestBytes) response.writeContinue();
    server.emit('request', request, response);
  });
  return server;
}

async function handleSafely(
  exchange: Exchange,
  guard: (request: IncomingMessage) => void,
  handle: Operation['handle'],
  describeError: Operation['describeError'],
): Promise<void> {
  try {
    guard(exchange.request);
    await handle(exchange);
  } catch (error) {
    exchange.fail(error, describeError);
  }
}

function guardOf({ address, isManagement }: HttpServerOptions): (request: IncomingMessage) => void {
  const isLocal = isLoopback(address);
  return (request) => {
    if (isLocal && address.scheme !== 'unix') checkHost(request);
    if (isManagement) checkOrigin(request);
  };
}

/** A path that exists with another method is told apart from one that does not exist. */
function notFound(exchange: Exchange, operations: readonly Operation[]): ServingError {
  const path = (exchange.request.url ?? '').split('?', 1)[0] ?? '';
  const isKnown = operations.some((operation) => isPathOf(operation, path));
  if (isKnown) return new ServingError('METHOD_NOT_ALLOWED', `${exchange.request.method} is not possible on ${path}.`);
  return new ServingError('RESOURCE_NOT_FOUND', `There is nothing at ${path}.`);
}

/** The form of error documents of whatever else is below the path's first part: a protocol's clients get theirs wherever they err. */
function errorFormOf(path: string, operations: readonly Operation[]): Pick<Operation, 'describeError'> {
  const first = firstPart(path);
  const describeError = operations.find(
    (operation) => operation.describeError && firstPart(operation.path) === first,
  )?.describeError;
  return describeError === undefined ? {} : { describeError };
}

function firstPart(path: string): string {
  return /^\/*([^/?]*)/.exec(path)?.[1] ?? '';
}

/** What never became a request: broken syntax, headers too long or too slow. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket, context: ExchangeContext): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const failure = new ServingError(
    'INVALID_BODY',
    `The request is not valid HTTP, or did not arrive in time (${error.code ?? error.message}).`,
  );
  const body = prettyJson({ ...errorDocument(context.dialect, failure), code: status });
  const head = `HTTP/1.1 ${status} ${context.dialect.http.reasonOf(status)}\r\ncontent-type: application/json\r\n`;
  socket.end(`${head}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`);
}
