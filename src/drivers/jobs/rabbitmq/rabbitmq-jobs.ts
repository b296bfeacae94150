import { type BotReply, type Jobs, LATE_MS, type NewBotCommand, type Take } from '../../../chat/ports/jobs.ts';
import type { Reach } from '../../../platform/reach.ts';
import { formCommand, parseReply } from './queue-payloads.ts';
import { type BrokerOptions, RabbitmqBroker } from './rabbitmq-broker.ts';

/** The chat's end of the queues at RabbitMQ. */
export class RabbitmqJobs implements Jobs {
  readonly #options: BrokerOptions;
  readonly #broker: RabbitmqBroker;

  constructor(options: BrokerOptions) {
    this.#options = options;
    this.#broker = new RabbitmqBroker(options);
  }

  get reach(): Reach {
    return this.#broker.reach;
  }

  publish(command: NewBotCommand): Promise<void> {
    const { queue, botQueue } = this.#options;
    const now = Date.now();
    return this.#broker.publish({
      queue: botQueue,
      id: command.id,
      body: Buffer.from(JSON.stringify(formCommand(command))),
      properties: {
        correlationId: command.id,
        replyTo: queue,
        expiration: String(Math.max(0, command.deadline + LATE_MS - now)),
        timestamp: Math.floor(now / 1000),
      },
    });
  }

  replies(prefetch: number, take: Take<BotReply>): Promise<void> {
    return this.#broker.consume({
      queue: this.#options.queue,
      prefetch,
      take: async ({ body, messageId }) => take(parseReply(body, messageId)),
    });
  }

  /** Finishes what is under way, within `graceMs`. */
  close(graceMs?: number): Promise<void> {
    return this.#broker.close(graceMs);
  }
}
