// A request that every worker of a version computes before it takes part: what `warmup` in model-config.yaml says, resolved.

export interface WarmupRequest {
  /** The value of the input `body`: a file of the archive (its path below the model's folder), or text that stands in the configuration. */
  readonly body: { readonly file: string } | { readonly text: string };
  /** Media type without parameters. */
  readonly contentType: string;
  /** How often it is computed by itself; at least 1. */
  readonly count: number;
}
