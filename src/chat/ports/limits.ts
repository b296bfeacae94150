/** How often: at most `count` in any `windowMs`; null is unlimited. */
export type Rate = { readonly count: number; readonly windowMs: number } | null;

export type Taken = { readonly ok: true } | { readonly ok: false; readonly retryAfterMs: number };

/** Sliding windows that all nodes share. */
export interface Limits {
  take(key: string, rate: Rate): Promise<Taken>;
  /** Gives the newest back: what it was taken for did not count after all. */
  refund(key: string, rate: Rate): void;
}
