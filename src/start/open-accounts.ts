import type { Accounts, GuestAccounts } from '../chat/ports/accounts.ts';
import type { Log } from '../chat/ports/log.ts';
import type { AccountsConfig } from '../config/parse-config.ts';
import type { Reach } from '../platform/reach.ts';
import type { Resources } from '../platform/resources.ts';

/** How often an account service that is away is asked whether it is back. */
const PROBE_MS = 1000;

export interface OpenedAccounts {
  readonly accounts: Accounts;
  /** Only where accounts are embedded. */
  readonly guests?: GuestAccounts;
  /** For readiness. */
  readonly reach: () => Reach;
}

export async function openAccounts(config: AccountsConfig, held: Resources, log: Log): Promise<OpenedAccounts> {
  switch (config.kind) {
    case 'embedded': {
      const { EmbeddedAccounts } = await import('../drivers/accounts/embedded/embedded-accounts.ts');
      const accounts = await EmbeddedAccounts.open(config.dir);
      return { accounts, guests: accounts, reach: () => 'here' };
    }
    case 'remote': {
      const { RemoteAccounts } = await import('../drivers/accounts/remote/remote-accounts.ts');
      const accounts = held.own('accounts', new RemoteAccounts(config), (it) => it.close());
      const probe = () => {
        if (accounts.reach !== 'here') void accounts.probe();
      };
      probe();
      held.own('account probe', setInterval(probe, PROBE_MS), clearInterval);
      return { accounts, reach: () => accounts.reach };
    }
    case 'jwt': {
      const { JwtAccounts } = await import('../drivers/accounts/jwt/jwt-accounts.ts');
      const accounts = held.own('accounts', new JwtAccounts({ ...config, log }), (it) => it.close());
      return { accounts, reach: () => accounts.reach };
    }
    default:
      return config satisfies never;
  }
}
