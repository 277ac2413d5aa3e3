// What a registration may ask for: its parameters as the API describes them, and from a request to typed values.
import type { Dialect } from '../config/dialect.ts';
import type { RegisterParameters } from '../config/register-parameters.ts';
import { BATCHING_WORDS } from '../core/batching.ts';
import { ServingError } from '../core/errors.ts';
import { type OperationParameter, query } from './operation.ts';
import type { Parameters } from './parameters.ts';

/** More workers than this for one version is a slip of the finger. */
export const MAX_WORKERS = 1_000;
const MAX_BATCH_SIZE = 65_536;

/** What a registration may ask for, with the defaults of the dialect. */
export function registerParameters(dialect: Dialect): OperationParameter[] {
  const isSynchronous = dialect.defaults.isRegistrationSynchronous;
  return [
    {
      ...query(
        'url',
        'string',
        'Name of an archive, an .onnx file or a folder in the model store, or a URL to fetch it from',
      ),
      isRequired: true,
    },
    query('model_name', 'string', "Name of the model; the archive's modelName when absent"),
    query('handler', 'string', "Entry point module_name:method_name; the archive's handler when absent"),
    query(
      'runtime',
      'string',
      "What runs the model: PYTHON, NODE or ONNX; the archive's runtime when absent",
      'PYTHON',
    ),
    query('batch_size', 'integer', 'Largest batch', 1),
    query('max_batch_delay', 'integer', 'Milliseconds a request may wait for a fuller batch', 100),
    query(
      'batching',
      'string',
      'adaptive sends a batch as soon as waiting gains nothing; fixed waits until it is full or max_batch_delay is over',
      'adaptive',
    ),
    query('initial_workers', 'integer', 'Workers to start with', 0),
    query(
      'max_surge',
      'integer',
      'Workers above the maximum while one is replaced; 1 on the CPU, 0 on a GPU when absent',
    ),
    query('synchronous', 'boolean', 'Whether the answer waits until the workers are ready', isSynchronous),
    query('response_timeout', 'integer', 'Seconds a worker may take to answer before it is replaced', 120),
    query('startup_timeout', 'integer', 'Seconds a worker may take to load the model', 120),
    query('sha256', 'string', 'SHA-256 that the file of the archive must have, in hex'),
    query(
      's3_sse_kms',
      'boolean',
      "Whether the download is signed with the server's AWS keys, for objects encrypted by KMS",
      false,
    ),
  ];
}

/** Reads what a registration asks for. Throws MISSING_PARAMETER without a `url`, and INVALID_PARAMETER. */
export function readRegister(parameters: Parameters): RegisterParameters {
  const url = parameters.text('url');
  if (url === undefined && !parameters.has('url')) {
    throw new ServingError('MISSING_PARAMETER', 'Parameter url is required.', { parameter: 'url' });
  }
  return {
    url: url ?? '',
    modelName: parameters.text('model_name'),
    handler: parameters.text('handler'),
    runtime: parameters.text('runtime'),
    batchSize: parameters.whole('batch_size', 1, MAX_BATCH_SIZE),
    maxBatchDelayMs: parameters.whole('max_batch_delay', 0),
    batching: parameters.word('batching', BATCHING_WORDS),
    initialWorkers: parameters.whole('initial_workers', 0, MAX_WORKERS),
    maxSurge: parameters.whole('max_surge', 0, MAX_WORKERS),
    synchronous: parameters.flag('synchronous'),
    responseTimeoutSec: parameters.whole('response_timeout', 1),
    startupTimeoutSec: parameters.whole('startup_timeout', 1),
    sha256: readDigest(parameters),
    s3SseKms: parameters.flag('s3_sse_kms'),
  };
}

/** Never lenient: a digest that cannot be read would be one that nobody checks. */
function readDigest(parameters: Parameters): string | undefined {
  if (!parameters.has('sha256')) return undefined;
  const text = parameters.text('sha256') ?? '';
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  throw new ServingError('INVALID_PARAMETER', 'Parameter sha256: expected 64 hex digits', { parameter: 'sha256' });
}
