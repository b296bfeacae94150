import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { tokenHashOf } from '../../../chat/authenticate.ts';
import { ChatError } from '../../../chat/errors.ts';
import type { Account } from '../../../chat/model.ts';
import type { Accounts } from '../../../chat/ports/accounts.ts';
import type { Reach } from '../../../platform/reach.ts';
import { readClaims } from './account-claims.ts';
import { KeySet, type KeySetOptions } from './key-set.ts';

/** Signatures only: with a shared secret (`HS*`) the public key would be one, and `none` proves nothing. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
const MAX_TOKEN = 8192;
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
/** How far the issuer's clock may be ahead of ours; nothing lives longer for it. */
const AHEAD_S = 5;
const CACHED = 20_000;

interface JwtAccountsOptions extends Omit<KeySetOptions, 'url'> {
  readonly jwksUrl: URL;
  /** The `iss` and `aud` that tokens must carry; any when absent. */
  readonly issuer?: string;
  readonly audience?: string;
  readonly cacheMs: number;
  readonly now?: () => number;
}

interface Cached {
  readonly account: Account;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/**
 * Accounts that prove themselves: tokens signed by an issuer whose public keys are at `jwksUrl`. A proof is believed for
 * `cacheMs` or until the token expires, and is made again from the keys at hand, so that only tokens of unknown keys
 * need the issuer: they are `account_service` while it is away. Tokens are kept as SHA-256 only.
 */
export class JwtAccounts implements Accounts {
  readonly #keys: KeySet;
  readonly #checks: JWTVerifyOptions;
  readonly #cacheMs: number;
  readonly #now: () => number;
  readonly #cache = new LRUCache<string, Cached>({ max: CACHED });

  constructor({ jwksUrl, issuer, audience, cacheMs, now = Date.now, ...rest }: JwtAccountsOptions) {
    this.#keys = new KeySet({ ...rest, url: jwksUrl });
    this.#checks = {
      algorithms: ALGORITHMS,
      requiredClaims: ['sub', 'exp'],
      clockTolerance: AHEAD_S,
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined ? {} : { audience }),
    };
    this.#cacheMs = cacheMs;
    this.#now = now;
  }

  /** Of the issuer; `never` until its keys were fetched once. */
  get reach(): Reach {
    return this.#keys.reach;
  }

  async validate(token: string, { fresh = false } = {}): Promise<Account> {
    if (token.length > MAX_TOKEN || !JWT.test(token)) throw refused('is not a signed JWT');
    const hash = tokenHashOf(token);
    const cached = fresh ? undefined : this.#cache.get(hash);
    if (cached !== undefined && cached.until > this.#now()) return cached.account;
    try {
      const account = await this.#prove(token);
      this.#cache.set(hash, { account, until: Math.min(this.#now() + this.#cacheMs, account.expiresAt) });
      return account;
    } catch (error) {
      const told = chatErrorOf(error);
      if (told.code === 'invalid_token') this.#cache.delete(hash);
      throw told;
    }
  }

  /** What was revoked is remembered by the store; this only frees what is kept here. */
  forget({ user, tokenHash }: { user?: string; tokenHash?: string }): void {
    if (tokenHash !== undefined) this.#cache.delete(tokenHash);
    if (user === undefined) return;
    for (const [hash, { account }] of [...this.#cache.entries()]) {
      if (account.user === user) this.#cache.delete(hash);
    }
  }

  close(): Promise<void> {
    return this.#keys.close();
  }

  async #prove(token: string): Promise<Account & { readonly expiresAt: number }> {
    const found = readClaims(await this.#verified(token));
    if ('misfit' in found) throw misfit(found.misfit);
    // Not a moment longer than the token says: the tolerance is for what begins, not for what ends.
    if (found.expiresAt <= this.#now()) throw expired();
    // Issued in the future it would outlive a revocation of today.
    if (found.issuedAt > this.#now() + AHEAD_S * 1000) throw misfit('iat');
    return found;
  }

  async #verified(token: string): Promise<JWTPayload> {
    const checks = { ...this.#checks, currentDate: new Date(this.#now()) };
    try {
      return (await jwtVerify(token, this.#keys.keyOf, checks)).payload;
    } catch (error) {
      // The token names no key, and several would do: one of them must have signed it.
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      for await (const key of error) {
        try {
          return (await jwtVerify(token, key, checks)).payload;
        } catch (other) {
          if (!(other instanceof errors.JWSSignatureVerificationFailed)) throw other;
        }
      }
      throw new errors.JWSSignatureVerificationFailed();
    }
  }
}

const refused = (why: string): ChatError => new ChatError('invalid_token', `the token ${why}; get a new one`);
const expired = (): ChatError => refused('has expired');
const misfit = (claim: string): ChatError => refused(`has a claim that does not fit: ${claim}`);

/** What jose says of a token that is not good; any other error is one of the keys. */
const REFUSALS: Readonly<Record<string, (error: errors.JOSEError) => ChatError>> = {
  ERR_JWT_EXPIRED: expired,
  ERR_JWT_CLAIM_VALIDATION_FAILED: (error) =>
    misfit(error instanceof errors.JWTClaimValidationFailed ? error.claim : 'unknown'),
  ERR_JWT_INVALID: () => refused('is not a signed JWT'),
  ERR_JWS_INVALID: () => refused('is not a signed JWT'),
  ERR_JOSE_ALG_NOT_ALLOWED: () => refused('is signed in a way that is not accepted'),
  ERR_JOSE_NOT_SUPPORTED: () => refused('is signed in a way that is not accepted'),
  ERR_JWKS_NO_MATCHING_KEY: () => refused('is signed by nobody that is known'),
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: () => refused('is signed by nobody that is known'),
};

function chatErrorOf(error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  // A refusal has no cause: jose's errors carry claims.
  const refusal = error instanceof errors.JOSEError ? REFUSALS[error.code]?.(error) : undefined;
  if (refusal !== undefined) return refusal;
  const detail = 'the account service is away at the moment; try again';
  return new ChatError('account_service', detail, { retryAfterMs: 1000, cause: error });
}
