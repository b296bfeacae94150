import { LRUCache } from 'lru-cache';
import { tryAgain } from '../../../chat/errors.ts';
import type { UserId } from '../../../chat/model.ts';
import type { Clock } from '../../../chat/ports/clock.ts';
import type { Log } from '../../../chat/ports/log.ts';
import type { Presence } from '../../../chat/ports/presence.ts';
import type { RedisConnection, RedisScript } from '../../../platform/redis-connection.ts';
import { keysOf, NUMBER_OF_KEYS, prefixOf, RENEW, WRITE } from './presence-scripts.ts';

const LEASE_MS = 10_000;
const RENEW_MS = 3000;
/** Nobody has renewed anything for so long: the whole server is gone, and its keys go too. */
const KEEP_MS = 3_600_000;
/** Those who were gone are told for so many leases; whoever has not asked by then is dead itself. */
const TOLD_LEASES = 3;
/** Users written at once: Redis does nothing else meanwhile. */
const AT_ONCE = 1000;
/** Users of one HMGET; what goes on top is asked in the same round trip. */
const READ_AT_ONCE = 10_000;
/** Users of other nodes who are remembered as online, for answers while Redis is away. */
const REMEMBERED = 20_000;

export interface RedisPresenceOptions {
  readonly connection: RedisConnection;
  /** Begins the names of all keys. */
  readonly key: string;
  /** Another one for each process. */
  readonly node: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds; a node that has not renewed its lease for so long is dead. */
  readonly leaseMs?: number;
  /** Milliseconds; less than half of the lease. */
  readonly renewMs?: number;
}

/**
 * Presence in Redis: a node has a lease, and its users go with it. Each change and each question is one round trip.
 *
 * The node knows its own users, and writes again whatever Redis may not have: all of them when its lease is unknown (Redis
 * was emptied, or it was taken for dead), or those whose writes went without an answer. So nothing here rejects while
 * Redis is away: who comes is told online, which is never wrong; whether who goes has gone everywhere shows later, and is
 * told by {@link onGone} then. What Redis does not answer is answered from what was known last, as `stale`.
 */
export class RedisPresence implements Presence {
  readonly #connection: RedisConnection;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #node: string;
  readonly #prefix: string;
  readonly #keys: readonly string[];
  readonly #leaseMs: number;
  readonly #renewMs: number;
  readonly #toldMs: number;
  readonly #runRenew: RedisScript;
  readonly #runWrite: RedisScript;
  readonly #listeners = new Set<(users: UserId[]) => void>();
  /** Users on this node. */
  readonly #held = new Set<UserId>();
  /** Users of whom Redis may have it wrong; `#held` has it right. */
  readonly #unsettled = new Set<UserId>();
  readonly #remembered = new LRUCache<UserId, true>({ max: REMEMBERED });
  #round = -1;
  /** Whether the last renewal was answered: one that was not may have taken the lease anew, and told nobody. */
  #isLeaseSure = false;
  /** Others have written what they hold by then. Milliseconds since 1970. */
  #staleUntil = 0;
  #renewing: Promise<void> | undefined;
  #cancelRenewal: () => void = () => {};
  #closed = false;

  constructor(options: RedisPresenceOptions) {
    const { connection, key, node, clock, log, leaseMs = LEASE_MS, renewMs = RENEW_MS } = options;
    this.#connection = connection;
    this.#clock = clock;
    this.#log = log;
    this.#node = node;
    this.#prefix = prefixOf(key);
    this.#keys = keysOf(key, node);
    this.#leaseMs = leaseMs;
    this.#renewMs = renewMs;
    this.#toldMs = leaseMs * TOLD_LEASES;
    this.#runRenew = connection.script('parleyPresenceRenew', NUMBER_OF_KEYS, RENEW);
    this.#runWrite = connection.script('parleyPresenceWrite', NUMBER_OF_KEYS, WRITE);
    connection.onReach((reach) => {
      if (reach !== 'here') return;
      if (this.#round >= 0) this.#staleUntil = clock.now() + renewMs;
      this.#renewSoon();
    });
    this.#renewSoon();
  }

  async enter(user: UserId): Promise<boolean> {
    this.#assertOpen();
    if (this.#held.has(user)) return false;
    this.#held.add(user);
    return this.#write(user, 'came');
  }

  async exit(user: UserId): Promise<boolean> {
    this.#assertOpen();
    return this.#held.delete(user) && this.#write(user, 'went');
  }

  async online(users: readonly UserId[]): Promise<{ users: Set<UserId>; stale: boolean }> {
    this.#assertOpen();
    if (users.length === 0) return { users: new Set(), stale: false };
    try {
      const found = await this.#countsOf(users);
      const online = new Set(users.filter((user, at) => found[at] != null || this.#held.has(user)));
      for (const user of users) {
        if (online.has(user)) this.#remembered.set(user, true);
        else this.#remembered.delete(user);
      }
      return { users: online, stale: this.#unsettled.size > 0 || this.#clock.now() < this.#staleUntil };
    } catch (cause) {
      this.#assertOpen(cause);
      return { users: new Set(users.filter((it) => this.#held.has(it) || this.#remembered.has(it))), stale: true };
    }
  }

  onGone(listener: (users: UserId[]) => void): void {
    this.#listeners.add(listener);
  }

  /** Gives the lease up: users who are still here are told gone by the others. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelRenewal();
    await this.#renewing;
    await this.#runRenew([...this.#keys, this.#node, 0, -1, KEEP_MS, this.#prefix, this.#toldMs]).catch(() => {});
  }

  async #countsOf(users: readonly UserId[]): Promise<(string | null)[]> {
    const [counts = ''] = this.#keys;
    const parts: (readonly UserId[])[] = [];
    for (let at = 0; at < users.length; at += READ_AT_ONCE) parts.push(users.slice(at, at + READ_AT_ONCE));
    const found = await this.#connection.ask((client) =>
      Promise.all(parts.map((part) => client.hmget(counts, ...part))),
    );
    return found.flat();
  }

  #assertOpen(cause?: unknown): void {
    if (this.#closed || this.#connection.closed) throw tryAgain('presence', cause);
  }

  async #write(user: UserId, change: 'came' | 'went'): Promise<boolean> {
    const users: readonly [UserId[], UserId[]] = change === 'came' ? [[user], []] : [[], [user]];
    try {
      const changed = await this.#send(...users, 0);
      if (changed) return changed[0] === 1;
      this.#unsettled.add(user);
      this.#renewSoon();
    } catch (cause) {
      this.#assertOpen(cause);
      this.#unsettled.add(user);
    }
    return change === 'came';
  }

  /** Undefined when this node has no lease. */
  async #send(came: readonly UserId[], went: readonly UserId[], toldMs: number): Promise<number[] | undefined> {
    const changed = await this.#runWrite([...this.#keys, this.#node, KEEP_MS, toldMs, came.length, ...came, ...went]);
    return Array.isArray(changed) ? changed : undefined;
  }

  #renewSoon(): void {
    this.#cancelRenewal();
    if (this.#closed || this.#connection.closed) return;
    this.#cancelRenewal = this.#clock.after(this.#renewMs, () => this.#renewSoon());
    if (this.#connection.reach !== 'here') return;
    this.#renewing ??= this.#renew()
      .catch((cause: unknown) => {
        if (!this.#connection.closed) this.#log.debug('presence could not be renewed', { cause });
      })
      .finally(() => {
        this.#renewing = undefined;
      });
  }

  async #renew(): Promise<void> {
    const args = [this.#node, this.#leaseMs, this.#round, KEEP_MS, this.#prefix, this.#toldMs];
    const wasSure = this.#isLeaseSure;
    this.#isLeaseSure = false;
    const [known, round, gone] = (await this.#runRenew([...this.#keys, ...args])) as [number, number, UserId[]];
    this.#isLeaseSure = true;
    if (known === 0 || !wasSure) for (const user of this.#held) this.#unsettled.add(user);
    this.#round = round;
    const users = gone.filter((user) => !this.#held.has(user));
    for (const user of users) this.#remembered.delete(user);
    await this.#settle();
    if (users.length > 0) for (const listener of this.#listeners) listener(users);
  }

  async #settle(): Promise<void> {
    while (this.#unsettled.size > 0) {
      const users = [...this.#unsettled].slice(0, AT_ONCE);
      for (const user of users) this.#unsettled.delete(user);
      try {
        const came = users.filter((it) => this.#held.has(it));
        const went = users.filter((it) => !this.#held.has(it));
        if (!(await this.#send(came, went, this.#toldMs))) throw new Error('the lease is gone again');
      } catch (cause) {
        for (const user of users) this.#unsettled.add(user);
        throw cause;
      }
    }
  }
}
