import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ChatError, type ErrorCode } from '../../src/chat/errors.ts';
import type { Account } from '../../src/chat/model.ts';
import type { Accounts } from '../../src/chat/ports/accounts.ts';

export type AccountFacts = Pick<Account, 'user' | 'name' | 'type' | 'roles'>;

export interface OpenAccounts {
  readonly accounts: Accounts;
  /** A token of that account, good for so long from now on. */
  issue(facts: AccountFacts, lifetimeMs: number): Promise<string>;
  /** Moves the driver's clock. */
  passMs(ms: number): void;
  close(): Promise<void>;
}

export const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');

/**
 * The code a call rejects with; texts of the error and its causes must not hold the token (of less than 6 characters:
 * those occur in any text).
 */
export async function rejectionOf(call: Promise<unknown>, token: string): Promise<ErrorCode | 'none'> {
  try {
    await call;
    return 'none';
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    for (let it: unknown = error; it !== undefined; it = causeOf(it)) {
      if (token.length >= 6) expect(inspect(it, { depth: 5 })).not.toContain(token);
    }
    return error.code;
  }
}

const causeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'cause' in error ? error.cause : undefined;

/** What every driver of accounts does. */
export function accountsContract(driver: string, open: () => Promise<OpenAccounts>): void {
  describe(`Accounts: ${driver}`, () => {
    let opened: OpenAccounts;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(() => opened.close());

    const ana: AccountFacts = { user: 'u-ana', name: 'Ana Μαρία', type: 1, roles: ['user', 'admin'] };

    it('tells whose a token is', async () => {
      const token = await opened.issue(ana, 60_000);
      const account = await opened.accounts.validate(token);
      expect(account).toMatchObject(ana);
      expect(Math.abs((account.expiresAt ?? 0) - Date.now() - 60_000)).toBeLessThan(5000);
    });

    it('tells users, services and bots apart', async () => {
      for (const type of [1, 2, 3] as const) {
        const token = await opened.issue({ user: `u-${type}`, name: `n${type}`, type, roles: [] }, 60_000);
        expect(await opened.accounts.validate(token)).toMatchObject({ user: `u-${type}`, type, roles: [] });
      }
    });

    it.each([
      ['an empty text', ''],
      ['no token', 'nonsense'],
      ['line breaks', 'abc\r\nx-admin: 1'],
      ['other alphabets', 'тоκen'],
      ['NUL', 'a\0b'],
      ['something very long', 'x'.repeat(100_000)],
    ])('refuses %s', async (_name, token) => {
      expect(await rejectionOf(opened.accounts.validate(token), token)).toBe('invalid_token');
    });

    it('refuses a token that was altered', async () => {
      const token = await opened.issue(ana, 60_000);
      const altered = `${token.slice(0, -4)}AAAA`;
      expect(await rejectionOf(opened.accounts.validate(altered), altered)).toBe('invalid_token');
    });

    it('refuses a token after its expiry, also one that it has just accepted', async () => {
      const token = await opened.issue(ana, 5000);
      await opened.accounts.validate(token);
      opened.passMs(5001);
      expect(await rejectionOf(opened.accounts.validate(token), token)).toBe('invalid_token');
      expect(await rejectionOf(opened.accounts.validate(token, { fresh: true }), token)).toBe('invalid_token');
    });

    it('goes on after forgetting a user or a token', async () => {
      const token = await opened.issue(ana, 60_000);
      await opened.accounts.validate(token);
      opened.accounts.forget({ user: ana.user });
      opened.accounts.forget({ tokenHash: hashOf(token) });
      expect(await opened.accounts.validate(token)).toMatchObject(ana);
    });

    it('answers many callers at once', async () => {
      const tokens = await Promise.all(
        Array.from({ length: 40 }, (_, n) => opened.issue({ ...ana, user: `u-${n % 20}` }, 60_000)),
      );
      const users = await Promise.all(tokens.map(async (token) => (await opened.accounts.validate(token)).user));
      expect(users).toEqual(tokens.map((_, n) => `u-${n % 20}`));
    });
  });
}
