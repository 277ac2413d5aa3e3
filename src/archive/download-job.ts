// The long part of a download, fit for a thread of its own: from a URL to a finished file under a hidden name. What may be fetched, and where
// names lead, it asks through its ports.
import type { UrlVerdict } from '../core/allowed-urls.ts';
import type { Resolver } from './checked-host.ts';
import { PartFile } from './part-file.ts';
import type { Environment } from './proxy-settings.ts';
import type { TransferLimits } from './transfer-limits.ts';

/** What is to be fetched, in values that a message can carry. */
export interface DownloadJob {
  /** An http, https or file URL. */
  readonly url: string;
  /** The file to make. */
  readonly path: string;
  readonly maxBytes: number;
  readonly isSigned: boolean;
  /** Proxies and AWS keys are looked up here. */
  readonly env: Environment;
  /** How long a server may be silent. */
  readonly silenceMs: number;
  readonly limits: TransferLimits;
}

export interface DownloadPorts {
  readonly judge: (url: URL) => Promise<UrlVerdict>;
  readonly resolve: Resolver;
  /** Its reason is what the job fails with. */
  readonly signal: AbortSignal;
  count(doneBytes: number, totalBytes: number | undefined): void;
}

/** The digest and the size of the finished file. */
export interface Downloaded {
  readonly sha256: string;
  readonly bytes: number;
}

/** Runs jobs, here or elsewhere. */
export interface DownloadRunner {
  /** Throws what the job throws; once the signal is aborted, its reason, when the job has ended. Removing the file is the caller's task. */
  run(job: DownloadJob, ports: DownloadPorts): Promise<Downloaded>;
  close(): Promise<void>;
}

/** Does a job. Throws URL_NOT_ALLOWED, DOWNLOAD_FAILED, the signal's reason, and what the disk throws. */
export async function runDownload(job: DownloadJob, ports: DownloadPorts): Promise<Downloaded> {
  const { path, maxBytes, isSigned, env, silenceMs, limits } = job;
  const { judge, resolve, signal } = ports;
  const url = new URL(job.url);
  const count = ports.count.bind(ports);
  const part = await PartFile.create(path, maxBytes);
  try {
    if (url.protocol === 'file:') {
      const { copyFile } = await import('./file-source.ts');
      await copyFile({ url, judge, part, signal, count });
    } else {
      const [{ HttpSource }, { transfer }] = await Promise.all([
        import('./http-source.ts'),
        import('./http-transfer.ts'),
      ]);
      const source = new HttpSource({ judge, resolve, env, silenceMs });
      await transfer({ source, url, isSigned, part, limits, signal, count });
    }
    return { sha256: await part.finish(), bytes: part.bytes };
  } finally {
    await part.close();
  }
}
