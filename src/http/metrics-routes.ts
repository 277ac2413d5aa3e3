// The Metrics API: Prometheus text.
import type { ServerMetrics } from '../telemetry/server-metrics.ts';
import type { Operation } from './operation.ts';

export function metricsOperation(metrics: ServerMetrics): Operation {
  return {
    id: 'metrics',
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    path: '/metrics',
    summary: 'Metrics in the Prometheus text format; name[] keeps only samples of these names',
    parameters: [
      { name: 'name[]', in: 'query', type: 'string', description: 'Name of a sample to keep; may come several times' },
    ],
    responses: { 200: 'The metrics' },
    handle: async (exchange) => {
      const names = new URLSearchParams(exchange.query).getAll('name[]');
      const text = await metrics.text();
      const body = names.length === 0 ? text : keep(text, new Set(names));
      exchange.body(200, 'OK', [['content-type', metrics.contentType]], [Buffer.from(body)]);
    },
  };
}

function keep(text: string, names: ReadonlySet<string>): string {
  const lines = text.split('\n').filter((line) => !line.startsWith('#') && names.has(line.split(/[{ ]/, 1)[0] ?? ''));
  return lines.map((line) => `${line}\n`).join('');
}
