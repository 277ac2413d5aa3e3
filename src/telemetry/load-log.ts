// Writes down how a model gets loaded: a line when a phase ends, and one every few seconds while a long one goes on.
import type { LoadPhase, PhaseReport } from '../core/load-progress.ts';
import type { Clock, Timer } from '../core/ports.ts';
import type { Log } from './logger.ts';

const EVERY_MS = 5_000;
const MEBIBYTE = 1024 * 1024;

/** A listener for a LoadProgress; the facts name the model in every line. */
export function loadLog(log: Log, clock: Clock, facts: () => object): (report: PhaseReport) => void {
  const running = new Map<LoadPhase, { timer: Timer; beganAt: number; latest: PhaseReport }>();

  function remind(phase: LoadPhase): Timer {
    return clock.after(EVERY_MS, () => {
      const entry = running.get(phase);
      if (entry === undefined) return;
      const report = { ...entry.latest, tookMs: clock.now() - entry.beganAt };
      log.info({ ...facts(), ...figures(report) }, `${phase} is going on`);
      entry.timer = remind(phase);
    });
  }

  return (report) => {
    const { phase, state } = report;
    const entry = running.get(phase);
    if (state === 'running') {
      if (entry === undefined)
        running.set(phase, { timer: remind(phase), beganAt: clock.now() - report.tookMs, latest: report });
      else entry.latest = report;
      return;
    }
    entry?.timer.cancel();
    running.delete(phase);
    log.info({ ...facts(), ...figures(report) }, `${phase} ${state}`);
  };
}

function figures({ phase, tookMs, doneBytes, totalBytes }: PhaseReport): object {
  const megabytes = (bytes: number | undefined) => (bytes === undefined ? undefined : round(bytes / MEBIBYTE, 1));
  const MiB = megabytes(doneBytes);
  const MiBPerSec = MiB === undefined || tookMs === 0 ? undefined : round((MiB / tookMs) * 1000, 1);
  return { phase, seconds: round(tookMs / 1000, 3), MiB, totalMiB: megabytes(totalBytes), MiBPerSec };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
