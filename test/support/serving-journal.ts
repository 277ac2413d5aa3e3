// A ServingObserver that writes down what it is told.
import type { Job } from '../../src/core/job.ts';
import type { ServingObserver } from '../../src/core/ports.ts';

export class ServingJournal implements ServingObserver {
  readonly queuedJobs: Job[] = [];
  readonly dispatchedJobs: { readonly job: Job; readonly waitedMs: number }[] = [];
  readonly finishedJobs: { readonly job: Job; readonly failure: string | undefined; readonly tookMs: number }[] = [];

  queued(job: Job): void {
    this.queuedJobs.push(job);
  }

  dispatched(job: Job, waitedMs: number): void {
    this.dispatchedJobs.push({ job, waitedMs });
  }

  finished(job: Job, failure: string | undefined, tookMs: number): void {
    this.finishedJobs.push({ job, failure, tookMs });
  }
}
