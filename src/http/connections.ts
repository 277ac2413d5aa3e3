// The connections of one listener: how many there may be, which of them have a request under way, and which of the others go first when room is
// needed. What is said to those that are refused is for doorkeeper.ts.
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ServingError } from '../core/errors.ts';

export interface ConnectionLimits {
  readonly maxConnections: number;
  /** Of those, how many may be kept for a client's next request. */
  readonly maxIdleConnections: number;
  /** A connection whose descriptor is not below this is one too many; Infinity when no limit is known. */
  readonly descriptorLimit: number;
}

/** How long a new connection has its place for sure, whether it sends something or not. */
const NEWCOMER_MS = 1_000;

/** How long the first request of a client that does not mean to be slow may be behind its connection. */
const ON_ITS_WAY_MS = 250;

/** How long it counts that descriptors have run short. */
const ROOM_KNOWN_MS = 1_000;

/** A request under way, for those who find out at its connection that it cannot be completed. */
export interface UnderWay {
  readonly hasBegunAnswer: boolean;
  giveUp(error: ServingError): void;
}

/** One connection, as long as it is open. */
export class Connection {
  readonly socket: Socket;
  readonly openedAt: number;
  /** Requests whose answers have not ended. */
  underWay = 0;
  /** The latest request. */
  latest: UnderWay | undefined;
  /** Answers whose turn has not come, to requests that did not wait for the answer before. */
  behind: Set<ServerResponse> | undefined;
  /** The client's address; kept, because a socket forgets it when it closes. Empty on a socket of the file system. */
  remote: string | undefined;

  constructor(socket: Socket, openedAt: number) {
    this.socket = socket;
    this.openedAt = openedAt;
  }
}

export class Connections {
  /** How many there have ever been. */
  admitted = 0;
  readonly #limits: ConnectionLimits;
  readonly #now: () => number;
  readonly #open = new Map<Socket, Connection>();
  /** Those that have not sent a request yet, the oldest first. */
  readonly #silent = new Set<Connection>();
  /** Those that are kept for a next request, the longest idle first. */
  readonly #idle = new Set<Connection>();
  #underWay = 0;
  /** How many connections the descriptors allowed when they last ran short. */
  #room = Number.POSITIVE_INFINITY;
  #roomFoundAt = Number.NEGATIVE_INFINITY;

  /** `now` is monotonic, in milliseconds. */
  constructor(limits: ConnectionLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  get open(): number {
    return this.#open.size;
  }

  /** Whether descriptors have run short a moment ago. */
  get lacksDescriptors(): boolean {
    return this.#room !== Number.POSITIVE_INFINITY;
  }

  get idle(): number {
    return this.#idle.size;
  }

  /** Requests whose answers have not ended. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Takes a new connection, where there is no place in that of one without a request. False when every place is busy. */
  admit(socket: Socket): boolean {
    if (this.#isFull(socket) && !this.#makeRoom()) return false;
    const connection = new Connection(socket, this.#now());
    this.#open.set(socket, connection);
    this.admitted += 1;
    this.#silent.add(connection);
    socket.once('close', () => this.#closed(connection));
    return true;
  }

  /** The connection of a socket, undefined when it was refused or has gone. */
  find(socket: Socket): Connection | undefined {
    return this.#open.get(socket);
  }

  /** A request has come. */
  begin(connection: Connection, request: UnderWay, response: ServerResponse): void {
    if (connection.underWay === 0 && !this.#idle.delete(connection)) this.#silent.delete(connection);
    connection.remote ??= connection.socket.remoteAddress ?? '';
    connection.latest = request;
    if (connection.underWay > 0) queueBehind(connection, response);
    connection.underWay += 1;
    this.#underWay += 1;
  }

  /** Its answer has ended, one way or the other. */
  end(connection: Connection): void {
    // Those of a connection that has gone are not counted any more.
    if (connection.underWay === 0) return;
    connection.underWay -= 1;
    this.#underWay -= 1;
    if (connection.underWay > 0) {
      // A timeout that was set because this answer was not taken must not hit the next one while it is computed.
      connection.socket.setTimeout(0);
      return;
    }
    connection.latest = undefined;
    if (connection.socket.destroyed) return;
    this.#idle.add(connection);
    if (this.#idle.size > this.#limits.maxIdleConnections) closeFirst(this.#idle);
  }

  /** Whether a connection is so new that its first request may be on its way. */
  hasNewcomers(): boolean {
    const since = this.#now() - ON_ITS_WAY_MS;
    for (const { openedAt } of this.#silent) if (openedAt > since) return true;
    return false;
  }

  /** Ends the connections that are kept for a next request. */
  closeIdle(): void {
    closeAll(this.#idle);
  }

  /** Ends every connection that has no request under way, also where a request has arrived in part. */
  closeUnused(): void {
    this.closeIdle();
    closeAll(this.#silent);
  }

  /**
   * Descriptors are given out from below: a high one says that all below it are taken, by whomever. What there are then is as many connections
   * as there can be, until a moment has gone by in which others may have given some back.
   */
  #isFull(socket: Socket): boolean {
    const now = this.#now();
    if (descriptorOf(socket) >= this.#limits.descriptorLimit) {
      this.#room = this.#open.size;
      this.#roomFoundAt = now;
    } else if (now - this.#roomFoundAt >= ROOM_KNOWN_MS) this.#room = Number.POSITIVE_INFINITY;
    return this.#open.size >= Math.min(this.#room, this.#limits.maxConnections);
  }

  #makeRoom(): boolean {
    if (closeFirst(this.#idle)) return true;
    const [oldest] = this.#silent;
    return oldest !== undefined && oldest.openedAt <= this.#now() - NEWCOMER_MS && closeFirst(this.#silent);
  }

  #closed(connection: Connection): void {
    this.#open.delete(connection.socket);
    this.#idle.delete(connection);
    this.#silent.delete(connection);
    this.#underWay -= connection.underWay;
    connection.underWay = 0;
    // Node closes the answer whose turn it is; the others would never hear that their client has gone.
    for (const response of connection.behind ?? []) {
      if (response.socket !== null) continue;
      response.destroy();
      response.emit('close');
    }
  }
}

function queueBehind(connection: Connection, response: ServerResponse): void {
  connection.behind ??= new Set();
  const { behind } = connection;
  behind.add(response);
  response.once('close', () => behind.delete(response));
}

function closeAll(connections: Set<Connection>): void {
  for (const { socket } of connections) socket.destroy();
  connections.clear();
}

/** Whether there was one. */
function closeFirst(connections: Set<Connection>): boolean {
  const [first] = connections;
  if (first === undefined) return false;
  connections.delete(first);
  first.socket.destroy();
  return true;
}

/** The number of the socket's descriptor, which Node keeps to itself; -1 where it does not say. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly fd?: number } | null };
  return handle?.fd ?? -1;
}
