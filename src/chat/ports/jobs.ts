import type { Command } from '../model.ts';

/**
 * Commands on their way to bots: at least once, to one of the competing consumers. A delivery that is not settled when
 * its consumer dies, or that rejects, is made again, 5 times at most.
 */
export interface Jobs {
  /** Resolves when the queue has taken it. The same id twice is one job. */
  publish(command: Command): Promise<void>;
  /** At most `prefetch` at a time are under way here. */
  consume(prefetch: number, run: (command: Command) => Promise<void>): Promise<void>;
}
