// KServe's protocol, version 1: predict and explain by the name of a model, and whether it is ready. What bodies and answers look like is
// between the client and the handler (or its envelope); the server passes them on.
import type { Dialect } from '../config/dialect.ts';
import type { InferenceService } from '../services/inference-service.ts';
import type { OpenInferenceService } from '../services/open-inference-service.ts';
import { ANY_METHOD, RESPONSES } from './inference-routes.ts';
import type { Operation } from './operation.ts';
import { MODEL } from './path-parameters.ts';
import { predict } from './prediction.ts';

/** `/v1/models/{model_name}:predict` and `:explain`. */
export function kserveOperations(inference: InferenceService, dialect: Dialect): Operation[] {
  return (['predict', 'explain'] as const).map((kind) => ({
    id: `v1_${kind}`,
    methods: ANY_METHOD,
    path: `/v1/models/:model_name::${kind}`,
    summary: `${kind === 'predict' ? 'Predicts with' : 'Explains a prediction of'} the default version of a model, as KServe asks`,
    parameters: [MODEL],
    bodyTypes: ['*/*'],
    responses: RESPONSES,
    handle: (exchange) => {
      const model = exchange.params['model_name'] ?? '';
      const headers = [['explain', kind === 'explain' ? 'True' : 'False'] as const];
      return predict(exchange, inference, dialect, { model, version: undefined, kind, headers, inputs: 'body' });
    },
  }));
}

/** Whether a model answers, on the inference and on the management listener. */
export function kserveReadyOperation(models: OpenInferenceService): Operation {
  return {
    id: 'v1_model_ready',
    methods: ['GET'],
    path: '/v1/models/:model_name',
    summary: 'Tells whether a worker of the default version takes requests, as KServe asks',
    parameters: [MODEL],
    responses: { 200: 'The name, and whether it is ready', 404: 'No such model' },
    handle: (exchange) => {
      const name = exchange.params['model_name'] ?? '';
      exchange.json(200, { name, ready: models.isReady(name, undefined) });
    },
  };
}
