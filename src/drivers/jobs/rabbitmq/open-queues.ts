import type { Channel, ChannelModel, Options } from 'amqplib';
import { deadQueueOf } from '../../../wire/queue.ts';

export type QueueMode = 'auto' | 'transient' | 'durable';

export const MAX_DELIVERIES = 5;
/** Dead letters are for people to look into: the newest, and not for ever. */
const DEAD_MAX = 10_000;
const DEAD_MS = 7 * 24 * 3_600_000;

/** A queue is not there or not as it was asked for. The message names it and says what to do. */
export class QueueUnusable extends Error {
  override readonly name = 'QueueUnusable';
}

/** Kept on disk by every node that has it. What a consumer's death brings back is counted by the broker. */
const durable = (queue: string): Options.AssertQueue => ({
  durable: true,
  arguments: {
    'x-queue-type': 'quorum',
    'x-delivery-limit': MAX_DELIVERIES - 1, // it counts what comes back
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': deadQueueOf(queue),
  },
});

/** As the earlier chat server and its bots declare theirs: gone with the broker. */
const TRANSIENT: Options.AssertQueue = { durable: false };

const DEAD: Options.AssertQueue = {
  durable: true,
  arguments: { 'x-queue-type': 'quorum', 'x-max-length': DEAD_MAX, 'x-message-ttl': DEAD_MS },
};

interface QueueWishes {
  readonly queues: readonly string[];
  readonly mode: QueueMode;
  readonly declare: boolean;
}

/**
 * Sees that the queues are there. `auto` takes what exists as it is, the other modes insist on their kind; nothing is
 * ever deleted. Each question goes over a channel of its own, because the broker closes the channel when it says no.
 * Resolves with the dead-letter queues that could not be had: what goes there is lost.
 */
export async function openQueues(model: ChannelModel, { queues, mode, declare }: QueueWishes): Promise<string[]> {
  const missing: string[] = [];
  for (const queue of queues) {
    await openQueue(model, queue, mode, declare);
    const dead = deadQueueOf(queue);
    const isThere = await exists(model, dead).catch(() => false);
    if (!isThere && (!declare || (await make(model, dead, DEAD)) !== undefined)) missing.push(dead);
  }
  return missing;
}

async function openQueue(model: ChannelModel, queue: string, mode: QueueMode, declare: boolean): Promise<void> {
  const found = mode === 'auto' || !declare ? await exists(model, queue) : false;
  if (found) return;
  if (!declare)
    throw new QueueUnusable(`there is no queue ${queue}, and AMQP_DECLARE=false says that somebody made it`);
  const refusal = await make(model, queue, mode === 'transient' ? TRANSIENT : durable(queue));
  if (refusal === undefined) return;
  if (codeOf(refusal) !== 406) throw refusal;
  throw new QueueUnusable(
    `the queue ${queue} exists and is of another kind than AMQP_QUEUE_MODE=${mode} makes it; remove it or use auto`,
    { cause: refusal },
  );
}

const codeOf = (cause: unknown): unknown =>
  typeof cause === 'object' && cause !== null ? Reflect.get(cause, 'code') : undefined;

/** Rejects when it cannot be told. */
async function exists(model: ChannelModel, queue: string): Promise<boolean> {
  const refusal = await ask(model, (channel) => channel.checkQueue(queue));
  if (refusal === undefined) return true;
  if (codeOf(refusal) === 404) return false;
  throw refusal;
}

const make = (model: ChannelModel, queue: string, options: Options.AssertQueue): Promise<unknown> =>
  ask(model, (channel) => channel.assertQueue(queue, options));

/** Resolves with why the broker said no, or undefined. */
async function ask(model: ChannelModel, question: (channel: Channel) => Promise<unknown>): Promise<unknown> {
  const channel = await model.createChannel();
  channel.on('error', () => {}); // the same refusal, once more
  try {
    await question(channel);
  } catch (refusal) {
    return refusal ?? new Error('refused');
  }
  await channel.close();
  return undefined;
}
