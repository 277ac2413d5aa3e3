// What the Node worker serves, whoever wrote it: an ONNX network or an author's handler. The loop in serve.ts knows only this.
import type { HeaderPair, JobKind, OutputEncoding } from '../core/job.ts';
import type { ModelSignature } from '../core/model-signature.ts';

/** One named value of a request: one contiguous copy of the bytes that arrived. */
export interface RequestInput {
  readonly name: string;
  /** Media type without parameters, "" when unknown. */
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

/** One request of a batch. */
export interface RuntimeRequest {
  readonly requestId: string;
  readonly kind: JobKind;
  /** Nobody has sent it: a failure is to say all that is known of why. */
  readonly isWarmUp: boolean;
  /** As the client sent them, in order and letter case; the server's own (`url_path`, `explain`, …) last. */
  readonly headers: readonly HeaderPair[];
  /** In the order of the request; of a name that comes twice the last counts. */
  readonly inputs: readonly RequestInput[];
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Sends a part of the answer that is not its last; resolves when more may be sent. Rejects once `signal` has aborted. */
  stream(part: ResultPart): Promise<void>;
  /** Ends this request before its batch mates; what `predict` returns for it must be the same. */
  settle(outcome: Outcome): void;
}

/** Bytes of an answer; status and headers count in its first part. */
export interface ResultPart {
  readonly bytes: Uint8Array;
  readonly encoding: OutputEncoding;
  readonly status?: number;
  readonly reason?: string;
  readonly headers?: readonly HeaderPair[];
}

/** A request refused or failed by itself; its batch mates are not concerned. */
export interface RequestFailure {
  /** HANDLER_ERROR carries `status`, for instance 400 for an input that does not fit; PREDICTION_FAILED carries none. */
  readonly code:
    | 'HANDLER_ERROR'
    | 'PREDICTION_FAILED'
    | 'OUT_OF_RESOURCES'
    | 'OUTPUT_NOT_SERIALISABLE'
    | 'OUTPUT_HEADER_INVALID'
    | 'RESPONSE_TOO_LARGE';
  readonly message: string;
  readonly status?: number;
  /** Where it happened, for whoever packed the model. */
  readonly trace?: string;
}

export type Outcome = { readonly part: ResultPart } | { readonly failure: RequestFailure };

/** A loaded model. */
export interface RuntimeModel {
  /** Inputs and outputs, for describe and for clients; undefined when the model does not say. */
  readonly signature: ModelSignature | undefined;
  /**
   * One outcome for each request, in their order: the last part of its answer, or its failure. A rejection fails the whole batch as
   * PREDICTION_FAILED.
   */
  predict(batch: readonly RuntimeRequest[]): Promise<readonly Outcome[]>;
}
