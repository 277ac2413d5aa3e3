// All scenarios, in the order of the table, and the choice among them.
import { scenario as atRest } from './scenarios/at-rest.mjs';
import { scenario as echo10k } from './scenarios/echo-10k.mjs';
import { scenario as echo600k } from './scenarios/echo-600k.mjs';
import { scenario as idleConnections } from './scenarios/idle-connections.mjs';
import { scenario as manyModels } from './scenarios/many-models.mjs';
import { scenario as mlp } from './scenarios/mlp.mjs';
import { scenario as noop } from './scenarios/noop.mjs';
import { scenario as noopBatch } from './scenarios/noop-batch.mjs';
import { scenario as noopTypescript } from './scenarios/noop-typescript.mjs';
import { scenario as onnxWorkerStart } from './scenarios/onnx-worker-start.mjs';
import { scenario as overload } from './scenarios/overload.mjs';
import { scenario as resnetOnnx } from './scenarios/resnet-onnx.mjs';
import { scenario as resnetTorch } from './scenarios/resnet-torch.mjs';
import { scenario as start } from './scenarios/start.mjs';

/** @type {readonly import('./bench-run.mjs').Scenario[]} */
export const SCENARIOS = [
  noop,
  noopBatch,
  noopTypescript,
  atRest,
  echo10k,
  echo600k,
  mlp,
  resnetOnnx,
  resnetTorch,
  overload,
  manyModels,
  idleConnections,
  start,
  onnxWorkerStart,
];

/**
 * The scenarios that a list of names asks for. A name stands for all that begin with it: `echo` for `echo-10k` and `echo-600k`.
 * @param {string | undefined} names parted by commas; all without them
 * @returns {{ scenarios: readonly import('./bench-run.mjs').Scenario[], unknown: string[] }} `unknown`: names that no scenario has
 */
export function chosenScenarios(names) {
  if (names === undefined) return { scenarios: SCENARIOS, unknown: [] };
  const wanted = names.split(',').map((name) => name.trim());
  const fits = ({ name }, asked) => name === asked || name.startsWith(`${asked}-`);
  return {
    scenarios: SCENARIOS.filter((scenario) => wanted.some((asked) => fits(scenario, asked))),
    unknown: wanted.filter((asked) => !SCENARIOS.some((scenario) => fits(scenario, asked))),
  };
}
