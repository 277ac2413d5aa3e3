// What the server and the thread that fetches archives say to each other.
import type { UrlVerdict } from '../core/allowed-urls.ts';
import type { HostAddress } from './checked-host.ts';
import type { Downloaded, DownloadJob } from './download-job.ts';
import type { ErrorParts } from './thread-error.ts';

/** What a job has to ask, and the number by which it knows the answer. */
export type Question =
  | { readonly number: number; readonly judge: string }
  | { readonly number: number; readonly resolve: string };

export type Reply =
  | { readonly number: number; readonly verdict: UrlVerdict }
  | { readonly number: number; readonly addresses: readonly HostAddress[] }
  | { readonly number: number; readonly error: ErrorParts };

/** To the thread; `id` is the job's. */
export type ToThread =
  | { readonly id: number; readonly job: DownloadJob }
  | { readonly id: number; readonly reply: Reply }
  | { readonly id: number; readonly stop: true };

/** From the thread. A job ends with its result or its error. */
export type FromThread =
  | { readonly id: number; readonly doneBytes: number; readonly totalBytes: number | undefined }
  | { readonly id: number; readonly question: Question }
  | { readonly id: number; readonly result: Downloaded }
  | { readonly id: number; readonly error: ErrorParts };
