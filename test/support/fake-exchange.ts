// A request for code that reads an Exchange, on real node:http objects whose socket is never connected.
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { DIALECTS, type DialectName } from '../../src/config/dialect.ts';
import { Exchange, type ExchangeContext } from '../../src/http/exchange.ts';
import { createLog } from '../../src/telemetry/logger.ts';
import { ServerMetrics } from '../../src/telemetry/server-metrics.ts';

export interface FakeRequest {
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly dialect?: DialectName;
}

/** An exchange whose request has arrived as a whole. */
export function fakeExchange({ url = '/', headers = {}, body, dialect = 'documented' }: FakeRequest): Exchange {
  const request = new IncomingMessage(new Socket());
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  request.url = url;
  request.headers = { ...headers, ...length };
  request.rawHeaders = Object.entries({ ...headers, ...length }).flat();
  if (body !== undefined && body !== '') request.push(Buffer.from(body));
  request.push(null);
  const context: ExchangeContext = {
    dialect: DIALECTS[dialect],
    maxRequestBytes: 1_000_000,
    log: createLog({ write: () => {} }),
    metrics: new ServerMetrics(),
    isStopping: () => false,
  };
  return new Exchange(context, request, new ServerResponse(request), {});
}
