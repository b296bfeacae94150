import { createHash } from 'node:crypto';
import type { Chat } from './chat.ts';
import { ChatError } from './errors.ts';
import type { Account } from './model.ts';

export const tokenHashOf = (token: string): string => createHash('sha256').update(token).digest('hex');

const refused = () => new ChatError('invalid_token', 'the token is not valid (any more); get a new one');

/** Beside the accounts, not in them: those are logged, cached and told to other processes, where no token may go. */
const tokens = new WeakMap<Account, string>();

/** The token that an account came with, as long as this process holds that very account. */
export const tokenOf = (account: Account): string | undefined => tokens.get(account);

/** Who the token belongs to. `fresh` asks the account service past any cache. @throws invalid_token, account_service */
export async function authenticate(
  chat: Pick<Chat, 'accounts' | 'store' | 'clock'>,
  token: string | undefined,
  { fresh = false } = {},
): Promise<Account> {
  if (token === undefined || token === '') throw new ChatError('invalid_token', 'a bearer token is required');
  const account = await chat.accounts.validate(token, { fresh });
  tokens.set(account, token);
  if (account.expiresAt !== undefined && account.expiresAt <= chat.clock.now()) throw refused();
  // Accounts that live outside are asked anew after a revocation; tokens that prove themselves must be remembered here.
  if (account.issuedAt !== undefined) {
    const user = `user:${account.user}`;
    const revoked = await chat.store.revocations([user, `token:${tokenHashOf(token)}`]);
    for (const [subject, at] of revoked) if (subject !== user || at >= account.issuedAt) throw refused();
  }
  return account;
}

/** A revocation event: live sockets are cut on every node, caches forget. For tokens of role service. */
export async function revoke(
  chat: Chat,
  caller: Account,
  subject: { user?: string | undefined; tokenHash?: string | undefined },
): Promise<void> {
  if (!caller.roles.includes('service')) throw new ChatError('role_required', 'this needs a token of role service');
  const now = chat.clock.now();
  const { user, tokenHash } = subject;
  if (user !== undefined) {
    await chat.store.revoke(`user:${user}`, now);
    chat.hub.tellAll({ kind: 'revoked', user });
  }
  if (tokenHash !== undefined) {
    await chat.store.revoke(`token:${tokenHash}`, now);
    chat.hub.tellAll({ kind: 'revoked', tokenHash });
  }
}
