import type { Rate, Taken } from './ports/limits.ts';

const SWEEP_MS = 30_000;

/**
 * "At most `count` in any `windowMs`", exactly: the times of the last `count` events of each key (a sliding log). Fixed
 * windows, as rate limit libraries count them, let twice as many through around a window's end.
 */
export class SlidingWindow {
  readonly #taken = new Map<string, { times: number[]; windowMs: number }>();
  #sweptAt = 0;

  /** `now` in milliseconds. */
  take(key: string, rate: Rate, now: number): Taken {
    if (rate === null) return { ok: true };
    if (now - this.#sweptAt > SWEEP_MS) this.sweep(now);
    let entry = this.#taken.get(key);
    if (!entry) {
      entry = { times: [], windowMs: rate.windowMs };
      this.#taken.set(key, entry);
    }
    const { times } = entry;
    entry.windowMs = rate.windowMs;
    while (times.length > 0 && (times[0] ?? now) <= now - rate.windowMs) times.shift();
    if (times.length >= rate.count) return { ok: false, retryAfterMs: (times[0] ?? now) + rate.windowMs - now };
    times.push(now);
    return { ok: true };
  }

  refund(key: string): void {
    this.#taken.get(key)?.times.pop();
  }

  /** Forgets keys whose windows are over; done by itself every now and then. */
  sweep(now: number): void {
    this.#sweptAt = now;
    for (const [key, { times, windowMs }] of this.#taken) {
      if ((times.at(-1) ?? 0) <= now - windowMs) this.#taken.delete(key);
    }
  }
}
