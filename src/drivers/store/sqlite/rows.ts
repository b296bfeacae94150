import type { Ban, Command, Message, MessageType, Role, Room, RoomView, Visibility } from '../../../chat/model.ts';
import type { GuardedDatabase } from './guarded-database.ts';

/** The highest seq a room has given; see `schema.ts`. */
export const HEAD = 'coalesce((SELECT max(seq) FROM messages WHERE room = rooms.key), rooms.first_seq - 1)';

export const ROOM = `rooms.key, rooms.id, rooms.name, rooms.name_key AS nameKey, rooms.topic, rooms.visibility,
  rooms.owner, rooms.slow_mode_ms AS slowModeMs, rooms.count, rooms.first_seq AS firstSeq, rooms.epoch, rooms.rev,
  rooms.version, rooms.created_at AS createdAt, ${HEAD} AS headSeq`;

export interface RoomRow {
  readonly key: number;
  readonly id: string;
  readonly name: string;
  readonly nameKey: string;
  readonly topic: string;
  readonly visibility: Visibility;
  readonly owner: string;
  readonly slowModeMs: number;
  readonly count: number;
  readonly firstSeq: number;
  readonly epoch: string;
  readonly rev: number;
  readonly version: number;
  readonly createdAt: string;
  readonly headSeq: number;
}

export const toRoom = ({ key: _key, nameKey: _nameKey, ...room }: RoomRow): Room => room;

export const findRoom = (db: GuardedDatabase, id: string): RoomRow | undefined =>
  db.first<RoomRow>(`SELECT ${ROOM} FROM rooms WHERE id = ?`, [id]);

/** A ban in force at the bound time (ms), to be joined to `bans`. */
export const BAN_IN_FORCE = '(bans.until IS NULL OR bans.until > ?)';

export interface BanRow {
  readonly user: string;
  readonly until: number | null;
  readonly reason: string | null;
}

export const toBan = (row: BanRow): Ban => ({
  user: row.user,
  ...(row.until !== null && { until: row.until }),
  ...(row.reason !== null && { reason: row.reason }),
});

export const VIEW = `${ROOM}, members.role, bans.user AS banned, bans.until, bans.reason`;
/** Values: user, user, now (ms). */
export const VIEWED_ROOMS = `rooms LEFT JOIN members ON members.room = rooms.key AND members.user = ?
  LEFT JOIN bans ON bans.room = rooms.key AND bans.user = ? AND ${BAN_IN_FORCE}`;

export interface ViewRow extends RoomRow {
  readonly role: Role | null;
  readonly banned: string | null;
  readonly until: number | null;
  readonly reason: string | null;
}

export const toView = ({ role, banned, until, reason, ...room }: ViewRow): RoomView => ({
  room: toRoom(room),
  ...(role !== null && { role }),
  ...(banned !== null && { ban: toBan({ user: banned, until, reason }) }),
});

/**
 * A message as one JSON text, to be read by {@link parseMessage}: a row of many columns costs twice as much to bring
 * over from the engine.
 */
export const MESSAGE = `json_object('key', messages.key, 'seq', seq, 'id', messages.id, 'owner', owner,
  'ownerName', owner_name, 'type', type, 'message', messages.message, 'createdAt', created_at, 'clientId', client_id,
  'inReplyTo', in_reply_to, 'origin', origin, 'bot', bot, 'meta', meta, 'rev', rev, 'deleted', deleted) AS json`;

export const parseMessage = ({ json }: { json: string }): MessageRow => JSON.parse(json) as MessageRow;

export interface MessageRow {
  readonly key: number;
  readonly seq: number;
  readonly id: string;
  readonly owner: string;
  readonly ownerName: string;
  readonly type: MessageType;
  readonly message: string;
  readonly createdAt: string;
  readonly clientId: string;
  readonly inReplyTo: string | null;
  readonly origin: string | null;
  readonly bot: string | null;
  readonly meta: string | null;
  readonly rev: number | null;
  readonly deleted: 0 | 1;
}

export const toMessage = (chatroom: string, row: MessageRow): Message => ({
  id: row.id,
  chatroom,
  seq: row.seq,
  owner: row.owner,
  ownerName: row.ownerName,
  type: row.type,
  message: row.message,
  createdAt: row.createdAt,
  clientId: row.clientId,
  ...(row.inReplyTo !== null && { inReplyTo: row.inReplyTo }),
  ...(row.origin !== null && { origin: row.origin }),
  ...(row.bot !== null && { bot: { name: row.bot } }),
  ...(row.meta !== null && { meta: JSON.parse(row.meta) as Record<string, unknown> }),
  ...(row.rev !== null && { rev: row.rev }),
  ...(row.deleted === 1 && { deleted: true as const }),
});

/** Values: the room's id, the message's id. */
export const MESSAGE_OF_ROOM = 'messages.id = ?2 AND messages.room = (SELECT key FROM rooms WHERE id = ?1)';

export function findMessage(db: GuardedDatabase, room: string, id: string): MessageRow | undefined {
  const row = db.first<{ json: string }>(`SELECT ${MESSAGE} FROM messages WHERE ${MESSAGE_OF_ROOM}`, [room, id]);
  return row && parseMessage(row);
}

export const COMMAND = `commands.id, rooms.id AS chatroom, commands.user, commands.user_name AS userName,
  commands.client_id AS clientId, commands.fingerprint, commands.command, commands.args, commands.message,
  commands.created_at AS createdAt, commands.deadline, commands.ticket`;

/** The columns of {@link COMMAND} are the fields of a command. */
export type CommandRow = Command;

export interface ReceiptRow {
  readonly id: string;
  /** Null for a command. */
  readonly seq: number | null;
  readonly createdAt: string;
  readonly fingerprint: string;
}

const RECEIPT = `
  SELECT id, seq, created_at AS createdAt, fingerprint FROM messages
  WHERE room = (SELECT key FROM rooms WHERE id = ?1) AND owner = ?2 AND client_id = ?3
  UNION ALL
  SELECT id, NULL, created_at, fingerprint FROM commands
  WHERE room = (SELECT key FROM rooms WHERE id = ?1) AND user = ?2 AND client_id = ?3`;

/** What a key was used for; messages and commands share one space of keys. */
export const receiptOf = (db: GuardedDatabase, room: string, owner: string, clientId: string): ReceiptRow | undefined =>
  db.first<ReceiptRow>(RECEIPT, [room, owner, clientId]);
