// What to tell a client whose picture came to a network that has no `image:` section: which input it could become, and the section to write.
import { namesOf } from './asked.ts';
import { shapeText } from './tensor.ts';
import type { TensorSpec } from './tensor-spec.ts';

/** What most networks take, where the file leaves the size open. */
const USUAL_SIDE = 224;

/** `what` is the picture as the sentence begins: `A PNG picture`. */
export function imageSectionMissing(what: string, inputs: readonly TensorSpec[]): string {
  const input = inputs.find(takesPictures);
  if (input === undefined) {
    const shapes = inputs.map(({ datatype, shape }) => `${datatype} ${shapeText(shape)}`).join(', ');
    return `${what} came, but none of the model's inputs (${namesOf(inputs)}: ${shapes}) has the shape of a picture. Send the tensor itself.`;
  }
  const target = `input "${input.name}" (${input.datatype} ${shapeText(input.shape)})`;
  return (
    `${what} came, but no image section says how it becomes ${target}. Put a model-config.yaml beside the network, in the same folder or ` +
    `archive, with the line "image: ${exampleFor(input, inputs.length)}"; add mean and std if it was trained with them. Or send the tensor itself.`
  );
}

function takesPictures({ datatype, shape }: TensorSpec): boolean {
  return /^(?:FP16|FP32|FP64|UINT8)$/.test(datatype) && (shape.length === 3 || shape.length === 4);
}

/** The shortest section that fits the input. */
function exampleFor({ name, shape }: TensorSpec, inputCount: number): string {
  const [first = -1, second = -1, third = -1] = shape.slice(-3);
  const isChannelsLast = !isChannels(first) && isChannels(third);
  const [height, width] = isChannelsLast ? [first, second] : [second, third];
  const settings = [
    ...(inputCount > 1 ? [`input: ${JSON.stringify(name)}`] : []),
    `width: ${width === -1 ? USUAL_SIDE : width}`,
    `height: ${height === -1 ? USUAL_SIDE : height}`,
    ...(isChannelsLast ? ['layout: NHWC'] : []),
  ];
  return `{ ${settings.join(', ')} }`;
}

function isChannels(size: number): boolean {
  return size === 1 || size === 3;
}
