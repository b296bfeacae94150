/**
 * The nouns of the chat. A {@link Message} has the field names of the wire, so that the hot path (store → room feed →
 * sockets) never copies one: `wire/message.ts` describes the same shape as a schema and a type test holds them together.
 * Times are RFC 3339 UTC texts with milliseconds.
 */
export type RoomId = string;
export type UserId = string;
export type MessageId = string;

/** 1 user, 2 service, 3 bot. */
export type AccountType = 1 | 2 | 3;

export interface Account {
  readonly user: UserId;
  readonly type: AccountType;
  readonly name: string;
  readonly roles: readonly string[];
  /** Milliseconds since 1970, both. */
  readonly expiresAt?: number;
  readonly issuedAt?: number;
}

export type Visibility = 'public' | 'private';
export type Role = 'member' | 'moderator' | 'owner';

export interface Room {
  readonly id: RoomId;
  readonly name: string;
  readonly topic: string;
  readonly visibility: Visibility;
  readonly owner: UserId;
  /** Least time between two messages of one member; 0 is off. Moderators are free of it. */
  readonly slowModeMs: number;
  /** Number of members. */
  readonly count: number;
  readonly headSeq: number;
  /** The oldest seq that is kept; 1 in a new room. */
  readonly firstSeq: number;
  readonly epoch: string;
  /** Counts edits and deletions of the room's messages. */
  readonly rev: number;
  /** Counts changes of the room itself. */
  readonly version: number;
  readonly createdAt: string;
}

export interface Ban {
  readonly user: UserId;
  /** Milliseconds since 1970; absent: for good. */
  readonly until?: number;
  readonly reason?: string;
}

/** How a user stands to a room, whose head costs a look of its own. */
export interface Standing {
  readonly room: Omit<Room, 'headSeq'>;
  readonly role?: Role;
  /** Present only while in force. */
  readonly ban?: Ban;
}

/** A room as one user stands to it. */
export interface RoomView extends Standing {
  readonly room: Room;
}

export interface Member {
  readonly user: UserId;
  readonly name: string;
  readonly role: Role;
}

/** 1 text, 2 link, 3 image. */
export type MessageType = 1 | 2 | 3;

export interface Message {
  readonly id: MessageId;
  readonly chatroom: RoomId;
  readonly seq: number;
  readonly owner: UserId;
  readonly ownerName: string;
  readonly type: MessageType;
  readonly message: string;
  readonly createdAt: string;
  readonly clientId?: string;
  readonly inReplyTo?: string;
  readonly origin?: string;
  readonly bot?: { readonly name: string };
  readonly meta?: Readonly<Record<string, unknown>>;
  /** The room's rev when this message was last edited or deleted. */
  readonly rev?: number;
  readonly deleted?: true;
}

export interface Image {
  /** Found from the content, never from what the sender said. */
  readonly contentType: 'image/png' | 'image/jpeg' | 'image/gif' | 'image/webp';
  readonly bytes: Uint8Array;
}

/** What a message is before the store gives it a `seq`. */
export interface NewMessage extends Omit<Message, 'seq' | 'rev' | 'deleted' | 'clientId'> {
  readonly clientId: string;
  readonly image?: Image;
  /** Hash of message, image, inReplyTo and meta as first sent: tells a replay from a conflict after later edits. */
  readonly fingerprint: string;
}

export interface Receipt {
  readonly id: MessageId;
  readonly seq: number;
  readonly createdAt: string;
  readonly replayed: boolean;
}

/** A bot command: idempotent like a message, but never part of the log. */
export interface Command {
  readonly id: MessageId;
  readonly chatroom: RoomId;
  readonly user: UserId;
  readonly userName: string;
  readonly clientId: string;
  readonly fingerprint: string;
  /** The word in lower case without `/`. */
  readonly command: string;
  readonly args: string;
  /** The text as sent. */
  readonly message: string;
  readonly createdAt: string;
  /** When the sender is told of silence; milliseconds since 1970. */
  readonly deadline: number;
  /** A secret that lets whoever was given this command answer it, and nothing else. */
  readonly ticket: string;
}

/** Where a room's log stands. */
export interface Head {
  readonly headSeq: number;
  readonly firstSeq: number;
  readonly rev: number;
  readonly epoch: string;
}

/** An edit or a deletion as it is announced; `message` is absent for a deletion. */
export interface Change {
  readonly id: MessageId;
  readonly chatroom: RoomId;
  readonly seq: number;
  readonly rev: number;
  readonly message?: string;
}
