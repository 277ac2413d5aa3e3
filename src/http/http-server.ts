// One listener: fastify finds the route, an Exchange answers. Opening, guarding and closing happen here; what is answered does not.
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type FastifyInstance, fastify } from 'fastify';
import { isLoopback, type ListenAddress } from '../config/listen-address.ts';
import { ServingError } from '../core/errors.ts';
import { Exchange, type ExchangeContext } from './exchange.ts';
import { errorDocument } from './http-errors.ts';
import { checkHost, checkOrigin } from './listener-guard.ts';
import type { Operation } from './operation.ts';
import { prettyJson } from './pretty-json.ts';
import { removeStaleSocket } from './stale-socket.ts';

const HEADERS_TIMEOUT_MS = 60_000;
const REQUEST_TIMEOUT_MS = 300_000;
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
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
  readonly #app: FastifyInstance;
  readonly #options: HttpServerOptions;
  #closed: Promise<void> = Promise.resolve();

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#app = createApp(options);
  }

  /** Opens the listener and returns where it listens: `http://host:port` or `unix:/path`. */
  async listen(): Promise<string> {
    const { address } = this.#options;
    const { server } = this.#app;
    await this.#app.ready();
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
    if (address.scheme === 'unix') return `unix:${address.path}`;
    const { port } = server.address() as AddressInfo;
    return `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}`;
  }

  /** Takes no new connections; those that are idle end now, the others with their answers. */
  stopListening(): void {
    this.#closed = new Promise((resolve) => this.#app.server.close(() => resolve()));
    this.#app.server.closeIdleConnections();
  }

  /** Resolves when every connection has ended; those that take longer than a moment are cut. */
  async close(): Promise<void> {
    this.#app.server.closeIdleConnections();
    const timer = setTimeout(() => this.#app.server.closeAllConnections(), LAST_BYTES_MS);
    await this.#closed;
    clearTimeout(timer);
  }
}

function createApp(options: HttpServerOptions): FastifyInstance {
  const { context, operations } = options;
  const guard = guardOf(options);
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, maxParamLength: 1024 },
    serverFactory: (handler) => createListener(handler, context),
    // Without these, fastify loads two schema compilers, which takes a fifth of the start.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    clientErrorHandler: (error, socket) => answerClientError(error, socket, context),
    frameworkErrors: (error, request, reply) => {
      reply.hijack();
      const malformed = new ServingError(
        'MALFORMED_URL',
        `The path of the request cannot be decoded: ${error.message}`,
      );
      new Exchange(context, request.raw, reply.raw, {}).fail(malformed);
    },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  // Bodies of any type, also of one that is no media type, belong to the handler: fastify must not judge them.
  app.addHook('onRequest', (request, _reply, done) => {
    request.raw.headers['content-type'] = undefined;
    done();
  });
  const serve =
    ({ handle, describeError }: Pick<Operation, 'handle' | 'describeError'>) =>
    (request: { raw: IncomingMessage; params: unknown }, reply: FastifyReplyLike) => {
      reply.hijack();
      const params = request.params as Readonly<Record<string, string>>;
      const exchange = new Exchange(context, request.raw, reply.raw, params);
      void handleSafely(exchange, guard, handle, describeError);
    };
  for (const operation of operations) {
    app.route({ method: [...operation.methods], url: operation.path, handler: serve(operation) });
  }
  app.setNotFoundHandler(serve({ handle: (exchange) => exchange.fail(notFound(exchange, operations)) }));
  return app;
}

function noSchemas(): never {
  throw new Error('no route has a schema');
}

interface FastifyReplyLike {
  readonly raw: ServerResponse;
  hijack(): unknown;
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

function createListener(handler: RequestListener, context: ExchangeContext): Server {
  const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS, noDelay: true }, handler);
  // A client that asks before it sends gets the refusal instead of the permission.
  server.on('checkContinue', (request, response) => {
    if (Number(request.headers['content-length'] ?? 0) <= context.maxRequestBytes) response.writeContinue();
    server.emit('request', request, response);
  });
  return server;
}

/** A path that exists with another method is told apart from one that does not exist. */
function notFound(exchange: Exchange, operations: readonly Operation[]): ServingError {
  const path = (exchange.request.url ?? '').split('?', 1)[0] ?? '';
  const isKnown = operations.some((operation) => patternOf(operation.path).test(path));
  if (isKnown) return new ServingError('METHOD_NOT_ALLOWED', `${exchange.request.method} is not possible on ${path}.`);
  return new ServingError('RESOURCE_NOT_FOUND', `There is nothing at ${path}.`);
}

function patternOf(path: string): RegExp {
  const pattern = path.replaceAll(/:[a-z_]+/g, '[^/]+').replace(/\*$/, '.*');
  return new RegExp(`^${pattern}/*$`);
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
