import type { Clock } from '../../src/chat/ports/clock.ts';

interface Timer {
  readonly at: number;
  readonly then: () => void;
}

/** Turns of the event loop that whatever was started gets to come to rest: a few commits of the store one after another. */
const SETTLE_TURNS = 12;

/** Lets everything go on that waits for no clock. */
export async function settle(turns = SETTLE_TURNS): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Time that stands still until a test turns it. */
export class FakeClock implements Clock {
  readonly #timers = new Set<Timer>();
  #now: number;

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  after(delayMs: number, then: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, delayMs), then };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** How many things wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Resolves when that much time has passed. */
  readonly sleep = (ms: number): Promise<void> => new Promise((resolve) => this.after(ms, resolve));

  /** Runs what is due within `ms`, in order of time, and lets what each starts come to rest before the next. */
  async advance(ms: number, turns = SETTLE_TURNS): Promise<void> {
    const until = this.#now + ms;
    await settle(turns);
    for (let next = this.#next(until); next; next = this.#next(until)) {
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.then();
      await settle(turns);
    }
    this.#now = until;
  }

  /** Of those that are due at the same time, the one that was set first. */
  #next(until: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) if (timer.at <= until && (!first || timer.at < first.at)) first = timer;
    return first;
  }
}
