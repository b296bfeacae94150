import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsumeMessage, MessagePropertyHeaders } from 'amqplib';
import { ChatError } from '../../../chat/errors.ts';
import type { Log } from '../../../chat/ports/log.ts';
import { deadQueueOf, HEADERS } from '../../../wire/queue.ts';
import { type Outgoing, Unroutable } from './broker-session.ts';
import { MAX_DELIVERIES } from './open-queues.ts';

export interface SettlePorts {
  readonly queue: string;
  readonly take: (delivery: { body: Buffer; messageId: string | undefined }) => Promise<void>;
  readonly againMs: number;
  readonly closing: AbortSignal;
  readonly log: Log;
  readonly publish: (outgoing: Outgoing) => Promise<void>;
  /** The connection that delivered it is gone: the broker delivers it again. */
  readonly isOver: () => boolean;
  readonly ack: () => void;
  readonly onPutAside: (reason: string) => void;
}

/** Why a message goes to the dead-letter queue: a code of the error table, and a sentence without secrets. */
interface Refusal {
  readonly reason: string;
  readonly detail: string;
}

const TIRED: Refusal = { reason: 'internal', detail: `not taken in ${MAX_DELIVERIES} deliveries` };

/**
 * Takes one delivery to its end: taken, put aside, or queued anew behind the others, after a pause in which it keeps its
 * place of the prefetch. So nothing that cannot be taken now turns in a hot loop or stands in the way of what can. Only
 * unknown failures are counted, in a header that every kind of queue carries: what waits for a part that is away may
 * wait for hours. A copy is confirmed before the delivery is acknowledged: twice rather than never.
 */
export async function settleDelivery(ports: SettlePorts, message: ConsumeMessage): Promise<void> {
  const { queue, take, publish, ack, log } = ports;
  const before = deliveriesOf(message);
  while (!ports.isOver()) {
    const end = before >= MAX_DELIVERIES ? TIRED : await attempt(ports, take, message, before);
    if (end === 'taken') {
      ack();
      return;
    }
    try {
      if (typeof end === 'object') await putAside(ports, message, end);
      else {
        await sleep(ports.againMs, undefined, { signal: ports.closing });
        const failures = end === 'failed' ? failuresOf(message) + 1 : failuresOf(message);
        await publish(copyOf(message, queue, { [HEADERS.deliveries]: failures }));
      }
      ack();
      return;
    } catch (cause) {
      if (ports.closing.aborted) return; // not acknowledged: it goes to another
      log.debug('a delivery could not be queued anew; it is tried again here', { queue, cause });
      await sleep(ports.againMs, undefined, { signal: ports.closing }).catch(() => {});
    }
  }
}

async function attempt(
  { queue, log }: SettlePorts,
  take: SettlePorts['take'],
  message: ConsumeMessage,
  before: number,
): Promise<'taken' | 'later' | 'failed' | Refusal> {
  const id = textOf(message.properties.messageId);
  try {
    await take({ body: message.content, messageId: id });
    return 'taken';
  } catch (cause) {
    if (cause instanceof ChatError) {
      if (!cause.retry) return { reason: cause.code, detail: cause.message };
      log.debug('a delivery waits for a part that is away', { queue, id, code: cause.code });
      return 'later';
    }
    log.warn('a delivery failed', { queue, id, deliveries: before + 1, cause });
    return before + 1 >= MAX_DELIVERIES ? TIRED : 'failed';
  }
}

async function putAside(
  { queue, publish, log, onPutAside }: SettlePorts,
  message: ConsumeMessage,
  { reason, detail }: Refusal,
): Promise<void> {
  const headers = { [HEADERS.reason]: reason, [HEADERS.detail]: detail, [HEADERS.queue]: queue };
  const id = textOf(message.properties.messageId);
  try {
    await publish(copyOf(message, deadQueueOf(queue), headers));
    log.warn('a message of a queue was put aside', { queue, id, reason, detail });
  } catch (cause) {
    if (!(cause instanceof Unroutable)) throw cause;
    log.error('a message of a queue was dropped: there is no queue for dead letters', { queue, id, reason, detail });
  }
  onPutAside(reason);
}

function copyOf({ content, properties }: ConsumeMessage, queue: string, headers: MessagePropertyHeaders): Outgoing {
  const { correlationId, replyTo, contentType, timestamp, expiration, type, appId } = properties;
  const kept = { correlationId, replyTo, contentType, timestamp, type, appId };
  const known = Object.entries(kept).filter(([, value]) => value !== undefined);
  const isBack = headers[HEADERS.reason] === undefined;
  return {
    queue,
    id: textOf(properties.messageId) ?? randomUUID(),
    body: content,
    properties: {
      ...Object.fromEntries(known),
      // Dead letters stay until somebody has looked at them.
      ...(isBack && expiration !== undefined ? { expiration } : {}),
      headers: { ...properties.headers, ...headers },
    },
  };
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

const countOf = (value: unknown): number => (typeof value === 'number' && Number.isInteger(value) ? value : 0);

const failuresOf = ({ properties }: ConsumeMessage): number => countOf(properties.headers?.[HEADERS.deliveries]);

/** The broker counts what came back from consumers that died, on quorum queues only. */
const deliveriesOf = (message: ConsumeMessage): number =>
  failuresOf(message) + countOf(message.properties.headers?.['x-delivery-count']);
