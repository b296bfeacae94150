import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from './logger.ts';
import type { Reach } from './reach.ts';
import { redisDisconnect } from './redis-disconnect.ts';
import { RedisSubscriber } from './redis-subscriber.ts';

/** A question is answered by then, or Redis counts as away. */
const ANSWER_MS = 400;
/** How often both connections are tried: a frozen Redis and a cut wire give no error. */
const TEND_MS = 500;
/** A connection that owes an answer and says nothing for so long is replaced. */
const SILENT_MS = 3000;
const CONNECT_MS = 1500;
const LAST_WORDS_MS = 200;
const SLOWEST_RETRY_MS = 500;

/**
 * Nothing waits in ioredis: no offline queue, no resending, no resubscribing of its own. A command is sent now or rejected
 * now, and one under way is rejected when its connection goes: so memory is bounded while Redis is away, no command runs
 * twice, and whoever subscribed knows when all of it is subscribed again. (Left to itself, ioredis 6.0.0 forgets all
 * channels when the last sharded one is unsubscribed, and its resubscribing rejects unheard.)
 */
const OPTIONS = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  maxRetriesPerRequest: 0,
  connectTimeout: CONNECT_MS,
  socketTimeout: SILENT_MS,
  disconnectTimeout: LAST_WORDS_MS,
  maxLoadingRetryTime: SLOWEST_RETRY_MS,
  retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), SLOWEST_RETRY_MS) * (0.5 + Math.random() / 2),
  // After a failover the old primary stays connected and refuses writes.
  reconnectOnError: (error) => error.message.startsWith('READONLY'),
} satisfies RedisOptions;

export interface RedisConnectionOptions {
  /** `redis:` or `rediss:`; may hold a password. */
  readonly url: string;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

export type RedisArgument = string | number;

/** Runs a script; rejects as {@link RedisConnection.ask} does. The keys come first. */
export type RedisScript = (args: readonly RedisArgument[]) => Promise<unknown>;

/**
 * A process's two connections to Redis: one for commands and one that listens. It connects in the background and again
 * whenever it must. Whatever fails is counted and rejects to the caller; nothing is thrown elsewhere.
 */
export class RedisConnection {
  readonly subscriber: RedisSubscriber;
  readonly #client: Redis;
  readonly #log: RedisConnectionOptions['log'];
  readonly #listeners = new Set<(reach: Reach) => void>();
  readonly #tending: NodeJS.Timeout;
  #reach: Reach = 'never';
  /** Why Redis is away, as it was logged last. */
  #reason: string | undefined;
  #pinging = false;
  #failures = 0;
  #closing: Promise<void> | undefined;

  static open(options: RedisConnectionOptions): RedisConnection {
    return new RedisConnection(options);
  }

  private constructor({ url, log }: RedisConnectionOptions) {
    this.#log = log;
    this.#client = new Redis(url, OPTIONS);
    const listening = new Redis(url, OPTIONS);
    this.subscriber = new RedisSubscriber(listening, (reason) =>
      log.warn('Redis refuses to be listened to', { reason }),
    );
    this.#client.on('ready', () => this.#answered());
    this.#client.on('close', () => this.#lose('the connection is closed'));
    this.#client.on('error', (error: NodeJS.ErrnoException) => this.#tell(error.message || (error.code ?? error.name)));
    for (const client of [this.#client, listening]) client.connect().catch(() => {});
    this.#tending = setInterval(() => this.#tend(), TEND_MS);
    this.#tending.unref();
  }

  /** Whether commands are answered. */
  get reach(): Reach {
    return this.#reach;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Commands that were not answered, or by an error; those refused while Redis was known to be away too. */
  get failures(): number {
    return this.#failures;
  }

  /** Told of every change. */
  onReach(listener: (reach: Reach) => void): void {
    this.#listeners.add(listener);
  }

  /** Resolves with the answer within 400 ms or rejects; at once while Redis is away. What was late may be done later. */
  ask<T>(run: (client: Redis) => Promise<T>): Promise<T> {
    return this.#reach === 'here' ? this.#run(run, ANSWER_MS) : this.#refuse();
  }

  /** Like {@link ask} without the deadline: settles when answered or when the connection is lost. */
  tell<T>(run: (client: Redis) => Promise<T>): Promise<T> {
    return this.#reach === 'here' ? this.#run(run) : this.#refuse();
  }

  /** What `run` says reaches Redis in one write: a system call for each command costs more than the rest of it. */
  together(run: () => void): void {
    const { stream } = this.#client;
    stream?.cork();
    try {
      run();
    } finally {
      stream?.uncork();
    }
  }

  /** Names must differ between the scripts of a connection. */
  script(name: string, numberOfKeys: number, lua: string): RedisScript {
    this.#client.defineCommand(name, { lua, numberOfKeys });
    const run: (args: readonly RedisArgument[]) => Promise<unknown> = Reflect.get(this.#client, name);
    return (args) => this.ask((client) => run.call(client, args));
  }

  /** What was said before is still sent. Whoever waits for an answer is rejected. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#tending);
    this.#reach = 'away';
    await Promise.all([redisDisconnect(this.#client), this.subscriber.close()]);
  }

  #refuse(): Promise<never> {
    this.#failures += 1;
    return Promise.reject(new Error(this.closed ? 'the connection to Redis is closed' : 'Redis is away'));
  }

  #run<T>(run: (client: Redis) => Promise<T>, deadlineMs?: number): Promise<T> {
    return new Promise((resolve, reject) => {
      let settled = false;
      let timer: NodeJS.Timeout | undefined;
      const fail = (error: unknown): void => {
        if (settled) return;
        settled = true;
        this.#failures += 1;
        reject(error);
      };
      const late = (): void => {
        if (settled) return;
        const reason = `no answer within ${deadlineMs} ms`;
        this.#lose(reason);
        fail(new Error(reason));
      };
      // Where this process was busy the answer may lie unread: it is read before anything is called late.
      if (deadlineMs !== undefined) timer = setTimeout(() => setImmediate(late), deadlineMs);
      run(this.#client).then(
        (value) => {
          clearTimeout(timer);
          settled = true;
          this.#answered();
          resolve(value);
        },
        (error: unknown) => {
          clearTimeout(timer);
          fail(error);
        },
      );
    });
  }

  #tend(): void {
    this.subscriber.tend();
    if (this.#pinging || this.#client.status !== 'ready') return;
    this.#pinging = true;
    // Settles when answered or when the connection is lost, so that a frozen Redis gets one at a time.
    const ping = (client: Redis): Promise<string> =>
      client.ping().finally(() => {
        this.#pinging = false;
      });
    this.#run(ping, ANSWER_MS).catch(() => {});
  }

  #answered(): void {
    if (this.closed || this.#reach === 'here' || this.#client.status !== 'ready') return;
    this.#reason = undefined;
    this.#log.info('Redis is here');
    this.#change('here');
  }

  #lose(reason: string): void {
    if (this.closed || this.#reach !== 'here') return;
    this.#change('away');
    this.#tell(reason);
  }

  /** Messages only: the errors of ioredis carry the arguments of their commands, passwords too. */
  #tell(reason: string): void {
    if (this.closed || this.#reach === 'here' || this.#reason === reason) return;
    this.#reason = reason;
    this.#log.warn('Redis is away; trying on', { reason });
  }

  #change(reach: Reach): void {
    this.#reach = reach;
    for (const listener of this.#listeners) listener(reach);
  }
}
