// What the requests of a server, and of one of its listeners, have in common. server.ts makes it.
import type { Dialect } from '../config/dialect.ts';
import type { AccessLog } from '../telemetry/access-log.ts';
import type { Log } from '../telemetry/logger.ts';
import type { ServerMetrics } from '../telemetry/server-metrics.ts';
import type { BodyRules } from './arriving-body.ts';
import type { ClientPace } from './client-pace.ts';
import type { Connections } from './connections.ts';

/** What every exchange of a server shares. */
export interface ExchangeContext {
  readonly dialect: Dialect;
  readonly maxRequestBytes: number;
  readonly bodies: BodyRules;
  readonly log: Log;
  readonly metrics: ServerMetrics;
  readonly pace: ClientPace;
  /** Undefined when no line is written for each request. */
  readonly access: AccessLog | undefined;
  /** While true, connections end with their answers. */
  isStopping(): boolean;
}

/** What the exchanges of one listener share. */
export interface ListenerContext extends ExchangeContext {
  readonly connections: Connections;
}
