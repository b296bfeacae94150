/** How long a window is: the more was written last, the longer, between two bounds. Milliseconds. */
export interface WindowLength {
  readonly perWriteMs: number;
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * Says when what waits may be written: at the end of this turn when it was quiet, else when the window that the last
 * writes opened is over. What comes meanwhile goes out together.
 */
export class WriteWindow {
  readonly #length: WindowLength;
  readonly #flush: () => void;
  #writtenAt = 0;
  #waitMs = 0;
  #cancel: (() => void) | undefined;

  constructor(length: WindowLength, flush: () => void) {
    this.#length = length;
    this.#flush = flush;
  }

  /** Something waits. */
  schedule(): void {
    if (this.#cancel !== undefined) return;
    const waitMs = this.#writtenAt + this.#waitMs - performance.now();
    const flush = (): void => {
      this.#cancel = undefined;
      this.#flush();
    };
    if (waitMs <= 0) {
      const immediate = setImmediate(flush);
      this.#cancel = () => clearImmediate(immediate);
    } else {
      const timer = setTimeout(flush, waitMs);
      this.#cancel = () => clearTimeout(timer);
    }
  }

  /** Nothing waits any more. */
  cancel(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** So many connections were written to just now. */
  written(writes: number): void {
    const { perWriteMs, minMs, maxMs } = this.#length;
    this.#waitMs = Math.min(maxMs, Math.max(minMs, writes * perWriteMs));
    this.#writtenAt = performance.now();
  }

  isOver(now: number): boolean {
    return this.#writtenAt + this.#waitMs <= now;
  }
}
