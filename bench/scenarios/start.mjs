// From the spawn of the process to its first 200, beside a bare http server. Nothing is kept from one start to the next.
import { ask } from '../ask.mjs';
import { startFloor } from '../floor.mjs';
import { median } from '../median.mjs';

/** @type {import('../bench-run.mjs').Scenario} */
export const scenario = {
  name: 'start',
  title: 'process start to the first 200 of /ping (floor: bare http)',
  async run(bench) {
    const bareMs = [];
    const ownMs = [];
    const otherMs = [];
    for (let round = 0; round < bench.plan.rounds; round += 1) {
      bareMs.push(await bareStartMs());
      const [own, other] = await bench.builds();
      ownMs.push(own.startMs);
      if (other !== undefined) otherMs.push(other.startMs);
      await bench.stopAll();
    }
    const figure = {
      name: 'without models',
      value: median(ownMs),
      unit: 'ms',
      floor: median(bareMs),
      ...(otherMs.length > 0 && { other: median(otherMs) }),
      target: { bound: 'at most', value: 400, stretch: 250 },
    };
    return [figure];
  },
};

async function bareStartMs() {
  const startedAt = performance.now();
  const floor = await startFloor('noop');
  await ask('GET', floor.port, '/ping');
  const startMs = performance.now() - startedAt;
  await floor.stop();
  return startMs;
}
