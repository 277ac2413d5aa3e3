import { describe, expect, it } from 'vitest';
import { createLog } from '../../../src/telemetry/logger.ts';
import { metricLine, metricLines } from '../../../src/telemetry/metric-lines.ts';

const metric = { name: 'Took', unit: 'ms', value: 2, dimensions: [['Level', 'Model']] as const };

describe('a metric as a line', () => {
  it('has the form that TorchServe writes', () => {
    expect(metricLine({ ...metric, requestIds: ['a', 'b'] }, 'host', 1_700_000_000_900)).toBe(
      'Took.ms:2.0|#Level:Model|#hostname:host,requestID:a,b,timestamp:1700000000',
    );
    expect(metricLine({ ...metric, value: 0.25, dimensions: [] }, 'host', 0)).toBe(
      'Took.ms:0.25|#|#hostname:host,timestamp:0',
    );
  });

  it('cannot be broken by what a handler reports', () => {
    const line = metricLine({ ...metric, name: 'a|b\n', dimensions: [['x,y', '#z\r\n']] }, 'h', 0);
    expect(line).toBe('a_b_.ms:2.0|#x_y:_z__|#hostname:h,timestamp:0');
  });
});

describe('the modes', () => {
  const written = (mode: 'log' | 'legacy' | 'prometheus', name: string) => {
    const lines: string[] = [];
    metricLines(mode, createLog({ write: (line) => lines.push(line) }))?.('TS_METRICS', { ...metric, name });
    return lines.map((line) => JSON.parse(line) as { logger: string; msg: string });
  };

  it('write everything, nothing, or all but what belongs to requests', () => {
    expect(written('log', 'ts_inference_requests_total')).toMatchObject([{ logger: 'TS_METRICS', level: 'info' }]);
    expect(written('legacy', 'ts_inference_requests_total')).toEqual([]);
    expect(written('legacy', 'Took')).toHaveLength(1);
    expect(written('prometheus', 'Took')).toEqual([]);
  });
});
