import { randomUUID } from 'node:crypto';
import type { BotCommand, BotJobs, BotReply, Take } from '../../../chat/ports/jobs.ts';
import type { Reach } from '../../../platform/reach.ts';
import { parseCommand } from './queue-payloads.ts';
import { type BrokerOptions, RabbitmqBroker } from './rabbitmq-broker.ts';

/** The bots' end of the queues at RabbitMQ. */
export class RabbitmqBotJobs implements BotJobs {
  readonly #options: BrokerOptions;
  readonly #broker: RabbitmqBroker;

  constructor(options: BrokerOptions) {
    this.#options = options;
    this.#broker = new RabbitmqBroker(options);
  }

  get reach(): Reach {
    return this.#broker.reach;
  }

  consume(prefetch: number, run: Take<BotCommand>): Promise<void> {
    const take = async ({ body }: { body: Buffer }): Promise<void> => {
      const command = parseCommand(body);
      if (command) await run(command);
    };
    return this.#broker.consume({ queue: this.#options.botQueue, prefetch, take });
  }

  reply(reply: BotReply): Promise<void> {
    const { id = randomUUID(), inReplyTo } = reply;
    return this.#broker.publish({
      queue: this.#options.queue,
      id,
      body: Buffer.from(JSON.stringify(reply)),
      properties: {
        ...(inReplyTo === undefined ? {} : { correlationId: inReplyTo }),
        timestamp: Math.floor(Date.now() / 1000),
      },
    });
  }

  /** Finishes what is under way, within `graceMs`. */
  close(graceMs?: number): Promise<void> {
    return this.#broker.close(graceMs);
  }
}
