// The operations of the Management API on a single worker.
import type { Dialect } from '../config/dialect.ts';
import type { ManagementService } from '../services/management-service.ts';
import { type Operation, type OperationParameter, query } from './operation.ts';
import { readParameters } from './parameters.ts';
import { MODEL, VERSION } from './path-parameters.ts';

const WORKER: OperationParameter = {
  name: 'worker_id',
  in: 'path',
  type: 'string',
  description: 'Id of the worker, as describe names it',
};

const SYNCHRONOUS = query(
  'synchronous',
  'boolean',
  'Whether the answer waits until the new worker is ready and the old one has ended',
  false,
);

const RESPONSES = {
  200: 'Done',
  202: 'Accepted; it is being done',
  400: 'A parameter cannot be used',
  404: 'No such model, version or worker',
  409: 'The version was scaled before the worker was replaced',
  500: 'The new worker cannot start',
};

export function workerOperations(management: ManagementService, dialect: Dialect): Operation[] {
  const restart: Operation['handle'] = async (exchange) => {
    const parameters = await readParameters(exchange, dialect, [SYNCHRONOUS.name]);
    const { model_name: name = '', model_version: version, worker_id: id = '' } = exchange.params;
    const isSynchronous = parameters.flag('synchronous') ?? false;
    const next = await management.restartWorker(name, version, id, isSynchronous);
    if (next !== undefined) return exchange.status(200, `Worker ${id} replaced by worker ${next}`);
    const answer = dialect.answers.scaling();
    exchange.status(answer.status, answer.text);
  };
  const shared = {
    methods: ['POST'],
    responses: RESPONSES,
    handle: restart,
  } satisfies Partial<Operation>;
  return [
    {
      ...shared,
      id: 'restartWorker',
      path: '/models/:model_name/workers/:worker_id/restart',
      summary: 'Replaces a worker of the default version of a model by a fresh one',
      parameters: [MODEL, WORKER, SYNCHRONOUS],
    },
    {
      ...shared,
      id: 'version_restartWorker',
      path: '/models/:model_name/:model_version/workers/:worker_id/restart',
      summary: 'Replaces a worker of one version of a model by a fresh one',
      parameters: [MODEL, VERSION, WORKER, SYNCHRONOUS],
    },
  ];
}
