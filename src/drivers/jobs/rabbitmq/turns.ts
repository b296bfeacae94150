import { performance } from 'node:perf_hooks';

/** Cost a few milliseconds, as much as others may be kept waiting. */
const PER_TURN = 6;
/** However busy the process is otherwise, its commands go on. */
const LONGEST_PAUSE_MS = 20;

/**
 * Lets callers go on one after the other, a few per turn of the event loop, with pauses as long as it was busy. What has
 * waited for the broker comes all at once when that is back: done in one go, everybody in a room would feel it.
 */
export class Turns {
  /** In the order of the callers. */
  readonly #waiting = new Set<() => void>();
  #isDue = false;
  #last = performance.eventLoopUtilization();

  /** Resolves with true when it is the caller's turn, with false when that is not so in time. */
  next(withinMs = Number.POSITIVE_INFINITY): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (isTurn: boolean) => () => {
        clearTimeout(timer);
        this.#waiting.delete(goOn);
        resolve(isTurn);
      };
      const goOn = end(true);
      const timer = Number.isFinite(withinMs) ? setTimeout(end(false), Math.max(0, withinMs)) : undefined;
      this.#waiting.add(goOn);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isDue || this.#waiting.size === 0) return;
    this.#isDue = true;
    const { active, idle } = performance.eventLoopUtilization(this.#last);
    const pauseMs = Math.min(active - idle, LONGEST_PAUSE_MS);
    if (pauseMs >= 1) setTimeout(() => this.#goOn(), pauseMs);
    else setImmediate(() => this.#goOn());
  }

  #goOn(): void {
    this.#isDue = false;
    this.#last = performance.eventLoopUtilization();
    let left = PER_TURN;
    for (const goOn of this.#waiting) {
      if (left === 0) break;
      left -= 1;
      goOn();
    }
    setImmediate(() => this.#schedule());
  }
}
