import { randomUUID } from 'node:crypto';
import { type ChannelModel, type ConfirmChannel, connect, type GetMessage, type Options } from 'amqplib';
import { deadQueueOf } from '../../src/wire/queue.ts';
import { eventually } from './eventually.ts';

/** Two queues of names of their own, seen from outside: as a bot of another make, or an operator. */
export class Queues {
  readonly url: string;
  /** Bots to chat. */
  readonly queue: string;
  /** Chat to bots. */
  readonly botQueue: string;
  #model: ChannelModel;
  #channel: ConfirmChannel;

  private constructor(url: string, name: string, [model, channel]: readonly [ChannelModel, ConfirmChannel]) {
    this.url = url;
    this.queue = `${name}-chat`;
    this.botQueue = `${name}-bot`;
    this.#model = model;
    this.#channel = channel;
  }

  static async open(url: string, name = `test-${randomUUID()}`): Promise<Queues> {
    return new Queues(url, name, await dial(url));
  }

  /** After the broker was away, or said no. */
  async reopen(): Promise<void> {
    await this.#model.close().catch(() => {});
    [this.#model, this.#channel] = await eventually('the broker can be reached', () => dial(this.url), 30_000);
  }

  declare(queue: string, options: Options.AssertQueue): Promise<unknown> {
    return this.#channel.assertQueue(queue, options);
  }

  remove(queue: string): Promise<unknown> {
    return this.#channel.deleteQueue(queue);
  }

  async count(queue: string): Promise<number> {
    return (await this.#channel.checkQueue(queue)).messageCount;
  }

  async send(queue: string, body: object | string, options: Options.Publish = {}): Promise<void> {
    this.#channel.sendToQueue(queue, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), options);
    await this.#channel.waitForConfirms();
  }

  /** Takes the next message of a queue. */
  take(queue: string): Promise<GetMessage> {
    return eventually(`a message is in ${queue}`, () => this.#channel.get(queue, { noAck: true })).then((it) => {
      if (it === false) throw new Error('there is none');
      return it;
    });
  }

  /** The next dead letter of a queue: what was wrong, and with what. */
  async takeDead(
    queue: string,
  ): Promise<{ reason: unknown; detail: unknown; from: unknown; body: string; it: GetMessage }> {
    const it = await this.take(deadQueueOf(queue));
    const { headers = {} } = it.properties;
    return {
      reason: headers['x-parley-reason'],
      detail: headers['x-parley-detail'],
      from: headers['x-parley-queue'],
      body: it.content.toString(),
      it,
    };
  }

  /** Takes the queues away, too. */
  async close(): Promise<void> {
    for (const queue of [this.queue, this.botQueue].flatMap((it) => [it, deadQueueOf(it)])) {
      const channel = await this.#model.createChannel();
      channel.on('error', () => {});
      await channel.deleteQueue(queue).catch(() => {});
    }
    await this.#model.close();
  }
}

async function dial(url: string): Promise<readonly [ChannelModel, ConfirmChannel]> {
  const model = await connect(url);
  model.on('error', () => {});
  const channel = await model.createConfirmChannel();
  channel.on('error', () => {});
  return [model, channel];
}
