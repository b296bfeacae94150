import { type Channel, type ChannelModel, type ConsumeMessage, connect, type RecoveringChannelModel } from 'amqplib';
import { type ChatError, tryAgain } from '../../../chat/errors.ts';
import type { Log } from '../../../chat/ports/log.ts';
import type { Reach } from '../../../platform/reach.ts';
import { within } from '../../../platform/within.ts';
import { BrokerSession, type Outgoing, Unroutable } from './broker-session.ts';
import { openQueues, type QueueMode } from './open-queues.ts';
import { type SettlePorts, settleDelivery } from './settle-delivery.ts';
import { Turns } from './turns.ts';

/** A publisher hears within 5 s. */
const PUBLISH_MS = 4500;
const CONNECT_MS = 3000;
const HEARTBEAT_S = 5;
const RECONNECT = { initialDelay: 100, maxDelay: 2000, jitter: 0.5 };
const AGAIN_MS = 1000;
const GOODBYE_MS = 500;
const CLOSE_MS = 1500;

export interface BrokerOptions {
  readonly url: string;
  /** Bots to chat. */
  readonly queue: string;
  /** Chat to bots. */
  readonly botQueue: string;
  readonly mode: QueueMode;
  readonly declare: boolean;
  readonly log: Log;
  /** Told when it can be used, and when it cannot (any more). */
  readonly onReach?: (reach: Reach) => void;
  /** Told of every message that is put aside, with the reason. */
  readonly onPutAside?: (reason: string) => void;
  /** Between two deliveries of what could not be taken; 1000 when absent. */
  readonly againMs?: number;
}

interface Consumer {
  readonly queue: string;
  readonly prefetch: number;
  readonly take: SettlePorts['take'];
}

/**
 * One connection to RabbitMQ and the queues on it. Connects in the background and again whenever the connection is
 * lost; the queues are looked at anew each time, because some are gone with the broker.
 */
export class RabbitmqBroker {
  readonly #options: BrokerOptions;
  readonly #connection: Promise<RecoveringChannelModel>;
  readonly #consumers: Consumer[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #closing = new AbortController();
  readonly #turns = new Turns();
  #session: BrokerSession | undefined;
  #reach: Reach = 'never';
  #underWay = 0;
  #closed = false;
  #told = '';

  constructor(options: BrokerOptions) {
    this.#options = options;
    this.#connection = this.#connect();
  }

  get reach(): Reach {
    return this.#reach;
  }

  /** Resolves when the broker keeps the message; rejects with try_again, within 5 s. */
  async publish(outgoing: Outgoing): Promise<void> {
    const dueAt = performance.now() + PUBLISH_MS;
    await this.#usable(dueAt);
    if (!(await this.#turns.next(dueAt - performance.now()))) throw away(new Error('too many wait'));
    const session = await this.#usable(dueAt); // it may have gone meanwhile
    try {
      await this.#send(outgoing, session, dueAt);
    } catch (cause) {
      if (!(cause instanceof Unroutable)) throw cause;
      this.#options.log.warn('a queue is gone; it is looked for again', { queue: outgoing.queue });
      void session.end(cause); // and not the one that may have come meanwhile
      throw away(cause);
    }
  }

  /** Rejects with try_again, or with {@link Unroutable} when there is no such queue. */
  async #send(outgoing: Outgoing, session: BrokerSession, dueAt: number): Promise<void> {
    try {
      await within(dueAt - performance.now(), session.publish(outgoing));
    } catch (cause) {
      throw cause instanceof Unroutable ? cause : away(cause);
    }
  }

  async consume(consumer: Consumer): Promise<void> {
    this.#consumers.push(consumer);
    const session = this.#session;
    // Whatever fails there ends the connection, and the next one consumes from the start.
    if (session) await this.#start(session, consumer).catch((cause: Error) => session.end(cause));
  }

  /** Finishes what is under way, within `graceMs`; the broker gives the rest to others. */
  async close(graceMs = CLOSE_MS): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    const dueAt = performance.now() + graceMs;
    await within(graceMs, this.#session?.stopConsuming() ?? Promise.resolve()).catch(() => {});
    while (this.#underWay > 0 && this.#session !== undefined && performance.now() < dueAt) await this.#change(dueAt);
    this.#closed = true;
    const session = this.#session;
    const connection = await this.#connection;
    await within(GOODBYE_MS, session?.settle() ?? Promise.resolve()).catch(() => {});
    this.#tell();
    await within(GOODBYE_MS, connection.close()).catch(() => {});
    session?.destroy();
  }

  async #connect(): Promise<RecoveringChannelModel> {
    const { log } = this.#options;
    const url = new URL(this.#options.url);
    if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', String(HEARTBEAT_S));
    const connection = await connect(url.href, {
      noDelay: true,
      timeout: CONNECT_MS,
      recovery: { ...RECONNECT, waitForConnect: false, setup: (model: ChannelModel) => this.#open(model) },
    });
    connection.on('error', () => {}); // told by the end of the session
    connection.on('handler-error', (cause: Error) => log.error('a listener of the broker failed', { cause }));
    connection.on('connect-failed', (cause) => this.#tellAway(cause));
    connection.on('disconnect', (cause) => this.#tellAway(cause));
    return connection;
  }

  /** Runs for each new connection; what it rejects with ends that one. */
  async #open(model: ChannelModel): Promise<void> {
    const { queue, botQueue, mode, declare, log } = this.#options;
    const session = new BrokerSession(model, log, () => this.#tell());
    const missing = await openQueues(model, { queues: [queue, botQueue], mode, declare });
    await session.start();
    for (const consumer of this.#consumers) await this.#start(session, consumer);
    // It may have ended after its last answer, in the same packet: nobody would hear of that any more.
    if (session.over) throw session.over;
    this.#session = session;
    this.#told = '';
    log.info('the broker is here', { queue, botQueue });
    for (const it of missing) log.warn('there is no queue for what must be put aside; it will be lost', { queue: it });
    this.#tell();
  }

  async #start(session: BrokerSession, { queue, prefetch, take }: Consumer): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const { log, onPutAside, againMs = AGAIN_MS } = this.#options;
    const deliver = (channel: Channel, message: ConsumeMessage): void => {
      this.#underWay += 1;
      const ports: SettlePorts = {
        queue,
        take,
        againMs,
        closing: this.#closing.signal,
        log,
        publish: async (outgoing) => {
          const dueAt = performance.now() + PUBLISH_MS;
          await this.#send(outgoing, await this.#usable(dueAt), dueAt);
        },
        isOver: () => session.over !== undefined,
        ack: () => acknowledge(channel, message),
        onPutAside: onPutAside ?? (() => {}),
      };
      this.#turns
        .next()
        .then(() => settleDelivery(ports, message))
        .catch((cause: unknown) => log.error('a delivery could not be settled', { queue, cause }))
        .finally(() => {
          this.#underWay -= 1;
          this.#tell();
        });
    };
    await session.consume(queue, prefetch, deliver);
  }

  async #usable(dueAt: number): Promise<BrokerSession> {
    for (;;) {
      if (this.#closed) throw away(new Error('closed'));
      if (this.#session && !this.#session.blocked) return this.#session;
      if (!(await this.#change(dueAt))) throw away(new Error('not connected'));
    }
  }

  /** Resolves with true at the next change of anything, with false at `dueAt`. */
  #change(dueAt: number): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (changed: boolean) => () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve(changed);
      };
      const wake = end(true);
      const timer = setTimeout(end(false), Math.max(0, dueAt - performance.now()));
      this.#waiting.add(wake);
    });
  }

  #tell(): void {
    if (this.#session?.over) this.#session = undefined;
    const here = this.#session !== undefined && !this.#session.blocked && !this.#closed;
    const reach = here ? 'here' : this.#reach === 'never' ? 'never' : 'away';
    if (reach !== this.#reach) {
      this.#reach = reach;
      if (this.#session?.blocked) this.#options.log.warn('the broker takes nothing for the moment (an alarm there)');
      this.#options.onReach?.(reach);
    }
    for (const wake of [...this.#waiting]) wake();
  }

  /** Once per reason: it is tried again every 2 s. */
  #tellAway(cause: Error): void {
    if (this.#closed || cause.message === this.#told) return;
    this.#told = cause.message;
    this.#options.log.warn('the broker is away', { cause: cause.message });
  }
}

const away = (cause: unknown): ChatError => tryAgain('the queue of the bots', cause);

/** On a channel that is gone it means nothing: the broker delivers again. */
function acknowledge(channel: Channel, message: ConsumeMessage): void {
  try {
    channel.ack(message);
  } catch {}
}
