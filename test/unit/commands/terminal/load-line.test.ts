import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LoadLine } from '../../../../src/commands/terminal/load-line.ts';
import type { PhaseReport } from '../../../../src/core/load-progress.ts';

let written: string[];
let now: number;
beforeEach(() => {
  vi.useFakeTimers();
  written = [];
  now = 0;
});
afterEach(() => vi.useRealTimers());

const report = (over: Partial<PhaseReport>): PhaseReport => ({
  phase: 'load',
  state: 'running',
  tookMs: 0,
  doneBytes: undefined,
  totalBytes: undefined,
  ...over,
});

function line(isTTY: boolean, columns = 80): LoadLine {
  return new LoadLine({ isTTY, columns, write: (text: string) => written.push(text) }, () => now);
}

function pass(ms: number): void {
  for (const end = now + ms; now < end; ) {
    now += 100;
    vi.advanceTimersByTime(100);
  }
}

it('counts the seconds of a phase on one line, and goes when it is over', () => {
  const shown = line(true);
  shown.hear('m', report({ phase: 'environment' }));
  pass(400);
  shown.hear('m', report({ phase: 'environment', state: 'done', tookMs: 400 }));
  pass(1_000);
  expect(written).toEqual([
    '\r\x1b[Km: installing packages 0.0 s\r',
    '\r\x1b[Km: installing packages 0.2 s\r',
    '\r\x1b[Km: installing packages 0.4 s\r',
    '\r\x1b[K',
  ]);
});

it('shows a bar where bytes are counted, no wider than the terminal', () => {
  const shown = line(true);
  shown.hear('m', report({ phase: 'unpack' }));
  shown.hear('m', report({ phase: 'unpack', doneBytes: 500_000, totalBytes: 1_000_000 }));
  pass(200);
  expect(written.at(-1)).toMatch(/m: unpacking █{12}░{12} {2}50 % /);
  const narrow = line(true, 20);
  narrow.hear('m', report({ phase: 'unpack', doneBytes: 1, totalBytes: 2 }));
  expect(written.at(-1)).toHaveLength('\r\x1b[K'.length + 19 + 1);
});

it('draws nothing where there is no terminal', () => {
  const shown = line(false);
  shown.hear('m', report({}));
  pass(1_000);
  shown.hear('m', report({ state: 'done' }));
  expect(written).toEqual([]);
});
