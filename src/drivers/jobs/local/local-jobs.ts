import type { Command } from '../../../chat/model.ts';
import type { Jobs } from '../../../chat/ports/jobs.ts';
import type { Link } from '../../../platform/link.ts';

/** The queue of a worker's bots and senders: kept in the primary, which hands commands out. */
export class LocalJobs implements Jobs {
  readonly #link: Link;

  constructor(link: Link) {
    this.#link = link;
  }

  publish(command: Command): Promise<void> {
    return this.#link.call('jobs.publish', command);
  }

  consume(prefetch: number, run: (command: Command) => Promise<void>): Promise<void> {
    this.#link.handle('jobs.run', run);
    return this.#link.call('jobs.consume', prefetch);
  }
}
