import type { Chat } from '../chat/chat.ts';
import { ChatError, noSuchRoom } from '../chat/errors.ts';
import type { Account, RoomId } from '../chat/model.ts';
import type { RoomFeed } from '../chat/room-feed.ts';
import * as rooms from './socket-rooms.ts';
import type { ChatSocket } from './socket-types.ts';

interface Entered {
  ready: Promise<void>;
  /** Whether the room's feed is held for this socket. */
  followed: boolean;
}

/** One connected socket: who it is, which rooms it follows, and what must be given back when it goes. */
export class Session {
  readonly socket: ChatSocket;
  account: Account;
  /** Where the token is watched; replaced when it is renewed. */
  releaseToken: () => void = () => {};
  /** Set while the socket waits to be closed for an expired token. */
  cancelExpiry: (() => void) | undefined;
  readonly #chat: Chat;
  readonly #entered = new Map<RoomId, Entered>();
  #reading: RoomId | undefined;
  #closed = false;

  constructor(chat: Chat, socket: ChatSocket, account: Account) {
    this.#chat = chat;
    this.socket = socket;
    this.account = account;
  }

  /** Rooms the user is a member of. */
  get rooms(): RoomId[] {
    return [...this.#entered.keys()];
  }

  get reading(): RoomId | undefined {
    return this.#reading;
  }

  get closed(): boolean {
    return this.#closed;
  }

  isMember(room: RoomId): boolean {
    return this.#entered.has(room);
  }

  /** The feed whose events this socket hears. */
  feedOf(room: RoomId): RoomFeed | undefined {
    return this.isMember(room) || this.#reading === room ? this.#chat.hub.feeds.get(room) : undefined;
  }

  /** Follows the rooms for as long as the user is a member; resolves when their events arrive. */
  enter(ids: readonly RoomId[]): Promise<unknown> {
    const missing = ids.filter((id) => !this.#entered.has(id));
    if (missing.length > 0) {
      const entries = new Map(missing.map((id) => [id, { followed: false, ready: Promise.resolve() }]));
      const ready = this.#follow(entries);
      for (const [id, entry] of entries) {
        entry.ready = ready;
        this.#entered.set(id, entry);
      }
    }
    return Promise.all(new Set(ids.map((id) => this.#entered.get(id)?.ready)));
  }

  async #follow(entries: ReadonlyMap<RoomId, Entered>): Promise<void> {
    const { feeds } = this.#chat.hub;
    const found = await feeds.follow([...entries.keys()]).catch((cause: unknown) => {
      for (const [id, entry] of entries) if (this.#entered.get(id) === entry) this.#entered.delete(id);
      throw cause;
    });
    for (const [id, entry] of entries) {
      const wanted = this.#entered.get(id) === entry;
      if (wanted && found.has(id)) {
        entry.followed = true;
        void this.socket.join(rooms.members(id));
      } else if (found.has(id)) {
        feeds.release(id); // left while the feed was opened
      } else if (wanted) {
        this.#entered.delete(id); // the room is gone
      }
    }
  }

  /** Stops following a room the user is no longer a member of. */
  exit(room: RoomId): void {
    const entry = this.#entered.get(room);
    this.#entered.delete(room);
    if (!entry?.followed) return;
    void this.socket.leave(rooms.members(room));
    this.#chat.hub.feeds.release(room);
  }

  /** Reads along in a public room, until the next call. */
  async read(room: RoomId): Promise<RoomFeed> {
    if (this.#reading !== room) {
      this.stopReading();
      const feed = (await this.#chat.hub.feeds.follow([room])).get(room);
      if (!feed) throw noSuchRoom();
      if (this.#closed) {
        this.#chat.hub.feeds.release(room);
        throw new ChatError('not_connected', 'the socket is gone');
      }
      this.stopReading();
      this.#reading = room;
      void this.socket.join(rooms.readers(room));
      return feed;
    }
    const feed = this.#chat.hub.feeds.get(room);
    if (!feed) throw noSuchRoom();
    return feed;
  }

  stopReading(): void {
    const room = this.#reading;
    if (room === undefined) return;
    this.#reading = undefined;
    void this.socket.leave(rooms.readers(room));
    this.#chat.hub.feeds.release(room);
  }

  /** Gives everything back; any number of times. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.releaseToken();
    this.cancelExpiry?.();
    this.stopReading();
    for (const room of this.rooms) this.exit(room);
  }
}
