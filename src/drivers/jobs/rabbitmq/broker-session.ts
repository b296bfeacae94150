import type { Channel, ChannelModel, ConfirmChannel, ConsumeMessage, Options } from 'amqplib';
import type { Log } from '../../../chat/ports/log.ts';

export interface Outgoing {
  readonly queue: string;
  /** The messageId. */
  readonly id: string;
  readonly body: Buffer;
  readonly properties?: Options.Publish;
}

/** The broker has no such queue, so it gave the message back. */
export class Unroutable extends Error {
  override readonly name = 'Unroutable';
}

/**
 * The channels of one connection: they live and end together. What fails ends the connection, and the next one starts
 * from a known state.
 */
export class BrokerSession {
  readonly #model: ChannelModel;
  readonly #log: Log;
  readonly #changed: () => void;
  readonly #open = new Map<string, { readonly body: Buffer; readonly sent: Promise<void> }>();
  readonly #returned = new Set<string>();
  readonly #consuming: { readonly channel: Channel; readonly tag: string }[] = [];
  #publisher: ConfirmChannel | undefined;
  #blocked = false;
  #over: Error | undefined;

  /** `changed` is called when it is blocked, unblocked or over. */
  constructor(model: ChannelModel, log: Log, changed: () => void) {
    this.#model = model;
    this.#log = log;
    this.#changed = changed;
    model.on('error', (error) => this.#finish(error));
    model.on('close', (error) => this.#finish(error));
    model.on('handler-error', (error, event) => this.#tellFault(error, event));
    const block = (blocked: boolean) => () => {
      this.#blocked = blocked;
      changed();
    };
    model.on('blocked', block(true));
    model.on('unblocked', block(false));
  }

  /** Until then nothing can be published. */
  async start(): Promise<void> {
    const channel = await this.#model.createConfirmChannel();
    this.#guard(channel);
    channel.on('return', ({ fields, properties }) => {
      this.#returned.add(keyOf(fields.routingKey, String(properties.messageId)));
    });
    this.#publisher = channel;
  }

  /** An alarm of the broker: it reads nothing from this connection until it is over. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Why it ended. */
  get over(): Error | undefined {
    return this.#over;
  }

  /**
   * Resolves when the broker keeps it. What is on its way already is not sent twice; something else under the same id,
   * which others may give to whatever they like, waits for that to end.
   */
  async publish(outgoing: Outgoing): Promise<void> {
    const key = keyOf(outgoing.queue, outgoing.id);
    for (let known = this.#open.get(key); known !== undefined; known = this.#open.get(key)) {
      if (known.body.equals(outgoing.body)) return known.sent;
      await known.sent.catch(() => {});
    }
    const sent = this.#send(key, outgoing).finally(() => this.#open.delete(key));
    this.#open.set(key, { body: outgoing.body, sent });
    return sent;
  }

  #send(key: string, { queue, id, body, properties }: Outgoing): Promise<void> {
    const options = {
      contentType: 'application/json',
      ...properties,
      messageId: id,
      mandatory: true,
      persistent: true,
    };
    return new Promise((resolve, reject) => {
      if (!this.#publisher) throw new Error('the session has not started');
      this.#publisher.publish('', queue, body, options, (failure: unknown) => {
        const returned = this.#returned.delete(key); // the broker gives back first, then confirms
        if (failure) reject(failure);
        else if (returned) reject(new Unroutable(`there is no queue ${queue}`));
        else resolve();
      });
    });
  }

  async consume(
    queue: string,
    prefetch: number,
    deliver: (channel: Channel, it: ConsumeMessage) => void,
  ): Promise<void> {
    const channel = await this.#model.createChannel();
    this.#guard(channel);
    await channel.prefetch(prefetch);
    const { consumerTag } = await channel.consume(queue, (message) => {
      if (message) deliver(channel, message);
      else void this.end(new Error(`the queue ${queue} was removed`));
    });
    this.#consuming.push({ channel, tag: consumerTag });
  }

  /** What was delivered before may still be settled. */
  async stopConsuming(): Promise<void> {
    await Promise.allSettled(this.#consuming.map(({ channel, tag }) => channel.cancel(tag)));
  }

  /** The connection may go before what its channels said last: their own end is waited for. */
  async settle(): Promise<void> {
    this.#finish();
    await Promise.allSettled(this.#consuming.map(({ channel }) => channel.close()));
  }

  async end(cause?: Error): Promise<void> {
    this.#finish(cause);
    await this.#model.close().catch(() => {}); // closed already
  }

  #finish(cause?: Error): void {
    if (this.#over) return;
    this.#over = cause ?? new Error('the connection was closed');
    this.#changed();
  }

  /** When the broker does not even answer to a good-bye. */
  destroy(): void {
    const stream: unknown = Reflect.get(this.#model.connection, 'stream');
    if (typeof stream === 'object' && stream !== null && 'destroy' in stream && typeof stream.destroy === 'function') {
      stream.destroy();
    }
  }

  #guard(channel: Channel): void {
    channel.on('error', (error) => this.#log.warn('the broker closed a channel', { cause: error.message }));
    channel.on('handler-error', (error, event) => this.#tellFault(error, event));
    channel.on('close', () => {
      if (!this.#over) void this.end();
    });
  }

  #tellFault(cause: Error, event: string): void {
    this.#log.error('a listener of the broker failed', { event, cause });
  }
}

const keyOf = (queue: string, id: string): string => `${queue} ${id}`;
