import type { Accounts, GuestAccounts } from '../chat/ports/accounts.ts';
import type { AccountsConfig } from '../config/parse-config.ts';
import { EmbeddedAccounts } from '../drivers/accounts/embedded/embedded-accounts.ts';
import { RemoteAccounts } from '../drivers/accounts/remote/remote-accounts.ts';
import type { Resources } from '../platform/resources.ts';

/** Guests exist only where accounts are embedded. */
export async function openAccounts(
  config: AccountsConfig,
  held: Resources,
): Promise<{ accounts: Accounts; guests?: GuestAccounts }> {
  switch (config.kind) {
    case 'embedded': {
      const accounts = await EmbeddedAccounts.open(config.dir);
      return { accounts, guests: accounts };
    }
    case 'remote':
      return { accounts: held.own('accounts', new RemoteAccounts(config), (it) => it.close()) };
    default:
      return config satisfies never;
  }
}
