// The thread that fetches archives, many at a time: what arrives is read, hashed and written here, beside the thread that serves.
// threaded-runner.ts is the other end, which answers what a job asks.
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { type DownloadJob, type DownloadPorts, runDownload } from './download-job.ts';
import type { FromThread, Question, Reply, ToThread } from './download-messages.ts';
import { errorOf, errorParts } from './thread-error.ts';

/** Of a core that others want, too, the thread gets about a quarter. */
const NICENESS = 5;
const COUNT_EVERY_MS = 100;

interface RunningJob {
  readonly abort: AbortController;
  readonly asked: Map<number, (reply: Reply) => void>;
}

type AskedQuestion = { judge: string } | { resolve: string };

const jobs = new Map<number, RunningJob>();
let questions = 0;

// On Linux this is about the calling thread alone, elsewhere about the whole process.
if (process.platform === 'linux') setPriority(0, NICENESS);

parentPort?.on('message', (message: ToThread) => {
  if ('job' in message) void work(message.id, message.job);
  else if ('reply' in message) jobs.get(message.id)?.asked.get(message.reply.number)?.(message.reply);
  else jobs.get(message.id)?.abort.abort(new Error('stopped'));
});

async function work(id: number, job: DownloadJob): Promise<void> {
  const running: RunningJob = { abort: new AbortController(), asked: new Map() };
  jobs.set(id, running);
  try {
    tell({ id, result: await runDownload(job, portsOf(id, running)) });
  } catch (thrown) {
    tell({ id, error: errorParts(thrown) });
  } finally {
    jobs.delete(id);
  }
}

function portsOf(id: number, { abort, asked }: RunningJob): DownloadPorts {
  const { signal } = abort;
  const ask = (asks: AskedQuestion): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const question: Question = { ...asks, number: questions++ };
      const settle = (how: () => void) => {
        asked.delete(question.number);
        signal.removeEventListener('abort', giveUp);
        how();
      };
      const giveUp = () => settle(() => reject(signal.reason));
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener('abort', giveUp);
      asked.set(question.number, (reply) =>
        settle(() => ('error' in reply ? reject(errorOf(reply.error)) : resolve(reply))),
      );
      tell({ id, question });
    });
  let toldAt = Number.NEGATIVE_INFINITY;
  return {
    signal,
    judge: async (url) => {
      const reply = await ask({ judge: url.href });
      return 'verdict' in reply ? reply.verdict : 'refused';
    },
    resolve: async (hostname) => {
      const reply = await ask({ resolve: hostname });
      return 'addresses' in reply ? reply.addresses : [];
    },
    count: (doneBytes, totalBytes) => {
      const now = performance.now();
      if (now - toldAt < COUNT_EVERY_MS && doneBytes !== totalBytes) return;
      toldAt = now;
      tell({ id, doneBytes, totalBytes });
    },
  };
}

function tell(message: FromThread): void {
  parentPort?.postMessage(message);
}
