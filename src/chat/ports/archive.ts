import type { Ban, Image, Message, Role, Room, RoomId, UserId } from '../model.ts';

/** Whole rooms, to be taken out of one store and put into another. */
export interface ArchivedRoom extends Omit<Room, 'count' | 'epoch'> {
  readonly nameKey: string;
}

export interface ArchivedMember {
  readonly user: UserId;
  readonly name: string;
  readonly role: Role;
  readonly joinedAt: string;
  /** 0 for one who has read nothing. */
  readonly readSeq: number;
}

export interface ArchivedBan extends Ban {
  readonly by: UserId;
  readonly at: string;
}

export interface ArchivedMessage extends Omit<Message, 'chatroom' | 'clientId'> {
  readonly clientId: string;
  readonly fingerprint: string;
  readonly image?: Image;
}

/** A room that is being put in: nobody sees it before `finish`. What was not finished is nothing, whatever ended it. */
export interface RoomImport {
  /** Oldest member first. */
  addMembers(members: readonly ArchivedMember[]): Promise<void>;
  addBans(bans: readonly ArchivedBan[]): Promise<void>;
  /** By seq, oldest first, without holes. Rejects with `duplicate` when another room has a message of one of the ids. */
  addMessages(messages: readonly ArchivedMessage[]): Promise<void>;
  /** Rejects with `duplicate` when a room of this id or name has come to be meanwhile. */
  finish(facts: { readonly firstSeq: number; readonly rev: number; readonly count: number }): Promise<void>;
  cancel(): Promise<void>;
}

export interface Archive {
  roomIds(limit: number, after?: RoomId): Promise<RoomId[]>;
  room(id: RoomId): Promise<ArchivedRoom | undefined>;
  /** Oldest first. */
  members(id: RoomId): Promise<ArchivedMember[]>;
  bans(id: RoomId): Promise<ArchivedBan[]>;
  /** From that seq on, oldest first. */
  messages(id: RoomId, from: number, limit: number): Promise<ArchivedMessage[]>;
  /** Rejects with `duplicate` when a room of this id or name exists. One at a time. */
  importRoom(room: ArchivedRoom, epoch: string): Promise<RoomImport>;
}
