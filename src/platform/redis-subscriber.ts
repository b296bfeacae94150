import type { Redis } from 'ioredis';
import { redisDisconnect } from './redis-disconnect.ts';

/** Channels of one SSUBSCRIBE. */
const AT_ONCE = 500;

export interface RedisSubscriberListener {
  onMessage(channel: string, text: string): void;
  /** Nothing is heard any more. */
  onLost(): void;
  /** Everything is subscribed again; what was said meanwhile is lost. */
  onComplete(): void;
}

/**
 * The connection that listens, on sharded channels. It remembers its channels and subscribes to all of them whenever it
 * is connected anew.
 */
export class RedisSubscriber {
  readonly #client: Redis;
  readonly #refused: (reason: string) => void;
  readonly #channels = new Set<string>();
  readonly #listeners = new Set<RedisSubscriberListener>();
  #state: 'lost' | 'subscribing' | 'complete' = 'lost';
  #pinging = false;
  /** Why it was refused, as it was told last. */
  #reason: string | undefined;

  /** `client` is not connected yet; `refused` is told why Redis does not let it subscribe. */
  constructor(client: Redis, refused: (reason: string) => void) {
    this.#client = client;
    this.#refused = refused;
    client.on('ready', () => this.#subscribeAll());
    client.on('close', () => this.#lose());
    client.on('error', () => {}); // the connection for commands has the same trouble and tells it
    client.on('smessage', (channel: string, text: string) => {
      for (const listener of this.#listeners) listener.onMessage(channel, text);
    });
  }

  /** Whether everything that was asked for is heard. */
  get complete(): boolean {
    return this.#state === 'complete';
  }

  listen(listener: RedisSubscriberListener): void {
    this.#listeners.add(listener);
  }

  /**
   * Resolves when all of them are heard; rejects when they are not yet: then it goes on by itself until they are, and
   * {@link RedisSubscriberListener.onComplete} tells.
   */
  async add(channels: readonly string[]): Promise<void> {
    for (const channel of channels) this.#channels.add(channel);
    try {
      await this.#subscribe(channels);
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  delete(channel: string): void {
    if (this.#channels.delete(channel) && this.#client.status === 'ready') {
      this.#client.sunsubscribe(channel).catch(() => {});
    }
  }

  /** To be called every now and then: finds out whether the connection lives, and tries again what was refused. */
  tend(): void {
    if (this.#client.status !== 'ready') return;
    if (this.#state === 'lost') this.#subscribeAll();
    if (this.#pinging) return;
    this.#pinging = true;
    this.#client
      .ping()
      .catch(() => {})
      .finally(() => {
        this.#pinging = false;
      });
  }

  close(): Promise<void> {
    this.#listeners.clear();
    return redisDisconnect(this.#client);
  }

  #subscribeAll(): void {
    this.#state = 'subscribing';
    this.#subscribe([...this.#channels]).then(
      () => {
        if (this.#state !== 'subscribing') return;
        this.#state = 'complete';
        this.#reason = undefined;
        for (const listener of this.#listeners) listener.onComplete();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  async #subscribe(channels: readonly string[]): Promise<void> {
    if (this.#client.status !== 'ready') throw new Error('Redis is away');
    const parts: Promise<unknown>[] = [];
    for (let at = 0; at < channels.length; at += AT_ONCE) {
      parts.push(this.#client.ssubscribe(...channels.slice(at, at + AT_ONCE)));
    }
    await Promise.all(parts);
  }

  #fail(error: unknown): void {
    this.#lose();
    if (!(error instanceof Error) || error.name !== 'ReplyError') return; // the connection is lost
    if (this.#reason !== error.message) this.#refused(error.message);
    this.#reason = error.message;
  }

  #lose(): void {
    const was = this.#state;
    this.#state = 'lost';
    if (was === 'complete') for (const listener of this.#listeners) listener.onLost();
  }
}
