import { randomUUID, webcrypto } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { ChatError, invalidFields } from '../../../chat/errors.ts';
import type { Account, AccountType, UserId } from '../../../chat/model.ts';
import type { Accounts, GuestAccounts } from '../../../chat/ports/accounts.ts';
import { account } from '../../../wire/account.ts';
import { keyFrom } from './key-file.ts';

const ISSUER = 'parley-embedded';
const ALGORITHM = 'HS256';
const GUEST_LIFETIME_MS = 30 * 24 * 3_600_000;

/** `iat` and `exp` are in seconds; revocation compares milliseconds, so they are kept apart in `iatMs` and `expMs`. */
const claims = account.omit({ user: true, type: true, expiresAt: true }).extend({
  sub: account.shape.user,
  typ: account.shape.type,
  iatMs: z.int().min(0),
  expMs: z.int().min(0),
});

export interface Issue {
  /** A new user when absent. */
  readonly user?: UserId;
  readonly name: string;
  readonly type: AccountType;
  readonly roles: readonly string[];
  readonly lifetimeMs: number;
}

export type IssuedAccount = Account & { readonly token: string; readonly expiresAt: number; readonly issuedAt: number };

/**
 * Accounts that are nothing but their tokens, signed with a key in the data folder: whoever reads that file is
 * everybody, so this is for development only. Nothing is cached, and every answer is fresh.
 */
export class EmbeddedAccounts implements Accounts, GuestAccounts {
  /** Imported once: with the bare bytes every check would begin with that, on a thread of its own. */
  readonly #key: webcrypto.CryptoKey;
  readonly #now: () => number;

  private constructor(key: webcrypto.CryptoKey, now: () => number) {
    this.#key = key;
    this.#now = now;
  }

  /** All processes that open the same folder, at once or later, accept one another's tokens. */
  static async open(dir: string, now: () => number = Date.now): Promise<EmbeddedAccounts> {
    const usages: webcrypto.KeyUsage[] = ['sign', 'verify'];
    const kind = { name: 'HMAC', hash: 'SHA-256' };
    return new EmbeddedAccounts(await webcrypto.subtle.importKey('raw', await keyFrom(dir), kind, false, usages), now);
  }

  /** Every call makes a new user, whatever the name. Rejects with `invalid_fields` when the name is none. */
  createGuest(name: string): Promise<IssuedAccount> {
    return this.issue({ name, type: 1, roles: ['user'], lifetimeMs: GUEST_LIFETIME_MS });
  }

  /** A development token with any roles. Rejects with `invalid_fields` when user, name or roles are not well formed. */
  async issue({ user = `g-${randomUUID()}`, name, type, roles, lifetimeMs }: Issue): Promise<IssuedAccount> {
    const checked = account.safeParse({ user, name, type, roles });
    if (!checked.success) {
      const fields = [...new Set(checked.error.issues.map((it) => String(it.path[0])))];
      throw invalidFields(`not well formed: ${fields.join(', ')}`, ...fields);
    }
    const issuedAt = this.#now();
    const expiresAt = issuedAt + lifetimeMs;
    const token = await new SignJWT({ name, typ: type, roles, iatMs: issuedAt, expMs: expiresAt })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
      .setIssuer(ISSUER)
      .setSubject(user)
      .setJti(randomUUID())
      .setIssuedAt(Math.floor(issuedAt / 1000))
      .setExpirationTime(Math.ceil(expiresAt / 1000))
      .sign(this.#key);
    return { token, user, type, name, roles: [...roles], issuedAt, expiresAt };
  }

  async validate(token: string): Promise<Account> {
    const found = claims.safeParse(await this.#verified(token));
    if (!found.success) throw refused();
    const { sub, typ, name, roles, iatMs, expMs } = found.data;
    if (expMs <= this.#now()) throw expired();
    return { user: sub, type: typ, name, roles, issuedAt: iatMs, expiresAt: expMs };
  }

  /** Nothing is kept here; what was revoked is remembered by the store. */
  forget(): void {}

  async #verified(token: string): Promise<unknown> {
    try {
      const verified = await jwtVerify(token, this.#key, {
        algorithms: [ALGORITHM],
        issuer: ISSUER,
        requiredClaims: ['sub', 'iat', 'exp'],
        currentDate: new Date(this.#now()),
      });
      return verified.payload;
    } catch (cause) {
      // jose's errors may carry claims: they are told apart here and go no further.
      const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
      throw code === 'ERR_JWT_EXPIRED' ? expired() : refused();
    }
  }
}

const refused = (): ChatError => new ChatError('invalid_token', 'the token is not one of this server; get a new one');
const expired = (): ChatError => new ChatError('invalid_token', 'the token has expired; get a new one');
