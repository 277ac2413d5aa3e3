// The Open Inference Protocol, version 2, over REST. Bodies go to the worker as they are: it knows the tensors.
import type { Dialect } from '../config/dialect.ts';
import type { HealthService } from '../services/health-service.ts';
import type { InferenceService } from '../services/inference-service.ts';
import type { OpenInferenceService } from '../services/open-inference-service.ts';
import type { Exchange } from './exchange.ts';
import type { Operation } from './operation.ts';
import { MODEL, VERSION } from './path-parameters.ts';
import { predict } from './prediction.ts';

export interface OpenInferenceRoutesOptions {
  readonly inference: InferenceService;
  readonly models: OpenInferenceService;
  readonly health: HealthService;
  readonly dialect: Dialect;
  readonly serverVersion: string;
}

/** Tells the worker which form the body has, and which one the answer must have. */
const PROTOCOL_HEADER = ['open_inference', 'v2'] as const;

export function openInferenceOperations(options: OpenInferenceRoutesOptions): Operation[] {
  const { inference, models, health, dialect, serverVersion } = options;
  const describeError = ({ message }: { readonly message: string }) => ({ error: message });
  const serverOnes: Operation[] = [
    {
      id: 'v2_server',
      methods: ['GET'],
      path: '/v2',
      summary: 'Names the server and the protocol extensions that it has',
      responses: { 200: 'Name, version, extensions' },
      handle: (exchange) =>
        exchange.json(200, { name: 'sconce', version: serverVersion, extensions: ['binary_tensor_data'] }),
    },
    {
      id: 'v2_live',
      methods: ['GET'],
      path: '/v2/health/live',
      summary: 'Tells that the process answers',
      responses: { 200: 'Alive' },
      handle: (exchange) => exchange.json(200, { live: true }),
    },
    {
      id: 'v2_ready',
      methods: ['GET'],
      path: '/v2/health/ready',
      summary: 'Tells whether every version has the workers that it asks for',
      responses: { 200: 'Ready', 503: 'Not ready' },
      handle: (exchange) => {
        const { isReady } = health.readiness();
        exchange.json(isReady ? 200 : 503, { ready: isReady });
      },
    },
  ];
  const modelOnes = ['', '/versions/:model_version'].flatMap((suffix): Operation[] => {
    const id = suffix === '' ? 'v2' : 'v2_version';
    const path = `/v2/models/:model_name${suffix}`;
    const parameters = suffix === '' ? [MODEL] : [MODEL, VERSION];
    return [
      {
        id: `${id}_metadata`,
        methods: ['GET'],
        path,
        summary: 'Describes the inputs and outputs of a model',
        parameters,
        responses: { 200: 'The metadata', 404: 'No such model or version' },
        handle: (exchange) => exchange.json(200, models.metadata(...named(exchange))),
      },
      {
        id: `${id}_model_ready`,
        methods: ['GET'],
        path: `${path}/ready`,
        summary: 'Tells whether a worker of the model takes requests',
        parameters,
        responses: { 200: 'Ready', 404: 'No such model or version', 503: 'Not ready' },
        handle: (exchange) => {
          const [name, version] = named(exchange);
          const ready = models.isReady(name, version);
          exchange.json(ready ? 200 : 503, { name, ready });
        },
      },
      ...(['predict', 'explain'] as const).map((kind): Operation => {
        const isExplain = kind === 'explain';
        const verb = isExplain ? 'explain' : 'infer';
        return {
          id: `${id}_${verb}`,
          methods: ['POST'],
          path: `${path}/${verb}`,
          summary: isExplain
            ? 'Explains an inference from tensors; handlers only'
            : 'Infers from tensors, in JSON or with binary data behind it',
          parameters,
          bodyTypes: ['application/json', 'application/octet-stream'],
          responses: {
            200: isExplain ? 'The explanation' : 'The output tensors',
            400: 'A tensor does not fit',
            404: 'No such model or version',
            503: 'Not available',
          },
          handle: (exchange) => {
            const [model, version] = named(exchange);
            const headers = [['explain', isExplain ? 'True' : 'False'] as const, PROTOCOL_HEADER];
            return predict(exchange, inference, dialect, { model, version, kind, headers, inputs: 'tensors' });
          },
        };
      }),
    ];
  });
  return [...serverOnes, ...modelOnes].map((operation) => ({ ...operation, describeError }));
}

function named(exchange: Exchange): [name: string, version: string | undefined] {
  return [exchange.params['model_name'] ?? '', exchange.params['model_version']];
}
