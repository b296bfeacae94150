import type { UserId } from '../../../chat/model.ts';
import type { Presence } from '../../../chat/ports/presence.ts';
import type { Link } from '../../../platform/link.ts';

/** Presence of a worker: the primary keeps the one table. */
export class ClusterPresence implements Presence {
  readonly #link: Link;

  constructor(link: Link) {
    this.#link = link;
  }

  enter(user: UserId): Promise<boolean> {
    return this.#link.call('presence.enter', user);
  }

  exit(user: UserId): Promise<boolean> {
    return this.#link.call('presence.exit', user);
  }

  async online(users: readonly UserId[]): Promise<{ users: Set<UserId>; stale: boolean }> {
    if (users.length === 0) return { users: new Set(), stale: false };
    return { users: await this.#link.call<Set<UserId>>('presence.online', users), stale: false };
  }

  onGone(listener: (users: UserId[]) => void): void {
    this.#link.on('presence.gone', listener);
  }
}
