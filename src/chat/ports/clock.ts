/** Time as the chat sees it, so that tests can turn it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs `then` once after `delayMs`; the returned function calls it off. Never keeps the process alive. */
  after(delayMs: number, then: () => void): () => void;
}

export const iso = (ms: number): string => new Date(ms).toISOString();
