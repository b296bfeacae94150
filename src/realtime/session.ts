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

const gone = (): ChatError => new ChatError('not_connected', 'the socket is gone');

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
  /** Rooms left before the list of the user's rooms was there: that list may be older. Undefined from then on. */
  #leftEarly: Set<RoomId> | undefined = new Set();
  #reading: RoomId | undefined;
  /** Counts changes of what is read along, so that of two at once the later call wins. */
  #readingTurn = 0;
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

  /** Whether the token has run out: until the socket is closed it may only be renewed. */
  get expired(): boolean {
    return this.cancelExpiry !== undefined;
  }

  /** Follows the rooms of a list that was read after this session was made known to its user's events. */
  enterListed(ids: readonly RoomId[]): Promise<unknown> {
    const left = this.#leftEarly;
    this.#leftEarly = undefined;
    return this.enter(ids.filter((id) => !left?.has(id)));
  }

  /** Follows a room whose membership was read and not heard: it may be over by now. */
  async enterAsMember(room: RoomId): Promise<RoomFeed> {
    const heard = this.isMember(room);
    await this.enter([room]);
    if (!heard && (await this.#chat.store.standing(room, this.account.user))?.role === undefined) this.exit(room);
    const feed = this.isMember(room) ? this.feedOf(room) : undefined;
    if (!feed) throw noSuchRoom();
    return feed;
  }

  /** Follows the rooms for as long as the user is a member; resolves when their events arrive. */
  async enter(ids: readonly RoomId[]): Promise<void> {
    if (this.#closed) throw gone();
    for (const id of ids) this.#leftEarly?.delete(id);
    const missing = ids.filter((id) => !this.#entered.has(id));
    if (missing.length > 0) {
      const entries = new Map(missing.map((id) => [id, { followed: false, ready: Promise.resolve() }]));
      const ready = this.#follow(entries);
      for (const [id, entry] of entries) {
        entry.ready = ready;
        this.#entered.set(id, entry);
      }
    }
    await Promise.all(new Set(ids.map((id) => this.#entered.get(id)?.ready)));
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
    if (!entry) this.#leftEarly?.add(room);
    if (!entry?.followed) return;
    void this.socket.leave(rooms.members(room));
    this.#chat.hub.feeds.release(room);
  }

  /** Reads along in a public room, until the next call. */
  async read(room: RoomId): Promise<RoomFeed> {
    const { feeds } = this.#chat.hub;
    const followed = this.#reading === room ? feeds.get(room) : undefined;
    if (followed) {
      this.#readingTurn += 1;
      return followed;
    }
    this.stopReading();
    const turn = this.#readingTurn;
    const feed = (await feeds.follow([room])).get(room);
    if (!feed) throw noSuchRoom();
    if (this.#closed || turn !== this.#readingTurn) feeds.release(room);
    else {
      this.#reading = room;
      void this.socket.join(rooms.readers(room));
    }
    if (this.#closed) throw gone();
    return feed;
  }

  stopReading(): void {
    this.#readingTurn += 1;
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
