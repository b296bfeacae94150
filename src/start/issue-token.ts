import { parseConfig } from '../config/parse-config.ts';
import { EmbeddedAccounts } from '../drivers/accounts/embedded/embedded-accounts.ts';

export interface TokenRequest {
  readonly name: string;
  /** A new user when absent. */
  readonly user?: string;
  readonly roles: readonly string[];
  /** `1` user, `2` service, `3` bot. */
  readonly type: string;
  readonly days: string;
}

const DAY_MS = 24 * 3_600_000;

/** A development token with any roles, good for every server on the same DATA_DIR. Rejects where accounts are not embedded. */
export async function issueToken(env: NodeJS.ProcessEnv, { days, type, ...request }: TokenRequest): Promise<string> {
  const { accounts } = parseConfig(env);
  if (accounts.kind !== 'embedded') throw new Error('tokens are made by the account service (AUTH_SERVER), not here');
  const lifetimeMs = Number(days) * DAY_MS;
  if (!(lifetimeMs > 0)) throw new Error('--days takes a number above 0');
  if (type !== '1' && type !== '2' && type !== '3') throw new Error('--type is 1 (user), 2 (service) or 3 (bot)');
  const issuer = await EmbeddedAccounts.open(accounts.dir);
  const { token } = await issuer.issue({ ...request, type: Number(type) as 1 | 2 | 3, lifetimeMs });
  return token;
}
