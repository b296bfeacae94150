import type { Types } from 'mongoose';
import type { Command, Image, Message, MessageType, Role, Room, Visibility } from '../../../chat/model.ts';
import type { StoredReceipt } from '../../../chat/ports/store.ts';

/** Names a room for all that belongs to it. Never used again: what a deleted room leaves cannot turn up in a later one. */
export type RoomKey = Types.ObjectId;

/**
 * A room, and the one document whose change decides whatever touches more than one: see `room-turns.ts`.
 *
 * `head` is a lower bound of the highest seq, written now and then, so that nobody has to look for the head from the
 * beginning. `claim` is unique: see `room-writes.ts`. A deleted room has a `goneAt` until all it left is swept. One whose
 * `firstSeq` was raised has a `trimmedAt` until what lies before is swept: see `trim-rooms.ts`. `wanted` is another number
 * each time somebody who cannot get in asks for a turn: see `room-rivals.ts`.
 */
export interface RoomDocument {
  readonly _id: RoomKey;
  readonly id: string;
  readonly name: string;
  readonly nameKey: string;
  readonly topic: string;
  readonly visibility: Visibility;
  readonly claim: string;
  readonly owner: string;
  readonly slowModeMs: number;
  readonly count: number;
  readonly firstSeq: number;
  readonly head: number;
  readonly epoch: string;
  readonly rev: number;
  readonly version: number;
  readonly createdAt: string;
  readonly turn: number;
  readonly pending?: Pending;
  readonly goneAt?: number;
  readonly trimmedAt?: number;
  readonly wanted?: number;
}

/** What a turn of the room has decided and may not have brought about yet. */
export interface Pending {
  /** Milliseconds since 1970, by the clock of who decided. */
  readonly at: number;
  readonly standings: readonly PendingStanding[];
  readonly changes: readonly PendingChange[];
  /** The room's rev once the changes are made. */
  readonly rev: number;
}

export interface PendingStanding extends Omit<StandingDocument, 'room' | 'turn'> {
  /** The turn of the standing that this one replaces; null when there is none. */
  readonly was: number | null;
}

export interface PendingChange {
  readonly id: string;
  /** The rev of the message before; null when it was never changed. */
  readonly was: number | null;
  readonly rev: number;
  readonly hadImage: boolean;
  /** Absent for a deletion. */
  readonly text?: string;
  readonly type?: 1 | 2;
}

/** How a user stands to a room. It stays when a member leaves: its `turn` keeps belated writes of older turns out. */
export interface StandingDocument {
  readonly room: RoomKey;
  readonly user: string;
  readonly turn: number;
  /** These four of a member only; `joined` grows with every member of the room that joins. */
  readonly name?: string;
  readonly role?: Role;
  readonly joined?: number;
  readonly joinedAt?: string;
  readonly ban?: {
    /** Null: for good. */
    readonly until: number | null;
    readonly reason?: string;
    readonly by: string;
    readonly at: string;
  };
}

/**
 * A message, or a command, which is no part of the log: both in one collection, because they share one space of keys and
 * one unique index decides. The `seq` of a command is a random negative number.
 *
 * Fields that are absent cost nothing in the sparse indexes: `changedIn` (the room again) and `rev` are there once a
 * message was changed, `open` (when it came, ms) while a command waits, `settled` (when, ms) afterwards.
 */
export interface EntryDocument {
  readonly _id: string;
  readonly room: RoomKey;
  readonly seq: number;
  /** Owner and clientId in one: see {@link entryKey}. */
  readonly key: string;
  readonly owner: string;
  readonly ownerName: string;
  readonly clientId: string;
  readonly fingerprint: string;
  readonly message: string;
  readonly createdAt: string;
  readonly type?: MessageType;
  readonly inReplyTo?: string;
  readonly origin?: string;
  readonly bot?: string;
  /** JSON as text: its keys are the sender's and may be anything. */
  readonly meta?: string;
  readonly changedIn?: RoomKey;
  readonly rev?: number;
  readonly deleted?: true;
  readonly command?: string;
  readonly args?: string;
  readonly deadline?: number;
  readonly ticket?: string;
  readonly state?: 'open' | 'answered' | 'given up';
  readonly open?: number;
  readonly settled?: number;
}

/** A part of an image: a document of the engine has 16 MiB at most, and so may an image. */
export interface ImagePartDocument {
  readonly room: RoomKey;
  readonly message: string;
  readonly part: number;
  readonly contentType: Image['contentType'];
  readonly bytes: Buffer;
}

export interface ReadMarkDocument {
  readonly room: RoomKey;
  readonly user: string;
  readonly seq: number;
}

export interface RevocationDocument {
  /** The subject. */
  readonly _id: string;
  readonly at: number;
}

/** No two pairs give the same text, whatever is in them. */
export const entryKey = (owner: string, clientId: string): string => JSON.stringify([owner, clientId]);

export const toRoom = (room: RoomDocument, headSeq: number): Room => ({ ...toHeadless(room), headSeq });

export const toHeadless = (room: RoomDocument): Omit<Room, 'headSeq'> => ({
  id: room.id,
  name: room.name,
  topic: room.topic,
  visibility: room.visibility,
  owner: room.owner,
  slowModeMs: room.slowModeMs,
  count: room.count,
  firstSeq: room.firstSeq,
  epoch: room.epoch,
  rev: room.rev,
  version: room.version,
  createdAt: room.createdAt,
});

export const toMessage = (chatroom: string, entry: EntryDocument): Message => ({
  id: entry._id,
  chatroom,
  seq: entry.seq,
  owner: entry.owner,
  ownerName: entry.ownerName,
  type: entry.type ?? 1,
  message: entry.message,
  createdAt: entry.createdAt,
  clientId: entry.clientId,
  ...(entry.inReplyTo !== undefined && { inReplyTo: entry.inReplyTo }),
  ...(entry.origin !== undefined && { origin: entry.origin }),
  ...(entry.bot !== undefined && { bot: { name: entry.bot } }),
  ...(entry.meta !== undefined && { meta: JSON.parse(entry.meta) as Record<string, unknown> }),
  ...(entry.rev !== undefined && { rev: entry.rev }),
  ...(entry.deleted === true && { deleted: true as const }),
});

export const toCommand = (chatroom: string, entry: EntryDocument): Command => ({
  id: entry._id,
  chatroom,
  user: entry.owner,
  userName: entry.ownerName,
  clientId: entry.clientId,
  fingerprint: entry.fingerprint,
  command: entry.command ?? '',
  args: entry.args ?? '',
  message: entry.message,
  createdAt: entry.createdAt,
  deadline: entry.deadline ?? 0,
  ticket: entry.ticket ?? '',
});

export type ReceiptFields = Pick<EntryDocument, '_id' | 'seq' | 'key' | 'createdAt' | 'fingerprint'>;
export const RECEIPT_FIELDS = { seq: 1, key: 1, createdAt: 1, fingerprint: 1 } as const;

export const toReceipt = ({ _id, seq, createdAt, fingerprint }: ReceiptFields): StoredReceipt => ({
  id: _id,
  createdAt,
  fingerprint,
  ...(seq > 0 && { seq }),
});
