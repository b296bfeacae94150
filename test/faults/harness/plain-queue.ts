import { randomUUID } from 'node:crypto';
import { type ChannelModel, type ConfirmChannel, connect, type RecoveringChannelModel } from 'amqplib';

const TICK_MS = 10;
const PREFETCH = 50;
/** What the handler of a message takes. */
const WORK_MS = 5;
const RECOVERY = { initialDelay: 100, maxDelay: 2000 };

/** A producer and a consumer as its manual shows them: confirms, manual acks, the client's own recovery, and no more. */
export interface PlainQueue {
  readonly counts: {
    published: number;
    /** Publishes that threw because there was no channel: whoever does not keep them has lost them. */
    threw: number;
    /** Sent, and the confirm never came: sent again once the broker was back, as the client's manual says. */
    resent: number;
    handled: number;
    /** Handled more than once. */
    doubled: number;
    /** Connections that ended. */
    cuts: number;
  };
  close(): Promise<void>;
}

export async function startPlainQueue(url: string, perSecond: number): Promise<PlainQueue> {
  const queue = `plain-${randomUUID()}`;
  const counts = { published: 0, threw: 0, resent: 0, handled: 0, doubled: 0, cuts: 0 };
  const handled = new Set<string>();
  let channel: ConfirmChannel | undefined;
  let unconfirmed: string[] = [];

  const publish = (id: string): void => {
    try {
      if (!channel) throw new Error('no channel');
      channel.sendToQueue(queue, Buffer.from(id), { persistent: true, messageId: id }, (failure: unknown) => {
        if (failure) unconfirmed.push(id);
      });
    } catch {
      counts.threw += 1;
    }
  };
  const producer = await open(url, counts, async (model) => {
    channel = quiet(await model.createConfirmChannel());
    await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
    const again = unconfirmed;
    unconfirmed = [];
    counts.resent += again.length;
    for (const id of again) publish(id);
  });
  const consumer = await open(url, counts, async (model) => {
    const own = quiet(await model.createChannel());
    await own.prefetch(PREFETCH);
    await own.consume(queue, (message) => {
      if (!message) return;
      const id = message.content.toString();
      if (handled.has(id)) counts.doubled += 1;
      handled.add(id);
      counts.handled += 1;
      setTimeout(() => {
        try {
          own.ack(message);
        } catch {} // its channel is gone
      }, WORK_MS);
    });
  });

  const startedAt = performance.now();
  const timer = setInterval(() => {
    while (counts.published < ((performance.now() - startedAt) * perSecond) / 1000) {
      counts.published += 1;
      publish(randomUUID());
    }
  }, TICK_MS);
  return {
    counts,
    async close() {
      clearInterval(timer);
      await Promise.all([producer, consumer].map((it) => it.close().catch(() => {})));
    },
  };
}

/** One message, and a consumer that refuses it each time: how often it is delivered within that time. */
export async function loopPlainQueue(url: string, ms: number): Promise<{ readonly handled: number }> {
  const queue = `plain-${randomUUID()}`;
  const model = await connect(url);
  const channel = quiet(await model.createChannel());
  await channel.assertQueue(queue, { durable: true });
  let handled = 0;
  await channel.consume(queue, (message) => {
    handled += 1;
    if (message) channel.nack(message, false, true);
  });
  channel.sendToQueue(queue, Buffer.from('fails'));
  await new Promise((resolve) => setTimeout(resolve, ms));
  await channel.deleteQueue(queue);
  await model.close();
  return { handled };
}

async function open(
  url: string,
  counts: { cuts: number },
  setup: (model: ChannelModel) => Promise<void>,
): Promise<RecoveringChannelModel> {
  const connection = await connect(url, { recovery: { ...RECOVERY, setup } });
  connection.on('error', () => {});
  connection.on('disconnect', () => {
    counts.cuts += 1;
  });
  return connection;
}

/** Without a listener a lost channel ends the process. */
function quiet<T extends { on(event: 'error', listener: () => void): unknown }>(channel: T): T {
  channel.on('error', () => {});
  return channel;
}
