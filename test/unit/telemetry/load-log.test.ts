import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { LoadProgress } from '../../../src/core/load-progress.ts';
import { loadLog } from '../../../src/telemetry/load-log.ts';
import { createLog } from '../../../src/telemetry/logger.ts';
import { FakeClock } from '../../support/fake-clock.ts';

it('the log has a line for the end of each phase, and one every five seconds of a long one', async () => {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      const { level: _level, time: _time, ...line } = JSON.parse(chunk.toString());
      lines.push(line);
      done();
    },
  });
  const clock = new FakeClock();
  const progress = new LoadProgress(
    clock,
    loadLog(createLog(sink), clock, () => ({ model: 'm' })),
  );
  await progress.during('download', async (meter) => {
    clock.advance(4_999);
    expect(lines).toEqual([]);
    meter.count(1024 * 1024, 3 * 1024 * 1024);
    clock.advance(1);
    clock.advance(5_000);
  });
  await progress.during('load', () => Promise.reject(new Error('no'))).catch(() => {});
  clock.advance(60_000);
  expect(lines).toEqual([
    { model: 'm', phase: 'download', seconds: 5, MiB: 1, totalMiB: 3, MiBPerSec: 0.2, msg: 'download is going on' },
    { model: 'm', phase: 'download', seconds: 10, MiB: 1, totalMiB: 3, MiBPerSec: 0.1, msg: 'download is going on' },
    { model: 'm', phase: 'download', seconds: 10, MiB: 1, totalMiB: 3, MiBPerSec: 0.1, msg: 'download done' },
    { model: 'm', phase: 'load', seconds: 0, msg: 'load failed' },
  ]);
});
