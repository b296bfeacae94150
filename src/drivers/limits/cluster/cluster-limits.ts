import type { Limits, Rate, Taken } from '../../../chat/ports/limits.ts';
import type { Link } from '../../../platform/link.ts';

/** Limits of a worker: counted in the primary, so that they hold for all workers together. */
export class ClusterLimits implements Limits {
  readonly #link: Link;

  constructor(link: Link) {
    this.#link = link;
  }

  take(key: string, rate: Rate): Promise<Taken> {
    if (rate === null) return Promise.resolve({ ok: true });
    return this.#link.call('limits.take', [key, rate]);
  }

  refund(key: string, rate: Rate): void {
    if (rate !== null) this.#link.tell('limits.refund', key);
  }
}
