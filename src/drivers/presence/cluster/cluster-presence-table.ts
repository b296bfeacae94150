import type { UserId } from '../../../chat/model.ts';
import type { Link } from '../../../platform/link.ts';

/**
 * The primary's part of presence: who has a socket on which worker. A worker's channel closes with it, so no lease is
 * needed: its users go at once.
 */
export class ClusterPresenceTable {
  readonly #links = new Map<Link, Set<UserId>>();
  readonly #nodes = new Map<UserId, number>();

  get size(): number {
    return this.#nodes.size;
  }

  attach(link: Link): void {
    const own = new Set<UserId>();
    this.#links.set(link, own);
    link.handle('presence.enter', (user: UserId) => {
      if (own.has(user)) return false;
      own.add(user);
      const nodes = (this.#nodes.get(user) ?? 0) + 1;
      this.#nodes.set(user, nodes);
      return nodes === 1;
    });
    link.handle('presence.exit', (user: UserId) => own.delete(user) && this.#remove(user));
    link.handle('presence.online', (users: readonly UserId[]) => new Set(users.filter((it) => this.#nodes.has(it))));
  }

  detach(link: Link): void {
    const own = this.#links.get(link) ?? [];
    this.#links.delete(link);
    const gone = [...own].filter((user) => this.#remove(user));
    if (gone.length > 0) for (const other of this.#links.keys()) other.tell('presence.gone', gone);
  }

  /** True when that was the user's last node. */
  #remove(user: UserId): boolean {
    const nodes = (this.#nodes.get(user) ?? 0) - 1;
    if (nodes > 0) this.#nodes.set(user, nodes);
    else this.#nodes.delete(user);
    return nodes <= 0;
  }
}
