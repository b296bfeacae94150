import type { Chat } from '../chat/chat.ts';
import type { RoomId, UserId } from '../chat/model.ts';
import type { Session } from './session.ts';

const RETRY_MS = 1000;

/** The sessions of this node by user; tells the presence of the first and the last of each. */
export class Sessions {
  readonly #chat: Chat;
  readonly #byUser = new Map<UserId, Set<Session>>();
  /** Users of whom presence was told: those with a session that is fully connected. */
  readonly #present = new Map<UserId, Set<Session>>();

  constructor(chat: Chat) {
    this.#chat = chat;
  }

  of(user: UserId): ReadonlySet<Session> {
    return this.#byUser.get(user) ?? new Set();
  }

  *all(): Iterable<Session> {
    for (const sessions of this.#byUser.values()) yield* sessions;
  }

  /** From now on the session hears of its user's joins and leaves. */
  add(session: Session): void {
    const { user } = session.account;
    this.#byUser.set(user, (this.#byUser.get(user) ?? new Set()).add(session));
  }

  connected(session: Session): void {
    const { user } = session.account;
    const present = this.#present.get(user) ?? new Set();
    this.#present.set(user, present.add(session));
    if (present.size === 1) this.#tell(user, session.rooms, 1);
  }

  remove(session: Session): void {
    const { user } = session.account;
    const left = this.#byUser.get(user);
    left?.delete(session);
    if (left?.size === 0) this.#byUser.delete(user);
    const present = this.#present.get(user);
    if (!present?.delete(session) || present.size > 0) return;
    this.#present.delete(user);
    this.#tell(user, session.rooms, 2);
  }

  #tell(user: UserId, rooms: readonly RoomId[], status: 1 | 2): void {
    const { presence, hub, log, clock } = this.#chat;
    const tell = async (): Promise<boolean> => (status === 1 ? presence.enter(user) : presence.exit(user));
    tell().then(
      (changed) => {
        if (changed) hub.tellAll({ kind: 'status', user, status, rooms });
      },
      (cause: unknown) => {
        log.warn('presence could not be told; trying again', { user, status, cause });
        clock.after(RETRY_MS, () => {
          // Meanwhile the user may have come back, or gone.
          if (this.#present.has(user) === (status === 1)) this.#tell(user, rooms, status);
        });
      },
    );
  }
}
