// What happens at the door of a listener, before there is a request: connections that find no place are told so, bytes that are no request are
// answered, and the log says once a minute what could not be let in.
import type { Socket } from 'node:net';
import { ServingError } from '../core/errors.ts';
import type { ListenerContext } from './exchange-context.ts';
import { answerRaw, type ParserError, parserFailure } from './raw-answer.ts';

/** How long a client may take to see why it is refused. */
const LINGER_MS = 1_000;
/** So many connections beyond those that the listener may hold are kept open for that; further ones end at once. */
const MAX_LINGERING = 64;
const TELL_EVERY_MS = 60_000;
/** The parser's word for a client that closed its side in the middle of a body. */
const CLOSED_TOO_SOON = 'HPE_INVALID_EOF_STATE';

export class Doorkeeper {
  readonly #context: ListenerContext;
  readonly #now: () => number;
  #lingering = 0;
  #toldAt = Number.NEGATIVE_INFINITY;
  #untold = 0;

  /** `now` is monotonic, in milliseconds. */
  constructor(context: ListenerContext, now: () => number) {
    this.#context = context;
    this.#now = now;
  }

  /** A client has connected. */
  arrived(socket: Socket): void {
    const { connections } = this.#context;
    if (connections.admit(socket)) return;
    const message = `All ${connections.open} connections that this listener may hold are busy; max_connections and the limit of open files set how many.`;
    answerRaw(this.#context, socket, new ServingError('TOO_MANY_CONNECTIONS', message, { retryAfterSec: 1 }));
    this.#tell('connections are refused: all that the listener may hold are busy; raise max_connections or ulimit -n');
    // Where descriptors are short, those that are left are for workers and operators.
    if (connections.lacksDescriptors || this.#lingering >= MAX_LINGERING) {
      socket.destroySoon();
      return;
    }
    this.#lingering += 1;
    socket.once('close', () => {
      this.#lingering -= 1;
    });
    seeOut(socket);
  }

  /** The system had no descriptor left for a client; whoever is connected goes on. */
  acceptFailed(error: NodeJS.ErrnoException): void {
    this.#tell(`connections cannot be accepted (${error.code ?? error.message}); raise ulimit -n`);
  }

  /** Broken syntax, headers too long or too slow; or the client has gone. */
  parserGaveUp(error: ParserError, socket: Socket): void {
    const connection = this.#context.connections.find(socket);
    const isGone = !socket.writable || error.code === 'ECONNRESET';
    // Nobody waits for an answer on a connection that has sent nothing.
    if (isGone || connection === undefined || socket.bytesRead === 0) socket.destroy();
    else if (connection.latest === undefined) {
      answerRaw(this.#context, socket, parserFailure(error));
      seeOut(socket);
    } else if (connection.underWay > 1 || connection.latest.hasBegunAnswer || error.code === CLOSED_TOO_SOON)
      socket.destroy();
    else connection.latest.giveUp(parserFailure(error));
  }

  #tell(message: string): void {
    this.#untold += 1;
    const now = this.#now();
    if (now - this.#toldAt < TELL_EVERY_MS) return;
    this.#context.log.warn({ times: this.#untold }, message);
    this.#toldAt = now;
    this.#untold = 0;
  }
}

/** Ends a connection on which all has been said, also if the client does not end it on its side. */
function seeOut(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}
