// A body of a given size through a Python handler that gives it back, beside a bare http server that does the same.
import { randomBytes } from 'node:crypto';
import { post } from './exchange.mjs';
import { treeResidentBytes } from './process-tree.mjs';
import { sweep } from './throughput-figures.mjs';

/**
 * @param {import('./bench-run.mjs').BenchRun} bench
 * @param {number} bodyBytes
 * @param {readonly number[]} connections
 * @param {Parameters<typeof sweep>[3]} [goals]
 */
export async function echoFigures(bench, bodyBytes, connections, goals) {
  const floor = await bench.floor('echo');
  const builds = await bench.builds();
  for (const sconce of builds) await sconce.register('echo', 'batch_size=1', 'echo');
  const request = echoRequest(bodyBytes);
  const contenders = [floor, ...builds].map((subject) => ({ subject, request }));
  const figures = await sweep(bench, contenders, connections, goals);
  const afterBytes = treeResidentBytes(builds[0].pid);
  return [...figures, { name: 'RSS of server and worker after the load', value: afterBytes / 1e6, unit: 'MB' }];
}

/** @param {number} bodyBytes */
export function echoRequest(bodyBytes) {
  return post('/predictions/echo', ['content-type: application/octet-stream'], randomBytes(bodyBytes));
}
