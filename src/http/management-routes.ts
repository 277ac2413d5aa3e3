// The Management API: reads parameters, calls one operation of the service, words the outcome by the dialect.
import type { Dialect } from '../config/dialect.ts';
import { ServingError } from '../core/errors.ts';
import type { CustomizedDescribe } from '../services/customized-describe.ts';
import type { ManagementService } from '../services/management-service.ts';
import { answerCustomized, customizedVersions } from './customized-answer.ts';
import { type Operation, type OperationParameter, query } from './operation.ts';
import { type Parameters, readParameters } from './parameters.ts';
import { MODEL, VERSION } from './path-parameters.ts';
import { MAX_WORKERS, readRegister, registerParameters } from './register-request.ts';
import { workerOperations } from './worker-routes.ts';

export interface ManagementRoutesOptions {
  readonly management: ManagementService;
  readonly customized: CustomizedDescribe;
  readonly dialect: Dialect;
  readonly isModelApiEnabled: boolean;
}

const SCALE_PARAMETERS = [
  query('min_worker', 'integer', 'Workers to keep at least', 1),
  query('max_worker', 'integer', 'Workers to have at most; min_worker when absent'),
  query('number_gpu', 'integer', 'How many of the new workers go on a GPU; as many as the devices allow when absent'),
  query('synchronous', 'boolean', 'Whether the answer waits until all workers have been adjusted', false),
  query(
    'timeout',
    'integer',
    'Seconds that surplus workers have for the requests they have; 0 for none, -1 for as long as it takes',
    -1,
  ),
];

const UNREGISTER_PARAMETERS = [
  query('timeout', 'integer', 'Seconds that queued and running requests have; 0 for none, -1 for as long as it takes'),
  query('synchronous', 'boolean', 'Accepted for old clients; the answer always waits'),
];

const LIST_PARAMETERS = [
  query('limit', 'integer', 'Largest number of models on a page', 100),
  query('next_page_token', 'string', 'nextPageToken of the page before'),
];

const DESCRIBE_PARAMETERS = [
  query('customized', 'boolean', 'Whether the handler is asked what it says of itself', false),
];

const SET_DEFAULT_PARAMETERS = [
  query('wait_ready', 'boolean', 'Whether the version becomes the default only once a worker of it is ready', false),
];

const CHANGES = {
  200: 'Done',
  202: 'Accepted; it is being done',
  400: 'A parameter cannot be used',
  404: 'No such model or version',
};
const LOOKS = {
  200: 'The description',
  404: 'No such model or version',
  503: 'The handler was to be asked, and there is no worker',
};

/** Every operation of the Management API but its health and description. */
export function managementOperations(options: ManagementRoutesOptions): Operation[] {
  const { management, customized, dialect } = options;
  const { answers } = dialect;
  const register = registerParameters(dialect);

  const describe: Operation['handle'] = async (exchange) => {
    const parameters = await readParameters(exchange, dialect, names(DESCRIBE_PARAMETERS));
    const { model_name: name = '', model_version: version } = exchange.params;
    const isWhole = version === undefined || version === 'all';
    const pending = isWhole ? management.pending(name).flatMap((one) => answers.describePending?.(one) ?? []) : [];
    if (pending.length > 0 && !management.isRegistered(name)) return exchange.json(200, pending);
    const isCustomized = parameters.flag('customized') === true;
    if (version === 'all') {
      const descriptions = await management.describeAll(name);
      const asked = isCustomized ? await customizedVersions(exchange, customized, descriptions) : descriptions;
      return exchange.json(200, [...asked.map(answers.describe), ...pending]);
    }
    const description = await management.describe(name, version);
    if (isCustomized) await answerCustomized(exchange, customized, dialect, description);
    else exchange.json(200, [answers.describe(description)]);
  };
  const scale: Operation['handle'] = async (exchange) => {
    const parameters = await readParameters(exchange, dialect, [...names(SCALE_PARAMETERS), 'model_version']);
    const { model_name: name = '', model_version: pathVersion } = exchange.params;
    const version = pathVersion ?? parameters.text('model_version');
    const { outcome, model } = await management.scale(name, version, readScale(parameters));
    const answer = outcome === 'scaling' ? answers.scaling() : answers.scaled(model);
    exchange.status(answer.status, answer.text);
  };
  const unregister: Operation['handle'] = async (exchange) => {
    const parameters = await readParameters(exchange, dialect, names(UNREGISTER_PARAMETERS));
    const { model_name: name = '', model_version: version } = exchange.params;
    await management.unregister(name, version, readDrain(parameters));
    exchange.status(200, `Model "${name}" unregistered`);
  };

  const open: Operation[] = [
    {
      id: 'listModels',
      methods: ['GET'],
      path: '/models',
      summary: 'Lists the registered models by their default versions',
      parameters: LIST_PARAMETERS,
      responses: { 200: 'A page of models', 400: 'A parameter cannot be used' },
      handle: async (exchange) => {
        const parameters = await readParameters(exchange, dialect, names(LIST_PARAMETERS));
        const { policy, maxPageSize } = dialect.parameters;
        const limit = parameters.whole('limit', policy === 'strict' ? 1 : 0, maxPageSize) ?? 100;
        const offset = parameters.whole('next_page_token', 0) ?? 0;
        const { models, nextOffset } = management.list(limit, offset);
        const nextPageToken = nextOffset === undefined ? undefined : String(nextOffset);
        exchange.json(200, {
          nextPageToken,
          models: models.map((model) => ({ modelName: model.name, modelUrl: model.url })),
        });
      },
    },
    {
      id: 'describeModel',
      methods: ['GET'],
      path: '/models/:model_name',
      summary: 'Describes the default version of a model',
      parameters: [MODEL, ...DESCRIBE_PARAMETERS],
      responses: LOOKS,
      handle: describe,
    },
    {
      id: 'version_describeModel',
      methods: ['GET'],
      path: '/models/:model_name/:model_version',
      summary: 'Describes one version of a model, or every version when it is "all"',
      parameters: [MODEL, VERSION, ...DESCRIBE_PARAMETERS],
      responses: LOOKS,
      handle: describe,
    },
    {
      id: 'setAutoScale',
      methods: ['PUT'],
      path: '/models/:model_name',
      summary: 'Changes the number of workers of the default version of a model',
      parameters: [MODEL, ...SCALE_PARAMETERS],
      responses: CHANGES,
      handle: scale,
    },
    {
      id: 'version_setAutoScale',
      methods: ['PUT'],
      path: '/models/:model_name/:model_version',
      summary: 'Changes the number of workers of one version of a model',
      parameters: [MODEL, VERSION, ...SCALE_PARAMETERS],
      responses: CHANGES,
      handle: scale,
    },
    {
      id: 'setDefault',
      methods: ['PUT'],
      path: '/models/:model_name/:model_version/set-default',
      summary: 'Makes a version the default of its model',
      parameters: [MODEL, VERSION, ...SET_DEFAULT_PARAMETERS],
      responses: {
        200: 'Done',
        404: 'No such model or version',
        500: 'It was to be waited for a worker, and none can start',
        503: 'It was to be waited for a worker, and there is none',
      },
      handle: async (exchange) => {
        const parameters = await readParameters(exchange, dialect, names(SET_DEFAULT_PARAMETERS));
        const { model_name: name = '', model_version: version = '' } = exchange.params;
        await management.setDefault(name, version, parameters.flag('wait_ready') ?? false);
        exchange.status(200, `Default version successfully updated for model "${name}" to "${version}"`);
      },
    },
    ...workerOperations(management, dialect),
  ];
  if (!options.isModelApiEnabled) return open;
  return [
    ...open,
    {
      id: 'registerModel',
      methods: ['POST'],
      path: '/models',
      summary: 'Registers a model',
      parameters: register,
      bodyTypes: ['application/json'],
      responses: { ...CHANGES, 409: 'This version is registered already', 500: 'A worker could not start' },
      handle: async (exchange) => {
        const parameters = await readParameters(exchange, dialect, names(register));
        const { outcome, model } = await management.register(readRegister(parameters));
        const answer = {
          registered: answers.registered,
          starting: answers.scaling,
          started: answers.registeredWithWorkers,
        }[outcome](model);
        exchange.status(answer.status, answer.text);
      },
    },
    {
      id: 'unregisterModel',
      methods: ['DELETE'],
      path: '/models/:model_name',
      summary: 'Unregisters the default version of a model',
      parameters: [MODEL, ...UNREGISTER_PARAMETERS],
      responses: { 200: 'Done', 403: 'Other versions exist', 404: 'No such model' },
      handle: unregister,
    },
    {
      id: 'version_unregisterModel',
      methods: ['DELETE'],
      path: '/models/:model_name/:model_version',
      summary: 'Unregisters one version of a model',
      parameters: [MODEL, VERSION, ...UNREGISTER_PARAMETERS],
      responses: { 200: 'Done', 403: 'It is the default while other versions exist', 404: 'No such model or version' },
      handle: unregister,
    },
  ];
}

function names(parameters: readonly OperationParameter[]): string[] {
  return parameters.map((parameter) => parameter.name);
}

function readScale(parameters: Parameters) {
  const minWorkers = parameters.whole('min_worker', 0, MAX_WORKERS) ?? 1;
  const maxWorkers = parameters.whole('max_worker', 0, MAX_WORKERS) ?? minWorkers;
  if (maxWorkers < minWorkers) {
    throw new ServingError('INVALID_PARAMETER', 'max_worker cannot be less than min_worker.', {
      parameter: 'max_worker',
    });
  }
  return {
    minWorkers,
    maxWorkers,
    numberGpu: parameters.whole('number_gpu', 0, MAX_WORKERS),
    synchronous: parameters.flag('synchronous') ?? false,
    drainMs: readDrain(parameters) ?? Infinity,
  };
}

/** `timeout` in milliseconds: -1 is Infinity; undefined when the caller said nothing. */
function readDrain(parameters: Parameters): number | undefined {
  const seconds = parameters.whole('timeout', -1);
  if (seconds === undefined) return undefined;
  return seconds < 0 ? Infinity : seconds * 1000;
}
