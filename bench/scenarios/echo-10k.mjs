// A body as a small picture or a page of text has it.
import { echoFigures } from '../echo.mjs';

/** @type {import('../bench-run.mjs').Scenario} */
export const scenario = {
  name: 'echo-10k',
  title: 'echo of 10 kB through Python (floor: bare echo)',
  run: (bench) => echoFigures(bench, 10_000, [1, 8, 32]),
};
