// A request for code that reads an Exchange, on real node:http objects whose socket is never connected.
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { DIALECTS, type DialectName } from '../../src/config/dialect.ts';
import { ByteBudget } from '../../src/core/byte-budget.ts';
import { BodyFiles } from '../../src/http/body-files.ts';
import { ClientPace } from '../../src/http/client-pace.ts';
import { Connections } from '../../src/http/connections.ts';
import { Exchange } from '../../src/http/exchange.ts';
import type { ListenerContext } from '../../src/http/exchange-context.ts';
import { createLog } from '../../src/telemetry/logger.ts';
import { ServerMetrics } from '../../src/telemetry/server-metrics.ts';
import { FakeClock } from './fake-clock.ts';

export interface FakeRequest {
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly dialect?: DialectName;
  /** What counts it while it arrives. */
  readonly pace?: ClientPace;
}

/** An exchange whose request has arrived as a whole. */
export function fakeExchange(fake: FakeRequest): Exchange {
  const { url = '/', headers = {}, body, dialect = 'documented' } = fake;
  const request = new IncomingMessage(new Socket());
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  request.url = url;
  request.headers = { ...headers, ...length };
  request.rawHeaders = Object.entries({ ...headers, ...length }).flat();
  if (body !== undefined && body !== '') request.push(Buffer.from(body));
  request.push(null);
  const context: ListenerContext = {
    dialect: DIALECTS[dialect],
    maxRequestBytes: 2_000_000,
    bodies: {
      limitBytes: 2_000_000,
      budget: new ByteBudget(10_000_000),
      files: new BodyFiles('/the/bodies/of/no/server'),
    },
    log: createLog({ write: () => {} }),
    metrics: new ServerMetrics(),
    pace: fake.pace ?? new ClientPace({ bodyTimeoutMs: 30_000, minBytesPerSec: 1024 }, new FakeClock()),
    access: undefined,
    connections: new Connections({ maxConnections: 10, maxIdleConnections: 10, descriptorLimit: 1000 }, () => 0),
    isStopping: () => false,
  };
  return new Exchange(context, request, new ServerResponse(request), {});
}
