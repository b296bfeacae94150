import type { BulkheadPolicy, CircuitBreakerPolicy } from 'cockatiel';
import { bulkhead, ConsecutiveBreaker, circuitBreaker, handleType } from 'cockatiel';
import { LRUCache } from 'lru-cache';
import { Pool } from 'undici';
import { tokenHashOf } from '../../../chat/authenticate.ts';
import { ChatError } from '../../../chat/errors.ts';
import type { Account } from '../../../chat/model.ts';
import type { Accounts } from '../../../chat/ports/accounts.ts';
import type { Reach } from '../../../platform/reach.ts';
import { within } from '../../../platform/within.ts';
import { type Answer, Away, requestAccount } from './account-request.ts';

/** Requests to the account service at a time, and callers that may wait for their turn. */
const AT_A_TIME = 50;
const WAITING = 10_000;
/** From the call to its answer, waiting for a turn included: a client is told within 2 s. */
const PATIENCE_MS = 1700;
const LONGEST_REQUEST_MS = 1500;
const FAILURES_TO_OPEN = 5;
const OPEN_MS = 2000;
const CACHED = 20_000;

/** What can go into a header; anything else is no token, and nobody needs to be asked. */
const TOKEN = /^[\x21-\x7e]{1,8192}$/;

interface RemoteAccountsOptions {
  readonly server: URL;
  readonly path: string;
  readonly cacheMs: number;
  /** For one request; 1.5 s at most. */
  readonly timeoutMs: number;
  /** How long nothing is asked after 5 failures in a row. */
  readonly openMs?: number;
  readonly now?: () => number;
}

const PROBE = 'parley-probe';

interface Cached {
  readonly account: Account;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/**
 * Accounts of a service elsewhere. A token is asked about once however many callers have it, its answer is believed for
 * `cacheMs` or until it expires, and where the service gives no clear answer nobody is let in.
 *
 * Tokens are kept as SHA-256 only. Five failures in a row open the breaker: for 2 s every unknown token is answered
 * `account_service` at once, then one request tries whether the service is back.
 */
export class RemoteAccounts implements Accounts {
  readonly #pool: Pool;
  readonly #path: string;
  readonly #cacheMs: number;
  readonly #timeoutMs: number;
  readonly #now: () => number;
  readonly #cache = new LRUCache<string, Cached>({ max: CACHED });
  readonly #flights = new Map<string, Promise<Account>>();
  readonly #turns: BulkheadPolicy = bulkhead(AT_A_TIME, WAITING);
  readonly #breaker: CircuitBreakerPolicy;
  #reach: Reach = 'never';

  constructor({ server, path, cacheMs, timeoutMs, openMs = OPEN_MS, now = Date.now }: RemoteAccountsOptions) {
    this.#pool = new Pool(server.origin, { connections: AT_A_TIME, pipelining: 1, connect: { timeout: timeoutMs } });
    this.#path = `${server.pathname.replace(/\/$/, '')}${path}`;
    this.#cacheMs = cacheMs;
    this.#timeoutMs = Math.min(timeoutMs, LONGEST_REQUEST_MS);
    this.#now = now;
    this.#breaker = circuitBreaker(handleType(Away), {
      halfOpenAfter: openMs,
      breaker: new ConsecutiveBreaker(FAILURES_TO_OPEN),
    });
  }

  /** What the last question showed; `never` until the first clear answer. */
  get reach(): Reach {
    return this.#reach;
  }

  /** Asks about a token that is none, past the breaker: any clear answer shows that the service is there. */
  async probe(): Promise<void> {
    await this.#request(PROBE, this.#timeoutMs).catch(() => {});
  }

  async validate(token: string, { fresh = false } = {}): Promise<Account> {
    if (!TOKEN.test(token)) throw refused();
    const hash = tokenHashOf(token);
    const cached = fresh ? undefined : this.#cache.get(hash);
    if (cached !== undefined && cached.until > this.#now()) return cached.account;
    // A question under way is no cache: it is at most as old as its time-out, and `forget` takes it out of here.
    const under = this.#flights.get(hash);
    if (under !== undefined) return under;
    const flight: Promise<Account> = this.#fly(hash, token, () => this.#flights.get(hash) === flight);
    this.#flights.set(hash, flight);
    return flight;
  }

  /** Answers under way are not kept either: they may be older than what made us forget. */
  forget({ user, tokenHash }: { user?: string; tokenHash?: string }): void {
    if (tokenHash !== undefined) {
      this.#cache.delete(tokenHash);
      this.#flights.delete(tokenHash);
    }
    if (user !== undefined) {
      for (const [hash, { account }] of [...this.#cache.entries()]) {
        if (account.user === user) this.#cache.delete(hash);
      }
      this.#flights.clear();
    }
  }

  /** Ends the requests under way; their callers are told that the service is away. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #fly(hash: string, token: string, isCurrent: () => boolean): Promise<Account> {
    try {
      const account = await this.#ask(token);
      const now = this.#now();
      const expiresAt = account?.expiresAt ?? Number.POSITIVE_INFINITY;
      if (account === undefined || expiresAt <= now) {
        this.#cache.delete(hash);
        throw refused();
      }
      if (isCurrent()) this.#cache.set(hash, { account, until: Math.min(now + this.#cacheMs, expiresAt) });
      return account;
    } finally {
      if (isCurrent()) this.#flights.delete(hash);
    }
  }

  async #request(token: string, ms: number): Promise<Answer> {
    try {
      const signal = AbortSignal.timeout(Math.max(1, Math.floor(ms)));
      const answer = await requestAccount(this.#pool, this.#path, token, signal);
      this.#reach = 'here';
      return answer;
    } catch (cause) {
      if (this.#reach !== 'never') this.#reach = 'away';
      throw cause;
    }
  }

  /**
   * A caller waits for its turn only as long as the request after it keeps its full time: one that is started too late
   * to be answered would look like a failure of the service and open the breaker for everybody.
   */
  async #ask(token: string): Promise<Answer> {
    const endsAt = performance.now() + PATIENCE_MS;
    const leftMs = () => endsAt - performance.now();
    const request = () => this.#request(token, Math.min(this.#timeoutMs, leftMs()));
    const turn = () => {
      if (leftMs() < this.#timeoutMs) throw new Away('no turn in time');
      return this.#breaker.execute(request);
    };
    try {
      return await within(PATIENCE_MS, this.#turns.execute(turn), () => new Away('no answer in time'));
    } catch (cause) {
      throw new ChatError('account_service', 'the account service is away at the moment; try again', {
        retryAfterMs: 1000,
        cause,
      });
    }
  }
}

const refused = (): ChatError =>
  new ChatError('invalid_token', 'the account service refuses this token; get a new one');
