import { tryAgain } from '../../../chat/errors.ts';
import type { BotCommand, BotJobs, BotReply, Jobs, NewBotCommand, Take } from '../../../chat/ports/jobs.ts';
import type { Link } from '../../../platform/link.ts';

/**
 * The queue of a worker's bots and senders: kept in the primary, which hands commands out. The bots run within the
 * server, so a reply needs no queue: it is taken at once, and its command is settled by that.
 */
export class LocalJobs implements Jobs, BotJobs {
  readonly #link: Link;
  #take: Take<BotReply> | undefined;

  constructor(link: Link) {
    this.#link = link;
  }

  publish(command: NewBotCommand): Promise<void> {
    return this.#link.call('jobs.publish', command);
  }

  async replies(_prefetch: number, take: Take<BotReply>): Promise<void> {
    this.#take = take;
  }

  consume(prefetch: number, run: Take<BotCommand>): Promise<void> {
    this.#link.handle('jobs.run', run);
    return this.#link.call('jobs.consume', prefetch);
  }

  async reply(reply: BotReply): Promise<void> {
    if (!this.#take) throw tryAgain('the chat');
    await this.#take(reply);
  }
}
