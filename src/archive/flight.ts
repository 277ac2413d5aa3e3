// Work that several ask for at once and that is done once: who comes while it is under way waits for the same outcome, and sees how far it is.
import type { PhaseMeter } from '../core/load-progress.ts';

/** One piece of work under way. */
export interface Flight<T> {
  readonly outcome: Promise<T>;
  readonly meters: PhaseMeter[];
}

/** The outcome of the flight with this key; `start` begins it when there is none. */
export function joined<T>(
  flights: Map<string, Flight<T>>,
  key: string,
  meter: PhaseMeter,
  start: (onProgress: (doneBytes: number, totalBytes: number) => void) => Promise<T>,
): Promise<T> {
  const running = flights.get(key);
  if (running !== undefined) {
    running.meters.push(meter);
    return running.outcome;
  }
  const meters = [meter];
  const onProgress = (doneBytes: number, totalBytes: number) => {
    for (const one of meters) one.count(doneBytes, totalBytes);
  };
  const outcome = start(onProgress).finally(() => flights.delete(key));
  flights.set(key, { outcome, meters });
  return outcome;
}
