// The two dialects of the API: what each answers, how it reads parameters, which defaults it has. Two records of one type, chosen
// once at start; nobody else asks which dialect is in force.
import { STATUS_CODES } from 'node:http';
import type { UnlistedUrls } from '../core/allowed-urls.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { OutputEncoding } from '../core/job.ts';
import type { PendingDescription, VersionDescription } from '../core/version-description.ts';
import { describeDocumented, describePending, describeTorchserve } from './describe-documents.ts';
import { DOCUMENTED_ERRORS, type HttpError, TORCHSERVE_ERRORS } from './http-error-tables.ts';

export type DialectName = 'documented' | 'torchserve';

export interface HttpAnswer {
  readonly status: number;
  /** What the document's `status` says. */
  readonly text: string;
}

/** A model name and version, and how many workers were asked for. */
export interface ScaledModel {
  readonly name: string;
  readonly version: string;
  readonly minWorkers: number;
  /** Whether the caller named the version. */
  readonly isVersionNamed: boolean;
}

/** One way of wording and coding the API. */
export interface Dialect {
  readonly name: DialectName;
  /** Settings whose default depends on the dialect. */
  readonly defaults: {
    readonly enableModelApi: boolean;
    readonly maxRequestBytes: number;
    readonly maxResponseBytes: number;
    /** `synchronous` of a registration that does not say. */
    readonly isRegistrationSynchronous: boolean;
    /** Where archives may come from while `allowed_urls` is not set. */
    readonly unlistedUrls: UnlistedUrls;
  };
  /** Whether a URL that a registration uses already may be registered again: its file is then shared, or its name is taken. */
  readonly isDownloadShared: boolean;
  /** Whose word counts for a model's settings: the registration's, or the archive's as in TorchServe. */
  readonly precedence: 'request-first' | 'archive-first';
  /** How `runtime` is read: any case, or TorchServe's exact words. */
  readonly isRuntimeCaseSensitive: boolean;
  readonly parameters: {
    /** Refuse what cannot be read and what is not known, or take the default as TorchServe does. */
    readonly policy: 'strict' | 'lenient';
    /** Whether query parameters count beside a JSON body. */
    readonly isQueryReadWithBody: boolean;
    readonly maxPageSize: number;
  };
  /** After a synchronous scale whose workers failed: the former numbers, or the new ones. */
  readonly onScaleFailure: 'restore' | 'keep';
  /** Which versions `/ping` asks, and when a failing worker begins to count. */
  readonly health: 'every-version' | 'default-versions-after-retry-window';
  readonly answers: {
    readonly registered: (model: ScaledModel) => HttpAnswer;
    readonly registeredWithWorkers: (model: ScaledModel) => HttpAnswer;
    readonly scaling: () => HttpAnswer;
    readonly scaled: (model: ScaledModel) => HttpAnswer;
    readonly describe: (description: VersionDescription) => object;
    /** Of a registration that has no version yet; undefined where there is no such model until it has. */
    readonly describePending: ((description: PendingDescription) => object) | undefined;
  };
  readonly errors: Readonly<Record<ErrorCode, HttpError>>;
  readonly http: {
    /** Reason phrase of an answer that a handler gave without one; undefined for the standard phrase. */
    readonly predictionReason: string | undefined;
    /** The reason phrase of every other answer. */
    readonly reasonOf: (status: number) => string;
    /** Content type of a prediction whose handler set none. */
    readonly defaultContentType: Readonly<Record<OutputEncoding, string | undefined>>;
    /** Headers behind `x-request-id` on every answer, name and value in turn. */
    readonly extraHeaders: readonly string[];
    /** Whether an error ends the connection although the request was read whole. */
    readonly isClosedOnError: boolean;
    /** Whether a 405 says in a header which methods there are. */
    readonly isAllowSent: boolean;
    /** Whether a body that is too large is answered with an empty document. */
    readonly isTooLargeBare: boolean;
    readonly isClientRequestIdKept: boolean;
  };
}

const documented: Dialect = {
  name: 'documented',
  defaults: {
    enableModelApi: true,
    maxRequestBytes: 104_857_600,
    maxResponseBytes: 104_857_600,
    isRegistrationSynchronous: false,
    unlistedUrls: 'public-http',
  },
  isDownloadShared: true,
  precedence: 'request-first',
  isRuntimeCaseSensitive: false,
  parameters: { policy: 'strict', isQueryReadWithBody: true, maxPageSize: 1000 },
  onScaleFailure: 'restore',
  health: 'every-version',
  answers: {
    registered: ({ name }) => ({ status: 200, text: `Model "${name}" registered` }),
    registeredWithWorkers: () => ({ status: 200, text: 'Worker scaled' }),
    scaling: () => ({ status: 202, text: 'Worker updated' }),
    scaled: () => ({ status: 200, text: 'Worker scaled' }),
    describe: describeDocumented,
    describePending,
  },
  errors: DOCUMENTED_ERRORS,
  http: {
    predictionReason: undefined,
    reasonOf: (status) => STATUS_CODES[status] ?? '',
    defaultContentType: {
      json: 'application/json',
      text: 'text/plain; charset=utf-8',
      binary: 'application/octet-stream',
    },
    extraHeaders: [],
    isClosedOnError: false,
    isAllowSent: true,
    isTooLargeBare: false,
    isClientRequestIdKept: true,
  },
};

const torchserve: Dialect = {
  name: 'torchserve',
  defaults: {
    enableModelApi: false,
    maxRequestBytes: 6_553_500,
    maxResponseBytes: 6_553_500,
    isRegistrationSynchronous: true,
    unlistedUrls: 'all',
  },
  isDownloadShared: false,
  precedence: 'archive-first',
  isRuntimeCaseSensitive: true,
  parameters: { policy: 'lenient', isQueryReadWithBody: false, maxPageSize: 100 },
  onScaleFailure: 'keep',
  health: 'default-versions-after-retry-window',
  answers: {
    registered: ({ name, version }) => ({
      status: 200,
      text: `Model "${name}" Version: ${version} registered with 0 initial workers. Use scale workers API to add workers for the model.`,
    }),
    registeredWithWorkers: ({ name, version, minWorkers }) => ({
      status: 200,
      text: `Model "${name}" Version: ${version} registered with ${minWorkers} initial workers`,
    }),
    scaling: () => ({ status: 202, text: 'Processing worker updates...' }),
    scaled: ({ name, version, minWorkers, isVersionNamed }) => ({
      status: 200,
      text: `Workers scaled to ${minWorkers} for model: ${name}${isVersionNamed ? `, version: ${version}` : ''}`,
    }),
    describe: describeTorchserve,
    describePending: undefined,
  },
  errors: TORCHSERVE_ERRORS,
  http: {
    predictionReason: '',
    reasonOf: nettyReason,
    defaultContentType: { json: undefined, text: undefined, binary: undefined },
    extraHeaders: [
      'Pragma',
      'no-cache',
      'Cache-Control',
      'no-cache; no-store, must-revalidate, private',
      'Expires',
      'Thu, 01 Jan 1970 00:00:00 UTC',
    ],
    isClosedOnError: true,
    isAllowSent: false,
    isTooLargeBare: true,
    isClientRequestIdKept: false,
  },
};

/** The dialects by the name that `api_dialect` gives them. */
export const DIALECTS: Readonly<Record<DialectName, Dialect>> = { documented, torchserve };

/** Reason phrases as TorchServe's HTTP library prints them: it names the class of a status that it does not know. */
function nettyReason(status: number): string {
  if (status === 413) return 'Request Entity Too Large';
  const known = status === 418 ? undefined : STATUS_CODES[status];
  const classes = ['Informational', 'Success', 'Redirection', 'Client Error', 'Server Error'];
  return known ?? `${classes[Math.floor(status / 100) - 1] ?? 'Unknown Status'} (${status})`;
}
