import { type CryptoKey, createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { Pool } from 'undici';
import type { Log } from '../../../chat/ports/log.ts';
import { bodyText } from '../../../platform/body-text.ts';
import type { Reach } from '../../../platform/reach.ts';

const MAX_BODY_BYTES = 512 * 1024;
/** A caller that has to wait for the keys is told within 2 s. */
const LONGEST_FETCH_MS = 1500;
/** A key that was withdrawn is good for so long at most, while the set can be fetched. */
const REFRESH_MS = 5 * 60_000;
const RETRY_MS = 1000;
/** A token may name any key: those that are unknown make us fetch no more often than this. */
const COOLDOWN_MS = 5000;

type Asked = Parameters<JWTVerifyGetKey>;
type KeyOf = (...asked: Asked) => Promise<CryptoKey>;

/** Whether the key of a token is a good one cannot be told now. */
class KeysAway extends Error {
  override readonly name = 'KeysAway';
}

export interface KeySetOptions {
  readonly url: URL;
  /** For one fetch; 1.5 s at most. */
  readonly timeoutMs: number;
  readonly log?: Pick<Log, 'info' | 'warn'>;
  readonly refreshMs?: number;
  /** Between two fetches that fail; half of it more at random. */
  readonly retryMs?: number;
  readonly cooldownMs?: number;
}

/**
 * The public keys of an issuer, fetched at once, every `refreshMs`, and when a token names a key that is not among them.
 * The keys that were fetched last stay in force while they cannot be fetched: tokens that they signed prove themselves.
 * What else is asked for meanwhile rejects with {@link KeysAway} and makes nobody fetch: the retries go on by themselves.
 */
export class KeySet {
  readonly #pool: Pool;
  readonly #path: string;
  readonly #timeoutMs: number;
  readonly #refreshMs: number;
  readonly #retryMs: number;
  readonly #cooldownMs: number;
  readonly #log: Pick<Log, 'info' | 'warn'> | undefined;
  #keys: KeyOf | undefined;
  #fetchedAt = Number.NEGATIVE_INFINITY;
  /** Why the last fetch failed, when it did. */
  #failure: unknown;
  #flight: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: KeySetOptions) {
    const { url, timeoutMs, log, refreshMs = REFRESH_MS, retryMs = RETRY_MS, cooldownMs = COOLDOWN_MS } = options;
    this.#timeoutMs = Math.min(timeoutMs, LONGEST_FETCH_MS);
    this.#pool = new Pool(url.origin, { connections: 1, connect: { timeout: this.#timeoutMs } });
    this.#path = `${url.pathname}${url.search}`;
    this.#refreshMs = refreshMs;
    this.#retryMs = retryMs;
    this.#cooldownMs = cooldownMs;
    this.#log = log;
    void this.#fetch();
  }

  /** What the last fetch showed; `never` until the first that succeeded. */
  get reach(): Reach {
    if (this.#keys === undefined) return 'never';
    return this.#failure === undefined ? 'here' : 'away';
  }

  /** The key that a token names. Rejects with {@link KeysAway}, or with an error of jose when it is none of the issuer's. */
  readonly keyOf: KeyOf = async (...asked) => {
    if (this.#keys === undefined) await this.#flight;
    try {
      return await this.#known(asked);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      const isCool = performance.now() - this.#fetchedAt >= this.#cooldownMs;
      if (this.#flight !== undefined || (this.reach === 'here' && isCool)) await this.#fetch();
      if (this.reach !== 'here') throw this.#away();
      return await this.#known(asked);
    }
  };

  /** Ends the fetch under way; its callers are told {@link KeysAway}. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#pool.destroy();
    await this.#flight;
  }

  async #known(asked: Asked): Promise<CryptoKey> {
    if (this.#keys === undefined) throw this.#away();
    return await this.#keys(...asked);
  }

  #away(): KeysAway {
    return new KeysAway('the keys of the account service could not be fetched', { cause: this.#failure });
  }

  /** Fetches once however many ask, and never rejects. */
  #fetch(): Promise<void> {
    clearTimeout(this.#timer);
    this.#flight ??= this.#request()
      .then(
        (keys) => this.#succeeded(keys),
        (cause: unknown) => this.#failed(cause),
      )
      .finally(() => {
        this.#flight = undefined;
      });
    return this.#flight;
  }

  async #request(): Promise<KeyOf> {
    const { statusCode, body } = await this.#pool.request({
      method: 'GET',
      path: this.#path,
      headers: { accept: 'application/jwk-set+json, application/json' },
      signal: AbortSignal.timeout(this.#timeoutMs),
    });
    const text = await bodyText(body, MAX_BODY_BYTES);
    // Redirects are not followed: these keys decide who gets in, and come from nowhere but the address that was set.
    if (statusCode !== 200) throw new Error(`the key set was answered with ${statusCode}`);
    return createLocalJWKSet(parsed(text));
  }

  #succeeded(keys: KeyOf): void {
    if (this.reach !== 'here') this.#log?.info('the keys of the account service were fetched');
    this.#keys = keys;
    this.#fetchedAt = performance.now();
    this.#failure = undefined;
    this.#fetchAfter(this.#refreshMs);
  }

  #failed(cause: unknown): void {
    if (this.#failure === undefined && !this.#closed) {
      this.#log?.warn('the keys of the account service cannot be fetched; trying on', { err: cause });
    }
    this.#failure = cause;
    this.#fetchAfter(this.#retryMs * (1 + Math.random() / 2));
  }

  #fetchAfter(ms: number): void {
    if (!this.#closed) this.#timer = setTimeout(() => void this.#fetch(), ms);
  }
}

/** What is no key set is refused by jose. The text is no part of the error. */
function parsed(text: string): JSONWebKeySet {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('the key set is no JSON');
  }
}
