// One listener: a router finds the operation, an Exchange answers. Opening, guarding and closing happen here; what is answered does not.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import createRouter from 'find-my-way';
import { formatListenAddress, isLoopback, type ListenAddress } from '../config/listen-address.ts';
import { ServingError } from '../core/errors.ts';
import { type ConnectionLimits, Connections } from './connections.ts';
import { Doorkeeper } from './doorkeeper.ts';
import { Exchange } from './exchange.ts';
import type { ExchangeContext, ListenerContext } from './exchange-context.ts';
import { checkHead, checkHost, checkOrigin, MAX_HEAD_BYTES } from './listener-guard.ts';
import type { Operation } from './operation.ts';
import type { ParserError } from './raw-answer.ts';
import { isPathOf, routerPath } from './route-path.ts';
import { removeStaleSocket } from './stale-socket.ts';

/** How often Node looks for requests whose headers take too long. */
const HEADERS_CHECK_MS = 1_000;
/** For how many turns of the event loop a stop lets clients in at most: they may come as fast as that. */
const MAX_LAST_TURNS = 100;
/** How often a stop looks whether the last clients have sent their requests. */
const ARRIVAL_POLL_MS = 10;
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
  readonly limits: ListenerLimits;
}

/** What clients of a listener have to keep to, besides the pace of bodies and answers. */
export interface ListenerLimits extends ConnectionLimits {
  readonly headerTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
}

export class HttpServer {
  readonly #server: Server;
  readonly #options: HttpServerOptions;
  readonly #connections: Connections;
  readonly #doorkeeper: Doorkeeper;
  #closed: Promise<void> = Promise.resolve();

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#connections = new Connections(options.limits, () => performance.now());
    const context = { ...options.context, connections: this.#connections };
    this.#doorkeeper = new Doorkeeper(context, () => performance.now());
    this.#server = createListener(options, context, this.#doorkeeper);
  }

  /** Requests whose answers have not ended. */
  get requestsUnderWay(): number {
    return this.#connections.underWay;
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
          server.on('error', (error) => this.#doorkeeper.acceptFailed(error));
          resolve();
        },
      );
    });
    if (address.scheme === 'unix') return formatListenAddress(address);
    const { port } = server.address() as AddressInfo;
    return formatListenAddress({ ...address, port });
  }

  /**
   * Takes no new connections; those that are kept for a next request end now, the others with their answers. Resolves when the requests of
   * the last that came have had time to arrive.
   */
  async stopListening(): Promise<void> {
    // Who is in the system's queue is let in first, which takes a turn of the event loop each: closing would reset them.
    for (let before = -1, turns = 0; before !== this.#connections.admitted && turns < MAX_LAST_TURNS; turns += 1) {
      before = this.#connections.admitted;
      await nextTurn();
    }
    this.#closed = new Promise((resolve) => this.#server.close(() => resolve()));
    this.#connections.closeIdle();
    while (this.#connections.hasNewcomers()) await sleep(ARRIVAL_POLL_MS);
  }

  /** Resolves when every connection has ended; those that take longer than a moment are cut. */
  async close(): Promise<void> {
    this.#connections.closeUnused();
    const timer = setTimeout(() => this.#server.closeAllConnections(), LAST_BYTES_MS);
    await this.#closed;
    clearTimeout(timer);
  }
}

type Params = Exchange['params'];

function createListener(options: HttpServerOptions, context: ListenerContext, doorkeeper: Doorkeeper): Server {
  const { operations, limits } = options;
  const guard = guardOf(options);
  const serve =
    ({ handle, describeError }: Pick<Operation, 'handle' | 'describeError'>) =>
    (request: IncomingMessage, response: ServerResponse, params: Params) => {
      void handleSafely(new Exchange(context, request, response, params, describeError), guard, handle);
    };
  const serveUnknown = (request: IncomingMessage, response: ServerResponse) => {
    const handle = (exchange: Exchange) => {
      throw notFound(exchange, operations);
    };
    serve({ handle, ...errorFormOf(request.url ?? '', operations) })(request, response, {});
  };
  const refusePath = (why: string) => (path: string, request: IncomingMessage, response: ServerResponse) => {
    const handle = () => {
      const shown = path.slice(0, 200);
      throw new ServingError('MALFORMED_URL', `The path of the request cannot be decoded: "${shown}" ${why}.`);
    };
    serve({ handle, ...errorFormOf(path, operations) })(request, response, {});
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
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: limits.headerTimeoutMs,
      connectionsCheckingInterval: HEADERS_CHECK_MS,
      // A large body may take its time, as long as it comes at the pace that client-pace.ts watches.
      requestTimeout: 0,
      // Node's own refusal has neither id nor document; listener-guard.ts looks.
      requireHostHeader: false,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      noDelay: true,
    },
    (request, response) => {
      // A client that was refused may have sent its request before it saw that.
      if (context.connections.find(request.socket) !== undefined) router.lookup(request, response);
    },
  );
  server.on('connection', (socket) => doorkeeper.arrived(socket));
  server.on('clientError', (error: ParserError, socket: Socket) => doorkeeper.parserGaveUp(error, socket));
  // A client that asks before it sends gets the refusal instead of the permission.
  server.on('checkContinue', (request, response) => {
    if (Number(request.headers['content-length'] ?? 0) <= context.maxRequestBytes) response.writeContinue();
    server.emit('request', request, response);
  });
  // Other expectations are not known, and need not be met.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  return server;
}

async function handleSafely(
  exchange: Exchange,
  guard: (request: IncomingMessage) => void,
  handle: Operation['handle'],
): Promise<void> {
  try {
    guard(exchange.request);
    await handle(exchange);
  } catch (error) {
    exchange.fail(error);
  }
}

function guardOf({ address, isManagement }: HttpServerOptions): (request: IncomingMessage) => void {
  const isLocal = isLoopback(address);
  return (request) => {
    checkHead(request);
    if (isLocal && address.scheme !== 'unix') checkHost(request);
    if (isManagement) checkOrigin(request);
  };
}

/** A path that exists with another method is told apart from one that does not exist. */
function notFound(exchange: Exchange, operations: readonly Operation[]): ServingError {
  const path = (exchange.request.url ?? '').split('?', 1)[0] ?? '';
  const methods = new Set(
    operations.filter((operation) => isPathOf(operation, path)).flatMap(({ methods }) => methods),
  );
  if (methods.size > 0) {
    const message = `${exchange.request.method} is not possible on ${path}.`;
    return new ServingError('METHOD_NOT_ALLOWED', message, { methods: [...methods] });
  }
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
