// The worker's loop: load once, then answer batches until the server says stop or goes away.
import type { FrameHeader, Part } from '../protocol/frame.ts';
import { type LoadMessage, PROTOCOL_VERSION, type PredictMessage } from '../protocol/messages.ts';
import type { Channels } from './channels.ts';
import { LoadError } from './load-error.ts';
import { type LoadedModel, loadModel } from './load-model.ts';
import { valuesOf } from './packed-batch.ts';
import { joined, receivedJobs } from './received-job.ts';
import { Serving } from './serving.ts';

/** A body may be this long; the server has its own, smaller limit. */
const MAX_PART_BYTES = Number.MAX_SAFE_INTEGER;

/** How many jobs may be given while a batch is computed; of a handler that takes its time, the server gives one batch. */
const JOBS_AHEAD = 8;

/** Serves on these channels, and ends the process when that is over. */
export function serve(channels: Channels): void {
  let serving: Serving | undefined;
  let isStopping = false;
  const data = channels.listen({
    maxPartBytes: MAX_PART_BYTES,
    onFrame: (header, parts) => {
      if (header.type === 'load') void begin(header as unknown as LoadMessage);
      else if (header.type === 'predict' && serving !== undefined)
        serving.take(jobsOf(header, parts), undefined, header['warmUp'] === true);
      else fail(`the server sent a message ${JSON.stringify(header.type)}, which was not expected`);
    },
    onClose: (error) => {
      if (error !== undefined) fail(error.message);
      process.exit(isStopping ? 0 : 1);
    },
  });
  channels.hear((message) => {
    switch (message.type) {
      case 'batch': {
        const { number, jobs } = message.batch;
        serving?.take(receivedJobs(jobs, valuesOf(message.batch)), () => channels.claim(number));
        break;
      }
      case 'cancel':
        serving?.outbox.cancel(message.jobs);
        break;
      case 'credit':
        serving?.outbox.grant(message.job, message.bytes);
        break;
      case 'stop':
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
    const { model, runtime, remarks } = loaded;
    for (const remark of remarks) process.stdout.write(`${remark}\n`);
    serving = new Serving(channels, data, model, load);
    const { signature } = model;
    const room = { capacity: load.batchSize, ahead: JOBS_AHEAD, givesBack: true };
    data.send({ type: 'ready', ...room, runtime, ...(signature && { signature }) });
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

function jobsOf(header: FrameHeader, parts: readonly Part[]) {
  // The server is of this worker's own release: its messages are what their type says.
  const { jobs } = header as unknown as PredictMessage;
  return receivedJobs(jobs, parts.map(joined));
}

/** The server broke the protocol: nothing that it says can be trusted any more. */
function fail(why: string): never {
  process.stderr.write(`The data channel failed: ${why}\n`);
  process.exit(1);
}
