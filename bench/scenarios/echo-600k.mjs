// A body as a picture has it that is a tensor already: 1 × 3 × 224 × 224 floats.
import { echoFigures } from '../echo.mjs';

const PICTURE_BYTES = 3 * 224 * 224 * 4;
const GOALS = { 8: { share: { bound: 'at least', value: 0.35, stretch: 0.5 } } };

/** @type {import('../bench-run.mjs').Scenario} */
export const scenario = {
  name: 'echo-600k',
  title: 'echo of 600 kB through Python (floor: bare echo)',
  run: (bench) => echoFigures(bench, PICTURE_BYTES, [1, 8, 32], GOALS),
};
