import type {
  Ban,
  Command,
  Head,
  Image,
  Member,
  Message,
  MessageId,
  NewMessage,
  Receipt,
  Role,
  Room,
  RoomId,
  RoomView,
  Standing,
  UserId,
  Visibility,
} from '../model.ts';

/** Commands that may wait for an answer at once. */
export const OPEN_COMMANDS_MAX = 10_000;

export interface NewRoom {
  readonly id: RoomId;
  readonly name: string;
  /** The name folded for comparison (chat/rules/room-name.ts). */
  readonly nameKey: string;
  readonly topic: string;
  readonly visibility: Visibility;
  readonly epoch: string;
  readonly createdAt: string;
}

export interface RoomPatch {
  readonly name?: string;
  readonly nameKey?: string;
  readonly topic?: string;
  readonly visibility?: Visibility;
  readonly slowModeMs?: number;
}

export interface RoomQuery {
  readonly user: UserId;
  /** `mine`: rooms the user is a member of; `others`: the rest that the user may see. */
  readonly scope: 'mine' | 'others';
  /** Private rooms of others too (role admin). */
  readonly all: boolean;
  /** Part of the folded name. */
  readonly q?: string;
  readonly limit: number;
  /** The last room of the page before; the order is nameKey, then id. */
  readonly after?: { readonly nameKey: string; readonly id: RoomId };
}

export interface Joined {
  /** False when the user was a member already: nothing changed. */
  readonly added: boolean;
  readonly role: Role;
  readonly count: number;
  readonly headSeq: number;
}

export interface Left {
  /** False when the user was no member: nothing changed. */
  readonly removed: boolean;
  readonly name: string;
  readonly count: number;
  /** The member who owns the room from now on, when the owner left. */
  readonly newOwner?: UserId;
}

/** Messages of one room by closed seq window, both ends included. */
export interface Window {
  readonly from: number;
  readonly to: number;
  readonly order: 'asc' | 'desc';
  readonly limit: number;
}

/** Where messages of a user were found. */
export interface Found {
  readonly messages: readonly { readonly chatroom: RoomId; readonly id: MessageId }[];
  /** Where to go on looking; absent when all was looked through. */
  readonly next?: string;
}

export interface StoredReceipt extends Omit<Receipt, 'replayed' | 'seq'> {
  /** Absent for a command. */
  readonly seq?: number;
  readonly fingerprint: string;
}

/**
 * The truth. Every write resolves only when it is committed and would survive the death of every process; it rejects
 * with a {@link ChatError}: `try_again` means unknown (stored once or not at all), any other code means not stored.
 * Each call ends within 5 s. A read sees every write that resolved before it was made, from whatever process.
 */
export interface Store {
  /** `duplicate` when the name is taken: among public rooms, or among the owner's private ones. The owner is the first member; `invalid_operation` past `maxRooms`. */
  createRoom(room: NewRoom, owner: { user: UserId; name: string }, maxRooms: number): Promise<Room>;
  /** The room as `user` stands to it; undefined when there is none. Visibility is the caller's business. */
  viewRoom(room: RoomId, user: UserId): Promise<RoomView | undefined>;
  /** As {@link Store.viewRoom}, perhaps without the head: for what is asked with every message. */
  standing(room: RoomId, user: UserId): Promise<Standing | undefined>;
  /** `invalid_operation` (412) when `ifVersion` is given and differs, `duplicate`, `invalid_chatroom`. Raises `version`. */
  patchRoom(room: RoomId, patch: RoomPatch, ifVersion?: number): Promise<Room>;
  /** With all that belongs to it. Resolves with the room as it was; `invalid_chatroom` when there is none. */
  deleteRoom(room: RoomId, ifVersion?: number): Promise<Room>;
  /** With each room the caller's role; ordered by nameKey, then id. */
  listRooms(query: RoomQuery): Promise<RoomView[]>;

  /** Ids of all rooms the user is a member of. */
  roomIdsOf(user: UserId): Promise<RoomId[]>;
  /** Ids of all rooms in an order of the store's own, those after `after`. */
  roomIds(limit: number, after?: RoomId): Promise<RoomId[]>;
  /** One read for many rooms; unknown rooms are absent. */
  heads(rooms: readonly RoomId[]): Promise<Map<RoomId, Head>>;

  /** Oldest member first. */
  members(room: RoomId): Promise<Member[]>;
  /**
   * Makes the user a member; the first member of an empty room owns it. Rejects with `banned`, with
   * `invalid_operation` past `maxRooms`, with `invalid_chatroom`.
   */
  addMember(
    room: RoomId,
    member: { user: UserId; name: string; at: string; role: Role },
    maxRooms: number,
  ): Promise<Joined>;
  /** `owner` hands the room over: the owner so far becomes moderator and `version` rises. `not_a_member` (404). */
  setRole(room: RoomId, user: UserId, role: Role): Promise<Room>;
  /** When the owner leaves, the oldest member owns the room; an empty room stays. */
  removeMember(room: RoomId, user: UserId): Promise<Left>;
  /** Bans and removes in one step. */
  ban(room: RoomId, ban: Ban & { by: UserId; at: string }): Promise<Left>;
  unban(room: RoomId, user: UserId): Promise<void>;

  /**
   * Allots the next seq of the room and stores the message: 1, 2, 3 … without holes, whoever appends at the same time.
   * A repeated (room, owner, clientId) resolves with the first receipt and `replayed`, or rejects with
   * `idempotency_conflict` when the fingerprint differs or the key belongs to a command.
   * A bot's message whose `inReplyTo` is a command marks that command answered.
   *
   * `knownHead` is the highest seq of the room that this node has seen, by which a store without a single writer
   * guesses the next one: never above the true head. Without it such a store looks first.
   */
  append(message: NewMessage, knownHead?: number): Promise<Receipt>;
  /** What (room, owner, clientId) was used for, message or command. */
  findReceipt(room: RoomId, owner: UserId, clientId: string): Promise<StoredReceipt | undefined>;
  /** Empty when nothing lies in the window. */
  messages(room: RoomId, window: Window): Promise<Message[]>;
  message(room: RoomId, id: MessageId): Promise<Message | undefined>;
  /** Undefined when the message has none, or was deleted. */
  image(room: RoomId, id: MessageId): Promise<Image | undefined>;
  /** Raises the room's `rev`. Undefined when there is no such message or it was deleted. */
  editMessage(room: RoomId, id: MessageId, text: string, type: 1 | 2): Promise<Message | undefined>;
  /** A tombstone keeps its seq; text, image and meta are gone. Undefined when there is none; a second call changes nothing. */
  deleteMessage(room: RoomId, id: MessageId): Promise<Message | undefined>;
  /** Messages edited or deleted after `rev`, by rev, the lowest first. */
  changedSince(room: RoomId, rev: number, limit: number): Promise<Message[]>;

  /**
   * Messages of `user` that are not deleted, whatever the rooms and the user's part in them: `limit` at most, and possibly
   * none though there is a `next`, since a call looks only so far. `invalid_fields` for an `after` that is no such `next`.
   */
  messagesOf(user: UserId, limit: number, after?: string): Promise<Found>;
  /**
   * Gives up the messages before `firstSeq`, with their images and their keys: the room's `firstSeq` rises to it, never
   * above head + 1 and never back, and the head stays. What is given up may be found for some minutes more. One step: a
   * caller who gives up many goes a few hundred at a time.
   */
  trim(room: RoomId, firstSeq: number): Promise<void>;

  /** Never goes back. Resolves with the mark in force. */
  markRead(room: RoomId, user: UserId, seq: number): Promise<number>;
  readMark(room: RoomId, user: UserId): Promise<number>;

  /**
   * Idempotent like {@link append}; `replayed` when the same command was stored before. `try_again` while
   * {@link OPEN_COMMANDS_MAX} are open.
   */
  putCommand(command: Command): Promise<{ id: MessageId; createdAt: string; replayed: boolean }>;
  command(id: MessageId): Promise<Command | undefined>;
  /** Commands neither answered nor given up, oldest first. */
  openCommands(limit: number): Promise<Command[]>;
  /** True once: for the first to give up a command that nobody answered. */
  giveUpCommand(id: MessageId): Promise<boolean>;
  /**
   * Removes settled commands of before that time, `limit` at most, and resolves with how many. A store goes by when they
   * came or by when they were settled.
   */
  dropCommands(before: string, limit: number): Promise<number>;

  /** Tokens of `subject` (`user:ID` or `token:SHA256HEX`) issued at or before `at` (ms) are refused from now on. */
  revoke(subject: string, at: number): Promise<void>;
  /** The newest revocation of each subject that has one. */
  revocations(subjects: readonly string[]): Promise<Map<string, number>>;
}
