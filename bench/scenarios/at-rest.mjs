// A lone request to a model that would rather have eight: it must not wait for seven that do not come.

/** @type {import('../bench-run.mjs').Scenario} */
export const scenario = {
  name: 'at-rest',
  title: 'noop at rest, 1 connection, batch_size=8&max_batch_delay=50 (floor: batch_size=1)',
  async run(bench) {
    const [sconce, other] = await bench.builds();
    const subjects = other === undefined ? [sconce] : [sconce, other];
    for (const subject of subjects) {
      await subject.register('noop', 'batch_size=1');
      await subject.register('noop-batch', 'batch_size=8&max_batch_delay=50');
    }
    const contenders = subjects.flatMap((subject) =>
      ['/predictions/noop', '/predictions/noop-batch'].map((path) => ({ subject, path })),
    );
    const [plain, batched, otherPlain, otherBatched] = await bench.compare(contenders, { connections: 1 });
    const row = (name, value, more) => ({
      name,
      value: value(batched),
      unit: 'ms',
      floor: value(plain),
      ...(other && { other: value(otherBatched) }),
      ...more,
    });
    return [
      row('p50', ({ p50Ms }) => p50Ms),
      row('p99', ({ p99Ms }) => p99Ms),
      {
        name: 'difference of the p50',
        value: batched.p50Ms - plain.p50Ms,
        unit: 'ms',
        ...(other && { other: otherBatched.p50Ms - otherPlain.p50Ms }),
        target: { bound: 'at most', value: 0.5 },
      },
    ];
  },
};
