import type { Clock } from '../../../chat/ports/clock.ts';
import type { Rate } from '../../../chat/ports/limits.ts';
import { SlidingWindow } from '../../../chat/sliding-window.ts';
import type { Link } from '../../../platform/link.ts';

/** The primary's part of the limits. */
export class ClusterLimitsTable {
  readonly #clock: Clock;
  readonly #window = new SlidingWindow();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  attach(link: Link): void {
    link.handle('limits.take', ([key, rate]: [string, Rate]) => this.#window.take(key, rate, this.#clock.now()));
    link.on('limits.refund', (key: string) => this.#window.refund(key));
  }
}
