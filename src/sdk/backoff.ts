export interface Backoff {
  /** The first wait, in milliseconds. */
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * The wait before attempt `attempt` (0 is the first repetition): doubling, bounded by `maxMs`, and anywhere from half to
 * one and a half times of that, so that many clients that lost the same server do not come back in the same instant.
 * Where `maxMs` cuts the range it is chosen from the rest: those beyond it would all come at once.
 */
export function backoffMs(attempt: number, { minMs, maxMs }: Backoff, random: () => number = Math.random): number {
  const ms = Math.min(maxMs, minMs * 2 ** Math.min(attempt, 30));
  const [least, most] = [ms / 2, Math.min(maxMs, ms * 1.5)];
  return Math.round(least + random() * (most - least));
}

/** Not before what the server asked for, and spread over half of that again. */
export const afterMs = (askedMs: number, random: () => number = Math.random): number =>
  Math.ceil(askedMs * (1 + random() / 2));

/** The wait of a client that lost its connection: its own, but not before what it was asked for, in milliseconds from now. */
export const reconnectMs = (
  attempt: number,
  backoff: Backoff,
  askedMs: number,
  random: () => number = Math.random,
): number => Math.max(backoffMs(attempt, backoff, random), askedMs);
