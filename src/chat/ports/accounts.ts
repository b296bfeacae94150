import type { Account } from '../model.ts';

/** Who a token belongs to. */
export interface Accounts {
  /**
   * Rejects with `invalid_token` when the token is refused, with `account_service` when that cannot be told right now
   * (never accepts then). `fresh` asks past any cache.
   */
  validate(token: string, options?: { fresh?: boolean }): Promise<Account>;
  /** Drops what is cached of a token (SHA-256, hex) or a user. */
  forget(subject: { user?: string; tokenHash?: string }): void;
}

/** Development accounts: a guest for whoever asks. */
export interface GuestAccounts {
  createGuest(name: string): Promise<Account & { token: string; expiresAt: number }>;
}
