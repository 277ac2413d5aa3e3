// The queue of a stateful model: one line for each sequence, and which worker has which sequence. A sequence belongs to one worker from
// its first request to its end, its requests go there one after the other, and different sequences share batches. It decides who may have
// what; when batches leave is the scheduler's business.
//
//   opened ──a worker takes its first job──▶ owned ──end, idle, too old, worker gone──▶ closed
//      ▲                                       │
//      └──── worker gone before it had begun ──┘
import type { Job, JobFollower, OutputPart } from './job.ts';
import type { SequenceRules } from './model-spec.ts';
import type { BatchWorker, Clock } from './ports.ts';
import { byHead, isInHand, isUnderWay, newSequence, type Sequence } from './sequence.ts';
import { endedSequences, sequenceMarks } from './sequence-headers.ts';
import {
  type SequenceEnd,
  sequenceClosed,
  sequenceEnding,
  tooManyInSequence,
  tooManySequences,
} from './sequence-refusals.ts';
import type { Run, WaitingJobs } from './waiting-jobs.ts';

export interface SequenceQueueOptions {
  readonly model: string;
  readonly capacity: number;
  readonly rules: SequenceRules;
  readonly clock: Clock;
}

/** How many sequences that are over are remembered, so that whoever goes on with one is told why that cannot be. */
const REMEMBERED_ENDS = 1000;

export class SequenceQueue implements WaitingJobs, JobFollower {
  readonly capacity: number;
  readonly isShared = false;
  readonly #options: SequenceQueueOptions;
  readonly #open = new Map<string, Sequence>();
  /** Those with a job that waits and none on its way, in the order in which they came to be so. */
  readonly #ready = new Set<Sequence>();
  readonly #owned = new Map<BatchWorker, Set<Sequence>>();
  /** The sequence of every job that has not ended. */
  readonly #sequenceOf = new Map<Job, Sequence>();
  readonly #ends = new Map<string, SequenceEnd>();
  #length = 0;

  constructor(options: SequenceQueueOptions) {
    this.capacity = options.capacity;
    this.#options = options;
  }

  get length(): number {
    return this.#length;
  }

  /** Sequences that have a place now. */
  get openSequences(): number {
    return this.#open.size;
  }

  push(job: Job): void {
    const sequence = this.#sequenceFor(job);
    sequence.idleTimer?.cancel();
    sequence.waiting.push(job);
    this.#length += 1;
    this.#sequenceOf.set(job, sequence);
    job.follower = this;
    this.#review(sequence);
  }

  /** The order inside a sequence is its client's; a priority cannot change it. */
  lengthUpTo(): number {
    return this.#length;
  }

  putBack(jobs: readonly Job[]): void {
    for (const job of jobs) {
      const sequence = this.#sequenceOf.get(job);
      if (sequence === undefined) continue;
      if (sequence.isClosed) {
        this.#failClosed(sequence, job);
        continue;
      }
      sequence.waiting.unshift(job);
      sequence.current = undefined;
      this.#length += 1;
      this.#review(sequence);
    }
  }

  remove(job: Job): void {
    const sequence = this.#sequenceOf.get(job);
    const place = sequence?.waiting.indexOf(job) ?? -1;
    if (sequence === undefined || place < 0) return;
    sequence.waiting.splice(place, 1);
    this.#length -= 1;
    if (sequence.waiting.length === 0) this.#ready.delete(sequence);
  }

  /** A worker's own sequences can go nowhere else; a new one goes to whom has most places left. */
  appeal(worker: BatchWorker): number {
    if (this.#ready.size === 0 || worker.room() === 0) return 0;
    const places = this.#placesOf(worker);
    let appeal = 0;
    for (const sequence of this.#ready) {
      if (sequence.owner === worker && !isInHand(sequence)) return Infinity;
      if (sequence.id === undefined) appeal = Math.max(appeal, 1);
      else if (sequence.owner === undefined) appeal = Math.max(appeal, places);
    }
    return appeal;
  }

  run(limit: number, worker: BatchWorker): Run {
    const chosen = this.#chosen(limit, worker);
    return { length: chosen.length, isClosed: true, oldestArrivedAt: chosen[0]?.waiting[0]?.arrivedAt ?? 0 };
  }

  /** Runs leave at once here, so nobody asks how long they may be held. */
  soonestDeadlineAt(): number {
    return Infinity;
  }

  take(count: number, worker: BatchWorker): Job[] {
    return this.#chosen(count, worker).flatMap((sequence) => {
      const job = sequence.waiting.shift();
      if (job === undefined) return [];
      this.#length -= 1;
      this.#ready.delete(sequence);
      sequence.current = job;
      if (sequence.id !== undefined && sequence.owner === undefined) {
        sequence.owner = worker;
        this.#owned.get(worker)?.add(sequence);
      }
      return [job];
    });
  }

  drain(): Job[] {
    const jobs = [...this.#sequenceOf].filter(([job, { waiting }]) => waiting.includes(job)).map(([job]) => job);
    for (const { waiting } of this.#sequenceOf.values()) waiting.length = 0;
    this.#ready.clear();
    this.#length = 0;
    return jobs.sort((one, other) => one.id - other.id);
  }

  workerJoined(worker: BatchWorker): void {
    this.#owned.set(worker, new Set());
  }

  workerLeft(worker: BatchWorker): void {
    const owned = [...(this.#owned.get(worker) ?? [])];
    this.#owned.delete(worker);
    for (const sequence of owned) {
      if (sequence.hasBegun) {
        this.#end(sequence, 'worker gone');
        this.#close(sequence);
      } else {
        sequence.owner = undefined;
        this.#review(sequence);
      }
    }
  }

  begun(job: Job): void {
    const sequence = this.#sequenceOf.get(job);
    if (sequence !== undefined) sequence.hasBegun = true;
  }

  passed(job: Job, part: OutputPart): void {
    this.begun(job);
    for (const id of endedSequences(part.headers, this.#options.rules.headers)) {
      const sequence = this.#open.get(id);
      if (sequence !== undefined) this.#end(sequence, 'ended');
    }
  }

  over(job: Job): void {
    const sequence = this.#sequenceOf.get(job);
    this.#sequenceOf.delete(job);
    if (sequence !== undefined && !sequence.isClosed) this.#review(sequence);
  }

  /** What follows from where a sequence is now. */
  #review(sequence: Sequence): void {
    if (isUnderWay(sequence)) return;
    const isLost = sequence.hasBegun && sequence.owner === undefined && sequence.id !== undefined;
    if (isLost) this.#end(sequence, 'worker gone');
    if (sequence.waiting.length > 0) this.#ready.add(sequence);
    else if (isLost || sequence.ending !== undefined || !sequence.hasBegun || sequence.id === undefined)
      this.#close(sequence);
    else this.#awaitNext(sequence);
  }

  /** The line that a new job joins. Throws when it may not. */
  #sequenceFor(job: Job): Sequence {
    const { model, rules } = this.#options;
    const { id, isStart, isEnd } = sequenceMarks(job.request.headers, rules.headers);
    if (id === undefined || job.request.kind === 'describe') return newSequence(undefined, false);
    const known = this.#open.get(id);
    if (known?.ending !== undefined) throw sequenceEnding(model, job, id);
    if (known !== undefined && known.waiting.length >= rules.maxWaitingJobs)
      throw tooManyInSequence(model, job, id, known.waiting.length);
    const end = this.#ends.get(id);
    if (known === undefined && end !== undefined && !isStart)
      throw sequenceClosed(model, job, id, end, rules.headers.start);
    if (known === undefined && this.#open.size >= rules.maxSequences)
      throw tooManySequences(model, job, this.#open.size);
    const sequence = known ?? this.#begin(id, isStart);
    if (isEnd) sequence.ending = 'ended';
    return sequence;
  }

  #begin(id: string, isAnnounced: boolean): Sequence {
    const { clock, rules } = this.#options;
    const sequence = newSequence(id, isAnnounced);
    this.#ends.delete(id);
    this.#open.set(id, sequence);
    if (rules.lifetimeMs > 0)
      sequence.lifetimeTimer = clock.after(rules.lifetimeMs, () => this.#end(sequence, 'too old'));
    return sequence;
  }

  /** Takes nothing more in: what waits fails, what is under way may finish. */
  #end(sequence: Sequence, why: SequenceEnd): void {
    sequence.ending = why;
    this.#ready.delete(sequence);
    const waiting = sequence.waiting.splice(0);
    this.#length -= waiting.length;
    for (const job of waiting) this.#failClosed(sequence, job);
    if (!isUnderWay(sequence)) this.#close(sequence);
  }

  /** Frees its id and its place. */
  #close(sequence: Sequence): void {
    if (sequence.isClosed) return;
    sequence.isClosed = true;
    sequence.idleTimer?.cancel();
    sequence.lifetimeTimer?.cancel();
    this.#ready.delete(sequence);
    if (sequence.owner !== undefined) this.#owned.get(sequence.owner)?.delete(sequence);
    const { id, ending } = sequence;
    if (id === undefined) return;
    this.#open.delete(id);
    const isMissed = sequence.hasBegun && (sequence.isAnnounced || ending === 'worker gone');
    if (isMissed && ending !== undefined) this.#remember(id, ending);
  }

  #remember(id: string, end: SequenceEnd): void {
    this.#ends.set(id, end);
    for (const oldest of this.#ends.keys()) {
      if (this.#ends.size <= REMEMBERED_ENDS) break;
      this.#ends.delete(oldest);
    }
  }

  #awaitNext(sequence: Sequence): void {
    const { clock, rules } = this.#options;
    sequence.idleTimer?.cancel();
    if (rules.maxIdleMs > 0) sequence.idleTimer = clock.after(rules.maxIdleMs, () => this.#end(sequence, 'idle'));
  }

  /** The sequences whose next jobs this worker could have together, those that have waited longest first. */
  #chosen(limit: number, worker: BatchWorker): Sequence[] {
    let places = this.#placesOf(worker);
    const mine: Sequence[] = [];
    for (const sequence of this.#ready) {
      if (isInHand(sequence)) continue;
      const isNew = sequence.owner === undefined && sequence.id !== undefined;
      if (isNew ? places > 0 : sequence.owner === worker || sequence.id === undefined) mine.push(sequence);
      if (isNew) places -= 1;
    }
    mine.sort(byHead);
    const kind = mine[0]?.waiting[0]?.request.kind;
    const alike = mine.filter(({ waiting }) => waiting[0]?.request.kind === kind);
    return alike.slice(0, kind === 'describe' ? 1 : limit);
  }

  /** How many more sequences a worker may have: they are shared out evenly. */
  #placesOf(worker: BatchWorker): number {
    const share = Math.max(1, Math.ceil(this.#options.rules.maxSequences / this.#owned.size));
    return Math.max(0, share - (this.#owned.get(worker)?.size ?? share));
  }

  #failClosed({ id = '', ending = 'ended' }: Sequence, job: Job): void {
    const { model, rules } = this.#options;
    job.fail(sequenceClosed(model, job, id, ending, rules.headers.start));
  }
}
