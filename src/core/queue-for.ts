// Which queue the requests of a version wait in.
import { JobQueue } from './job-queue.ts';
import type { ModelSpec } from './model-spec.ts';
import type { Clock } from './ports.ts';
import { SequenceQueue } from './sequence-queue.ts';
import type { WaitingJobs } from './waiting-jobs.ts';

/** An empty queue for a version of this kind. */
export function queueFor(spec: Pick<ModelSpec, 'name' | 'queueSize' | 'sequences'>, clock: Clock): WaitingJobs {
  const { name, queueSize, sequences } = spec;
  if (sequences === undefined) return new JobQueue(queueSize);
  return new SequenceQueue({ model: name, capacity: queueSize, rules: sequences, clock });
}
