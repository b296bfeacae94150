export interface Backoff {
  /** The first wait, in milliseconds. */
  readonly minMs: number;
  readonly maxMs: number;
}

/** Half to one and a half times `ms`: many clients that lost the same server do not come back in the same instant. */
export const jittered = (ms: number, random: () => number = Math.random): number => Math.round(ms * (0.5 + random()));

/** The wait before attempt `attempt` (0 is the first repetition): doubling, bounded by `maxMs`, jittered. */
export const backoffMs = (attempt: number, { minMs, maxMs }: Backoff, random: () => number = Math.random): number =>
  Math.min(maxMs, jittered(Math.min(maxMs, minMs * 2 ** Math.min(attempt, 30)), random));

/** Not before what the server asked for, and spread over half of that again. */
export const afterMs = (askedMs: number, random: () => number = Math.random): number =>
  Math.ceil(askedMs * (1 + random() / 2));
