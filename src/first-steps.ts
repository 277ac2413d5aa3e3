// What to try next: after `sconce serve MODEL` the terminal shows whether the model answers, and the curl lines that ask it.
import type { ModelSignature, TensorSignature } from './core/model-signature.ts';
import type { RunningServer } from './server.ts';

const POLL_MS = 50;
/** JSON bodies longer than this teach nobody anything. */
const MAX_EXAMPLE_VALUES = 32;

interface DescribedModel {
  readonly workers: readonly { readonly status: string; readonly state?: string; readonly reason?: string }[];
}

/** Waits until the model answers or cannot start, and says so in words; undefined when it is gone. */
export async function firstSteps({ addresses }: RunningServer, name: string): Promise<string | undefined> {
  for (;;) {
    const response = await fetch(`${addresses.management}/models/${name}`);
    if (!response.ok) return undefined;
    const [model] = (await response.json()) as DescribedModel[];
    const failure = model?.workers.find((worker) => worker.state === 'backoff' || worker.state === 'starting')?.reason;
    if (failure !== undefined) return `${name} cannot start: ${failure}\n`;
    if (model?.workers.every((worker) => worker.status === 'READY') === true) break;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const metadata = await fetch(`${addresses.inference}/v2/models/${name}`);
  const signature = (await metadata.json()) as ModelSignature;
  return [
    `${name} is ready.`,
    ...tensorLines(signature),
    '',
    'Try:',
    ...curlLines(addresses, name, signature),
    '',
  ].join('\n');
}

function tensorLines({ inputs, outputs }: ModelSignature): string[] {
  const line = (kind: string) => (tensor: TensorSignature) =>
    `  ${kind} ${tensor.name}: ${tensor.datatype} [${tensor.shape.join(', ')}]`;
  return [...inputs.map(line('input ')), ...outputs.map(line('output'))];
}

function curlLines(
  { inference, management }: RunningServer['addresses'],
  name: string,
  { inputs }: ModelSignature,
): string[] {
  const body = exampleBody(inputs);
  const predict =
    body === undefined
      ? [`  curl ${inference}/predictions/${name} -T FILE`]
      : [`  curl ${inference}/predictions/${name} -H 'Content-Type: application/json' -d '${body}'`];
  return [...predict, `  curl ${inference}/v2/models/${name}`, `  curl ${management}/models/${name}`];
}

/** Zeros in the shape of each input; undefined when that is too long to read, or when the model does not say. */
function exampleBody(inputs: readonly TensorSignature[]): string | undefined {
  const sizes = inputs.map((input) => input.shape.reduce((product, size) => product * Math.max(1, size), 1));
  if (inputs.length === 0 || sizes.reduce((sum, size) => sum + size, 0) > MAX_EXAMPLE_VALUES) return undefined;
  return JSON.stringify(Object.fromEntries(inputs.map((input) => [input.name, zeros(input)])));
}

function zeros({ shape, datatype }: TensorSignature): unknown {
  const element = datatype === 'BYTES' ? '' : datatype === 'BOOL' ? false : 0;
  return shape.reduceRight<unknown>((inner, size) => Array.from({ length: Math.max(1, size) }, () => inner), element);
}
