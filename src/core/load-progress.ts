// How far a model is on its way from a url to a worker that answers: the phases it has been through, and the one it is in.
import type { Clock } from './ports.ts';

/** The steps in their order; a model needs not go through all of them. */
export type LoadPhase = 'download' | 'unpack' | 'environment' | 'spawn' | 'load' | 'warm-up';

/** One phase, over or under way. */
export interface PhaseReport {
  readonly phase: LoadPhase;
  readonly state: 'running' | 'done' | 'failed';
  readonly tookMs: number;
  /** Bytes that are through, and how many there will be; only of phases that count them, the second only where it is known. */
  readonly doneBytes: number | undefined;
  readonly totalBytes: number | undefined;
}

/** What the work of a phase may report while it runs. */
export interface PhaseMeter {
  /** `doneBytes` of `totalBytes` are through. */
  count(doneBytes: number, totalBytes: number | undefined): void;
}

interface Phase {
  readonly phase: LoadPhase;
  readonly beganAt: number;
  state: PhaseReport['state'];
  endedAt: number | undefined;
  doneBytes: number | undefined;
  totalBytes: number | undefined;
}

export class LoadProgress {
  readonly #clock: Clock;
  readonly #phases: Phase[] = [];
  readonly #onChange: (report: PhaseReport) => void;

  /** `onChange` hears of every beginning, every count and every end; it must be quick. */
  constructor(clock: Clock, onChange: (report: PhaseReport) => void = () => undefined) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /**
   * Does the work of one phase and takes down how long it took; the work's result and error pass through. A phase that is gone through
   * again is told anew, and what was told of it before is forgotten.
   */
  async during<T>(phase: LoadPhase, work: (meter: PhaseMeter) => Promise<T>): Promise<T> {
    const entry: Phase = {
      phase,
      beganAt: this.#clock.now(),
      state: 'running',
      endedAt: undefined,
      doneBytes: undefined,
      totalBytes: undefined,
    };
    const former = this.#phases.findIndex((other) => other.phase === phase && other.state !== 'running');
    if (former >= 0) this.#phases.splice(former, 1);
    this.#phases.push(entry);
    this.#onChange(this.#reportOf(entry));
    const end = (state: 'done' | 'failed') => {
      entry.state = state;
      entry.endedAt = this.#clock.now();
      this.#onChange(this.#reportOf(entry));
    };
    try {
      const result = await work({
        count: (doneBytes, totalBytes) => {
          entry.doneBytes = doneBytes;
          entry.totalBytes = totalBytes;
          this.#onChange(this.#reportOf(entry));
        },
      });
      end('done');
      return result;
    } catch (error) {
      end('failed');
      throw error;
    }
  }

  /** Every phase so far, in order. */
  report(): PhaseReport[] {
    return this.#phases.map((phase) => this.#reportOf(phase));
  }

  #reportOf({ phase, state, beganAt, endedAt, doneBytes, totalBytes }: Phase): PhaseReport {
    return { phase, state, tookMs: (endedAt ?? this.#clock.now()) - beganAt, doneBytes, totalBytes };
  }
}
