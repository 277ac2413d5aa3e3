// The lines about requests: whole, harmless, and few writes.
import { describe, expect, it } from 'vitest';
import { type AccessEntry, AccessLog } from '../../../src/telemetry/access-log.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const ENTRY: AccessEntry = {
  requestId: 'abc-1',
  method: 'POST',
  path: '/predictions/digits',
  status: 200,
  tookMs: 1.23456,
  remote: '127.0.0.1',
  isCut: false,
};

function bench() {
  const clock = new FakeClock();
  const writes: string[] = [];
  return { clock, writes, access: new AccessLog((lines) => writes.push(lines), clock) };
}

const parsed = (lines: string | undefined) =>
  (lines ?? '')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('the access log', () => {
  it('tells of a request in the form of the other lines', () => {
    const { clock, writes, access } = bench();
    access.add(ENTRY);
    clock.advance(100);
    expect(parsed(writes[0])).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        logger: 'ACCESS_LOG',
        requestId: 'abc-1',
        method: 'POST',
        path: '/predictions/digits',
        status: 200,
        ms: 1.23,
        remote: '127.0.0.1',
        msg: 'request',
      },
    ]);
  });

  it('marks what was cut, and no path can end its line or grow without bound', () => {
    const { writes, access } = bench();
    access.add({ ...ENTRY, path: '/"\n{"level":"error"}\u2028\u0000', isCut: true });
    access.add({ ...ENTRY, path: `/${'x'.repeat(10_000)}` });
    access.flush();
    const [hostile, long] = parsed(writes[0]);
    expect(hostile).toMatchObject({ level: 'info', path: '/"\n{"level":"error"}\u2028\u0000', isCut: true });
    expect(String(long?.['path']).length).toBeLessThan(600);
  });

  it('writes many lines at a time, and none twice', () => {
    const { clock, writes, access } = bench();
    for (let index = 0; index < 10; index += 1) access.add(ENTRY);
    expect(writes).toEqual([]);
    clock.advance(100);
    clock.advance(1_000);
    access.flush();
    expect(writes.map((lines) => parsed(lines).length)).toEqual([10]);
    for (let index = 0; index < 200; index += 1) access.add(ENTRY);
    expect(writes.length).toBeGreaterThan(1);
    access.flush();
    expect(writes.flatMap(parsed)).toHaveLength(210);
  });
});
