// The Inference API: which path asks which model for what.
import type { Dialect } from '../config/dialect.ts';
import { ServingError } from '../core/errors.ts';
import type { JobInput } from '../core/job.ts';
import type { InferenceService } from '../services/inference-service.ts';
import type { Exchange } from './exchange.ts';
import type { Method, Operation } from './operation.ts';
import { MODEL, VERSION } from './path-parameters.ts';
import { type PredictionTarget, predict } from './prediction.ts';

/** First parts of the paths of other operations: no name of a model in `/{model_name}/predict`. */
const RESERVED: readonly string[] = ['predictions', 'explanations', 'models', 'v1', 'v2'];

/** Predictions do not depend on the method, as in TorchServe. The first is what clients should use. */
export const ANY_METHOD: readonly Method[] = ['POST', 'PUT', 'GET', 'PATCH', 'DELETE'];

export const RESPONSES = {
  200: "The handler's answer, with the content type it has set",
  400: 'The request cannot be read',
  404: 'No such model or version',
  413: 'The body is larger than max_request_size',
  500: 'The handler failed',
  503: 'No worker, the queue is full, or the worker died',
  504: 'No answer in time',
  507: 'No memory for the handler, or no room for the body',
};

export interface InferenceRoutesOptions {
  readonly inference: InferenceService;
  readonly dialect: Dialect;
  /** Whether management answers on the same listener: then `/models/{name}/invoke` is a POST only. */
  readonly isCombined: boolean;
}

/** All operations of the Inference API but its health and description. */
export function inferenceOperations(options: InferenceRoutesOptions): Operation[] {
  const { inference, dialect } = options;
  const serve = (exchange: Exchange, target: PredictionTarget) => predict(exchange, inference, dialect, target);
  const byPath = (kind: 'predict' | 'explain') => (exchange: Exchange) => {
    const { model_name: model = '', model_version: version, '*': urlPath = '' } = exchange.params;
    const explain = kind === 'explain' ? 'True' : 'False';
    const headers = [['explain', explain] as const, ['url_path', urlPath] as const];
    return serve(exchange, { model, version, kind, headers, inputs: 'body' });
  };
  const invoke = (exchange: Exchange, model: PredictionTarget['model'], version?: string) =>
    serve(exchange, { model, version, kind: 'predict', headers: [], inputs: 'query-and-body' });

  return [
    ...(['predictions', 'explanations'] as const).flatMap((root) => {
      const kind = root === 'predictions' ? 'predict' : 'explain';
      const what = root === 'predictions' ? 'Predicts with' : 'Explains a prediction of';
      const shared = { methods: ANY_METHOD, bodyTypes: ['*/*'], responses: RESPONSES, handle: byPath(kind) };
      return [
        {
          ...shared,
          id: root,
          path: `/${root}/:model_name`,
          summary: `${what} the default version of a model`,
          parameters: [MODEL],
        },
        {
          ...shared,
          id: `version_${root}`,
          path: `/${root}/:model_name/:model_version`,
          summary: `${what} one version of a model`,
          parameters: [MODEL, VERSION],
        },
        {
          ...shared,
          id: `version_${root}_path`,
          path: `/${root}/:model_name/:model_version/*`,
          summary: `${what} one version of a model; the handler sees the rest of the path as url_path`,
          parameters: [MODEL, VERSION],
        },
      ] satisfies Operation[];
    }),
    {
      id: 'invoke',
      methods: options.isCombined ? ['POST'] : ANY_METHOD,
      path: '/models/:model_name/invoke',
      summary: 'Predicts with the default version of a model; query parameters are inputs as well',
      parameters: [MODEL],
      bodyTypes: ['*/*'],
      responses: RESPONSES,
      handle: (exchange) => invoke(exchange, exchange.params['model_name'] ?? ''),
    },
    {
      id: 'invocations',
      methods: ANY_METHOD,
      path: '/invocations',
      summary: 'Predicts with the model that model_name names, in the query or a form, or with the only one there is',
      parameters: [{ name: 'model_name', in: 'query', type: 'string', description: 'Name of the model' }],
      bodyTypes: ['*/*'],
      responses: RESPONSES,
      handle: (exchange) => invoke(exchange, (inputs) => namedModel(inputs) ?? onlyModel(inference)),
    },
    ...['', '/:model_version'].map(
      (version): Operation => ({
        id: version === '' ? 'predict' : 'version_predict',
        methods: ANY_METHOD,
        path: `/:model_name${version}/predict`,
        reservedFirstParts: RESERVED,
        summary: 'Predicts as /models/{model_name}/invoke does; for clients of the first releases of TorchServe',
        parameters: version === '' ? [MODEL] : [MODEL, VERSION],
        bodyTypes: ['*/*'],
        responses: RESPONSES,
        isDeprecated: true,
        handle: (exchange) => {
          const { model_name: model = '', model_version: label } = exchange.params;
          return invoke(exchange, model, label);
        },
      }),
    ),
  ];
}

/** The query and the fields of a form are inputs alike; the query comes first. */
function namedModel(inputs: readonly JobInput[]): string | undefined {
  const named = inputs.find(
    ({ name, contentType, sizeBytes }) => name === 'model_name' && contentType === '' && sizeBytes > 0,
  );
  return named && Buffer.concat(named.chunks).toString('utf8');
}

function onlyModel(inference: InferenceService): string {
  const name = inference.onlyModel();
  if (name !== undefined) return name;
  throw new ServingError('MISSING_PARAMETER', 'Parameter model_name is required.', { parameter: 'model_name' });
}
