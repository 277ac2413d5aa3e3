// The server's end of the thread that fetches archives: it starts with the first download, ends some time after the last one, and has its
// questions answered by whoever gave it the job.
import { Worker } from 'node:worker_threads';
import type { Downloaded, DownloadJob, DownloadPorts, DownloadRunner } from './download-job.ts';
import type { FromThread, Question, Reply, ToThread } from './download-messages.ts';
import { errorOf, errorParts } from './thread-error.ts';

/** One that has nothing to do stays for the next registration, which often follows at once. */
const IDLE_MS = 1_000;

interface Running {
  readonly ports: DownloadPorts;
  readonly resolve: (downloaded: Downloaded) => void;
  readonly reject: (error: unknown) => void;
}

export class ThreadedRunner implements DownloadRunner {
  readonly #running = new Map<number, Running>();
  #thread: Worker | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #nextId = 0;

  async run(job: DownloadJob, ports: DownloadPorts): Promise<Downloaded> {
    const { signal } = ports;
    signal.throwIfAborted();
    clearTimeout(this.#idleTimer);
    const thread = this.#thread ?? this.#started();
    const id = this.#nextId++;
    const stop = () => thread.postMessage({ id, stop: true } satisfies ToThread);
    thread.ref();
    signal.addEventListener('abort', stop);
    try {
      return await new Promise<Downloaded>((resolve, reject) => {
        this.#running.set(id, { ports, resolve, reject });
        thread.postMessage({ id, job } satisfies ToThread);
      });
    } catch (thrown) {
      signal.throwIfAborted();
      throw thrown;
    } finally {
      this.#running.delete(id);
      signal.removeEventListener('abort', stop);
      if (this.#running.size === 0) this.#endLater(thread);
    }
  }

  /** To be called when no job is running. */
  async close(): Promise<void> {
    clearTimeout(this.#idleTimer);
    const thread = this.#thread;
    // From here on a job would get a new one.
    this.#thread = undefined;
    await thread?.terminate();
  }

  #started(): Worker {
    const thread = new Worker(new URL('./download-thread.js', import.meta.url), {
      name: 'sconce-download',
      // Small, so that what has been written is given back soon.
      resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 128 },
    });
    const forget = (cause: unknown) => {
      if (this.#thread !== thread) return;
      this.#thread = undefined;
      for (const { reject } of this.#running.values()) {
        reject(new Error('the thread that fetches archives has ended', { cause }));
      }
    };
    thread
      .on('message', (message: FromThread) => this.#hear(message))
      .on('error', forget)
      .on('exit', forget);
    this.#thread = thread;
    return thread;
  }

  #hear(message: FromThread): void {
    const running = this.#running.get(message.id);
    if (running === undefined) return;
    if ('doneBytes' in message) running.ports.count(message.doneBytes, message.totalBytes);
    else if ('question' in message) void this.#answer(message.id, message.question, running.ports);
    else if ('result' in message) running.resolve(message.result);
    else running.reject(errorOf(message.error));
  }

  async #answer(id: number, question: Question, ports: DownloadPorts): Promise<void> {
    const reply = await replyTo(question, ports);
    this.#thread?.postMessage({ id, reply } satisfies ToThread);
  }

  /** An idle thread keeps no process alive. */
  #endLater(thread: Worker): void {
    thread.unref();
    this.#idleTimer = setTimeout(() => void this.close(), IDLE_MS);
    this.#idleTimer.unref();
  }
}

async function replyTo(question: Question, ports: DownloadPorts): Promise<Reply> {
  const { number } = question;
  try {
    if ('judge' in question) return { number, verdict: await ports.judge(new URL(question.judge)) };
    return { number, addresses: await ports.resolve(question.resolve) };
  } catch (thrown) {
    return { number, error: errorParts(thrown) };
  }
}
