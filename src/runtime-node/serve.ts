// The worker's loop: load once, then answer batches until the server says stop or goes away.
import type { Connection } from '../protocol/connection.ts';
import type { FrameHeader, Part } from '../protocol/frame.ts';
import { type LoadMessage, PROTOCOL_VERSION } from '../protocol/messages.ts';
import type { Channels } from './channels.ts';
import { LoadError } from './load-error.ts';
import { type LoadedModel, loadModel } from './load-model.ts';
import type { OpenJob } from './open-job.ts';
import { Outbox } from './outbox.ts';
import { type ReceivedJob, receivedJobs } from './received-job.ts';
import { failureOf } from './request-error.ts';
import type { Outcome, RuntimeModel, RuntimeRequest } from './runtime-model.ts';

/** A body may be this long; the server has its own, smaller limit. */
const MAX_PART_BYTES = Number.MAX_SAFE_INTEGER;

/** Serves on these channels, and ends the process when that is over. */
export function serve(channels: Channels): void {
  let serving: Serving | undefined;
  let isStopping = false;
  const data = channels.listen({
    maxPartBytes: MAX_PART_BYTES,
    onFrame: (header, parts) => {
      if (header.type === 'load') void begin(header as unknown as LoadMessage);
      else if (header.type === 'predict' && serving !== undefined) void serving.run(header, parts);
      else fail(`the server sent a message ${JSON.stringify(header.type)}, which was not expected`);
    },
    onClose: (error) => {
      if (error !== undefined) fail(error.message);
      process.exit(isStopping ? 0 : 1);
    },
  });
  channels.hear((message) => {
    if (message.type === 'cancel') serving?.outbox.cancel(message.jobs);
    else if (message.type === 'credit') serving?.outbox.grant(message.job, message.bytes);
    else {
      isStopping = true;
      void stop();
    }
  });

  async function begin(load: LoadMessage): Promise<void> {
    if (load.protocol !== PROTOCOL_VERSION)
      fail(`the server speaks protocol ${load.protocol}, this worker ${PROTOCOL_VERSION}`);
    let loaded: LoadedModel;
    try {
      loaded = await loadModel(load, {
        onnxThreads: load.threads,
        reportMetric: (metric) => data.send({ type: 'metric', ...metric }),
      });
    } catch (error) {
      await refuse(error);
      return;
    }
    for (const remark of loaded.remarks) process.stdout.write(`${remark}\n`);
    serving = new Serving(data, loaded.model, load);
    const { signature } = loaded.model;
    data.send({ type: 'ready', capacity: load.batchSize, runtime: loaded.runtime, ...(signature && { signature }) });
  }

  async function refuse(error: unknown): Promise<void> {
    const { code, message, trace } =
      error instanceof LoadError ? error : new LoadError('HANDLER_INITIALIZE_FAILED', String(error));
    process.stderr.write(`The model could not be loaded: ${message}\n${trace === '' ? '' : `${trace}\n`}`);
    data.send({ type: 'error', code, message, trace });
    isStopping = true;
    await channels.flush();
    process.exit(1);
  }

  /** Finishes what was received. `stop` may overtake a batch on the other channel: two quiet turns of the event loop say that there is none. */
  async function stop(): Promise<void> {
    for (let quietTurns = 0; quietTurns < 2; ) {
      await serving?.idle();
      await new Promise((resolve) => setImmediate(resolve));
      quietTurns = (serving?.outbox.openJobs ?? 0) === 0 ? quietTurns + 1 : 0;
    }
    await channels.flush();
    process.exit(0);
  }
}

/** A loaded model and the requests under way in it. */
class Serving {
  readonly outbox: Outbox;
  readonly #model: RuntimeModel;
  readonly #running = new Set<Promise<void>>();

  constructor(data: Connection, model: RuntimeModel, load: LoadMessage) {
    this.outbox = new Outbox(data, load);
    this.#model = model;
  }

  /** Answers a batch; never rejects. */
  run(header: FrameHeader, parts: readonly Part[]): Promise<void> {
    const running = this.#answer(receivedJobs(header, parts));
    this.#running.add(running);
    return running.finally(() => this.#running.delete(running));
  }

  /** Resolves when no batch is under way. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #answer(received: readonly ReceivedJob[]): Promise<void> {
    const jobs = this.outbox.begin(received.map(({ id }) => id));
    const early: [OpenJob, Outcome][] = [];
    // Those that end in one turn of the event loop leave together; when it is all of them, the end of the batch takes them along.
    const settle = (job: OpenJob, outcome: Outcome) => {
      if (early.length === 0) setImmediate(() => this.outbox.finish(early.splice(0)));
      early.push([job, outcome]);
    };
    let outcomes: readonly Outcome[];
    try {
      const requests = await Promise.all(
        received.map(async ({ requestId, kind, headers, inputs }, index): Promise<RuntimeRequest> => {
          const job = jobs[index];
          if (job === undefined) throw new RangeError('a batch has fewer jobs than requests');
          const { signal } = job;
          const stream: RuntimeRequest['stream'] = (part) => this.outbox.stream(job, part);
          const ends: RuntimeRequest['settle'] = (outcome) => settle(job, outcome);
          return { requestId, kind, headers, inputs: await inputs(), signal, stream, settle: ends };
        }),
      );
      outcomes = await this.#model.predict(requests);
    } catch (error) {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      const failure = failureOf(error);
      outcomes = jobs.map(() => ({ failure }));
    }
    this.outbox.finish(jobs.map((job, index) => [job, outcomes[index] ?? NO_OUTCOME]));
  }
}

const NO_OUTCOME: Outcome = {
  failure: { code: 'PREDICTION_FAILED', message: 'The model gave fewer answers than the batch has requests.' },
};

/** The server broke the protocol: nothing that it says can be trusted any more. */
function fail(why: string): never {
  process.stderr.write(`The data channel failed: ${why}\n`);
  process.exit(1);
}
