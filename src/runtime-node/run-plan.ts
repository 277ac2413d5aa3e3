// Which requests of a batch share one call of the network.
import type { Asked } from './asked.ts';
import type { TensorSpec } from './tensor-spec.ts';

/**
 * The requests in groups, by their index: joinable ones whose tensors agree in every dimension but the batch axis, with at most `maxRows` rows
 * together unless a single one has more.
 */
export function planRuns(
  asked: readonly (readonly [index: number, asked: Asked])[],
  inputs: readonly TensorSpec[],
  isJoinable: boolean,
  maxRows: number,
): number[][] {
  if (!isJoinable || asked.length === 1) return asked.map(([index]) => [index]);
  const open = new Map<string, { readonly indices: number[]; rows: number }>();
  const runs: number[][] = [];
  for (const [index, request] of asked) {
    const key = keyOf(request, inputs);
    const group = open.get(key);
    if (group !== undefined && group.rows + request.rows <= maxRows) {
      group.indices.push(index);
      group.rows += request.rows;
    } else {
      const indices = [index];
      open.set(key, { indices, rows: request.rows });
      runs.push(indices);
    }
  }
  return runs;
}

/** Equal for requests that can be joined. */
function keyOf({ inputs: tensors }: Asked, inputs: readonly TensorSpec[]): string {
  let key = '';
  for (const { name, batchAxis } of inputs) {
    const shape = tensors.get(name)?.shape ?? [];
    for (let axis = 0; axis < shape.length; axis += 1) key += axis === batchAxis ? '*,' : `${shape[axis]},`;
    key += ';';
  }
  return key;
}
