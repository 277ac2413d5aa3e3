// What a request asks of a network, whatever form it came in: tensors that fit, the outputs to compute, and how to word the answer.

import { RequestError } from './request-error.ts';
import type { ResultPart, RuntimeRequest } from './runtime-model.ts';
import type { Tensor } from './tensor.ts';
import { checkShape, type TensorSpec } from './tensor-spec.ts';

export interface Asked {
  readonly inputs: ReadonlyMap<string, Tensor>;
  /** Rows along the batch axis; 1 for a model without one. */
  readonly rows: number;
  readonly outputNames: readonly string[];
  /** The outputs as the bytes of an answer. Throws RequestError or OutputError for what the form cannot carry. */
  render(outputs: ReadonlyMap<string, Tensor>): ResultPart;
}

/**
 * The inputs in the model's order, once all are there and agree in their rows. Throws RequestError, naming the input that is missing or
 * disagrees.
 */
export function checkedInputs(
  given: ReadonlyMap<string, Tensor>,
  specs: readonly TensorSpec[],
): Pick<Asked, 'inputs' | 'rows'> {
  let counted: { readonly name: string; readonly rows: number } | undefined;
  for (const spec of specs) {
    const tensor = given.get(spec.name);
    if (tensor === undefined) {
      const came = [...given.keys()].map((name) => `"${name}"`).join(', ');
      throw new RequestError(`Input "${spec.name}" is missing; the request has ${came === '' ? 'no inputs' : came}.`);
    }
    checkShape(tensor.shape, spec);
    checkTexts(tensor, spec.name);
    if (spec.batchAxis === undefined) continue;
    const rows = tensor.shape[spec.batchAxis] ?? 1;
    if (counted !== undefined && counted.rows !== rows) {
      throw new RequestError(
        `Input "${spec.name}": expected ${counted.rows} rows, as many as input "${counted.name}" has, found ${rows}.`,
      );
    }
    counted ??= { name: spec.name, rows };
  }
  return { inputs: given, rows: counted?.rows ?? 1 };
}

/** ONNX Runtime takes texts up to their first zero only: the rest would be lost in silence. */
function checkTexts({ data }: Tensor, name: string): void {
  if (!Array.isArray(data)) return;
  const wrong = data.findIndex((text) => text.includes('\0'));
  if (wrong === -1) return;
  throw new RequestError(
    `Input "${name}": element ${wrong} holds the character U+0000, which ONNX Runtime's texts cannot.`,
  );
}

/** The input of this name. Throws RequestError that names those there are. */
export function findInput(name: string, specs: readonly TensorSpec[]): TensorSpec {
  const spec = specs.find((candidate) => candidate.name === name);
  if (spec !== undefined) return spec;
  const shown = name.length > 80 ? `${name.slice(0, 80)}…` : name;
  throw new RequestError(`The model has no input "${shown}"; its inputs are ${namesOf(specs)}.`);
}

export function namesOf(specs: readonly TensorSpec[]): string {
  return specs.map(({ name }) => `"${name}"`).join(', ');
}

/** A header by its name in lower case; the last one counts. */
export function headerOf({ headers }: RuntimeRequest, name: string): string | undefined {
  for (let index = headers.length - 1; index >= 0; index -= 1) {
    const pair = headers[index];
    if (pair?.[0].toLowerCase() === name) return pair[1];
  }
  return undefined;
}
