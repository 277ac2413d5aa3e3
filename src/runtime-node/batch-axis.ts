// Where a network's tensors have their batch axis, as far as the names of its dimensions tell. Joining requests along an axis over which the
// network computes (time, say) would give wrong answers in silence: whatever is not clear is not joined.
import type { TensorSpec } from './tensor-spec.ts';

export interface BatchAxes {
  /** For each input, and for each output, its batch axis; undefined for one without. */
  readonly inputs: readonly (number | undefined)[];
  readonly outputs: readonly (number | undefined)[];
  /** Whether requests may be joined along them. */
  readonly isJoinable: boolean;
  /** Why not, for the log; "" when they may. */
  readonly reason: string;
}

type Shaped = Pick<TensorSpec, 'name' | 'dimensions'>;

const BATCH_NAME = /batch|^(?:n|b|bs|samples?|num_?samples|rows?)$/i;
const SEQUENCE_NAME = /seq|time|len|token|frame|step|height|width|^[tlhw]$/i;

/** `setting` is `onnx.batchAxis`. */
export function findBatchAxes(
  inputs: readonly Shaped[],
  outputs: readonly Shaped[],
  setting: number | 'none' | 'auto',
): BatchAxes {
  if (setting === 'none') return { ...single(inputs, outputs), reason: 'onnx.batchAxis is none' };
  if (typeof setting === 'number') {
    const fixed = [...inputs, ...outputs].find(({ dimensions }) => typeof dimensions[setting] !== 'string');
    if (fixed !== undefined)
      return { ...single(inputs, outputs), reason: `axis ${setting} of ${fixed.name} is not a dynamic one` };
    return joinable(inputs, outputs, () => setting);
  }
  const [first] = inputs;
  const tensors = [...inputs, ...outputs];
  const names = (first?.dimensions ?? []).filter((dimension): dimension is string => typeof dimension === 'string');
  const shared = names.filter(
    (name) => name !== '' && tensors.every(({ dimensions }) => dimensions.filter((one) => one === name).length === 1),
  );
  const named = shared.find((name) => BATCH_NAME.test(name));
  if (named !== undefined) return joinable(inputs, outputs, ({ dimensions }) => dimensions.indexOf(named));
  const leading = shared.find((name) => tensors.every(({ dimensions }) => dimensions[0] === name));
  if (leading !== undefined && !SEQUENCE_NAME.test(leading)) return joinable(inputs, outputs, () => 0);
  if (tensors.length > 0 && tensors.every(({ dimensions }) => dimensions[0] === ''))
    return joinable(inputs, outputs, () => 0);
  const hasDynamic = inputs.some(({ dimensions }) => dimensions.some((dimension) => typeof dimension === 'string'));
  const reason = hasDynamic
    ? 'its inputs and outputs share no dimension that is named like a batch; onnx.batchAxis says which axis it is'
    : 'its inputs have no dynamic dimension';
  return { ...single(inputs, outputs), reason };
}

function joinable(
  inputs: readonly Shaped[],
  outputs: readonly Shaped[],
  axisOf: (tensor: Shaped) => number,
): BatchAxes {
  return { inputs: inputs.map(axisOf), outputs: outputs.map(axisOf), isJoinable: true, reason: '' };
}

/** Axes by which a single sample may come without its batch axis: a leading one that is 1 or dynamic. */
function single(inputs: readonly Shaped[], outputs: readonly Shaped[]): Omit<BatchAxes, 'reason'> {
  const axisOf = ({ dimensions: [leading] }: Shaped) =>
    leading === 1 || (typeof leading === 'string' && !SEQUENCE_NAME.test(leading)) ? 0 : undefined;
  return { inputs: inputs.map(axisOf), outputs: outputs.map(axisOf), isJoinable: false };
}
