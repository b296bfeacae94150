import type { Clock } from '../../../chat/ports/clock.ts';
import type { Rate } from '../../../chat/ports/limits.ts';
import { SlidingWindow } from '../../../chat/sliding-window.ts';
import type { Link } from '../../../platform/link.ts';

const SWEEP_MS = 30_000;

/** The primary's part of the limits. */
export class ClusterLimitsTable {
  readonly #clock: Clock;
  readonly #window = new SlidingWindow();
  #sweptAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sweptAt = clock.now();
  }

  attach(link: Link): void {
    link.handle('limits.take', ([key, rate]: [string, Rate]) => {
      const now = this.#clock.now();
      if (now - this.#sweptAt > SWEEP_MS) {
        this.#window.sweep(now);
        this.#sweptAt = now;
      }
      return this.#window.take(key, rate, now);
    });
    link.on('limits.refund', (key: string) => this.#window.refund(key));
  }
}
