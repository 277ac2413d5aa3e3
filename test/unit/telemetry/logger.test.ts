import { describe, expect, it } from 'vitest';
import { createLog, workerLog } from '../../../src/telemetry/logger.ts';

function openLog() {
  const lines: Record<string, unknown>[] = [];
  const log = createLog({ write: (line: string) => lines.push(JSON.parse(line)) });
  return { log, lines };
}

const tag = { model: 'm', version: '1.0', worker: '9000' };

describe('the log', () => {
  it('writes one JSON object a line, with the level as a word and the time in ISO form', () => {
    const { log, lines } = openLog();
    log.info({ a: 1 }, 'hello');
    expect(lines).toEqual([{ level: 'info', time: expect.stringMatching(/^\d{4}-.+Z$/), a: 1, msg: 'hello' }]);
  });

  it('cannot be made to write lines of a handler`s choice', () => {
    const { log, lines } = openLog();
    workerLog(log).line(tag, 'stdout', 'x\n{"level":"fatal","msg":"forged"}\u2028"');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ level: 'info', msg: 'x\n{"level":"fatal","msg":"forged"}\u2028"' });
  });
});

describe('the log of workers', () => {
  it('tags what they print, with stderr as a warning', () => {
    const { log, lines } = openLog();
    workerLog(log).line(tag, 'stdout', 'out');
    workerLog(log).line(tag, 'stderr', 'err');
    expect(lines).toMatchObject([
      { level: 'info', ...tag, stream: 'stdout', msg: 'out' },
      { level: 'warn', ...tag, stream: 'stderr', msg: 'err' },
    ]);
  });

  it('tags what happens to them', () => {
    const { log, lines } = openLog();
    workerLog(log).event(tag, 'error', 'worker ended', { code: 3 });
    expect(lines).toMatchObject([{ level: 'error', ...tag, code: 3, msg: 'worker ended' }]);
  });
});
