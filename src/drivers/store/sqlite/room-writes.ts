import { ChatError, noSuchRoom } from '../../../chat/errors.ts';
import type { Room, Visibility } from '../../../chat/model.ts';
import type { NewRoom, RoomPatch } from '../../../chat/ports/store.ts';
import type { GuardedDatabase } from './guarded-database.ts';
import { forgetPlaces } from './room-places.ts';
import { findRoom, type RoomRow, toRoom } from './rows.ts';

/** Throws `invalid_chatroom` when there is none. */
export function requireRoom(db: GuardedDatabase, id: string): RoomRow {
  const room = findRoom(db, id);
  if (room === undefined) throw noSuchRoom();
  return room;
}

/** Throws `invalid_operation` when the user is a member of as many rooms as allowed. */
export function requireRoomToSpare(db: GuardedDatabase, user: string, maxRooms: number): void {
  const memberships = db.first<{ rooms: number }>('SELECT count(*) AS rooms FROM members WHERE user = ?', [user]);
  if (memberships !== undefined && memberships.rooms < maxRooms) return;
  throw new ChatError('invalid_operation', `a user may be a member of ${maxRooms} rooms at most; leave one first`);
}

export function createRoom(
  db: GuardedDatabase,
  room: NewRoom,
  owner: { user: string; name: string },
  maxRooms: number,
): Room {
  requireRoomToSpare(db, owner.user, maxRooms);
  requireFreeName(db, { ...room, owner: owner.user });
  db.run(
    `INSERT INTO rooms (id, name, name_key, topic, visibility, owner, count, epoch, created_at)
     VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)`,
    [room.id, room.name, room.nameKey, room.topic, room.visibility, owner.user, room.epoch, room.createdAt],
  );
  db.run(
    `INSERT INTO members (room, user, name, role, joined_at)
     SELECT key, ?, ?, 'owner', ? FROM rooms WHERE id = ?`,
    [owner.user, owner.name, room.createdAt, room.id],
  );
  return toRoom(requireRoom(db, room.id));
}

export function patchRoom(db: GuardedDatabase, id: string, patch: RoomPatch, ifVersion?: number): Room {
  const room = requireRoom(db, id);
  requireVersion(room, ifVersion);
  const next = {
    name: patch.name ?? room.name,
    nameKey: patch.nameKey ?? room.nameKey,
    topic: patch.topic ?? room.topic,
    visibility: patch.visibility ?? room.visibility,
    slowModeMs: patch.slowModeMs ?? room.slowModeMs,
  };
  // Only a change can take a name from somebody: a handed-over room may share one with another of its new owner.
  if (next.nameKey !== room.nameKey || next.visibility !== room.visibility) {
    requireFreeName(db, { ...next, id, owner: room.owner });
  }
  db.run(
    `UPDATE rooms SET name = ?, name_key = ?, topic = ?, visibility = ?, slow_mode_ms = ?, version = version + 1
     WHERE key = ?`,
    [next.name, next.nameKey, next.topic, next.visibility, next.slowModeMs, room.key],
  );
  return { ...toRoom(room), ...visible(next), version: room.version + 1 };
}

/** The messages are left to {@link sweepDeletedRooms}: a long log deleted at once would keep all writers waiting. */
export function deleteRoom(db: GuardedDatabase, id: string, ifVersion?: number): Room {
  const room = requireRoom(db, id);
  requireVersion(room, ifVersion);
  forgetPlaces(db);
  db.run('DELETE FROM rooms WHERE key = ?', [room.key]);
  db.run('DELETE FROM members WHERE room = ?', [room.key]);
  db.run('DELETE FROM bans WHERE room = ?', [room.key]);
  db.run('DELETE FROM read_marks WHERE room = ?', [room.key]);
  db.run('DELETE FROM commands WHERE room = ?', [room.key]);
  db.run('INSERT INTO deleted_rooms (room) VALUES (?)', [room.key]);
  return toRoom(room);
}

const SWEPT_AT_ONCE = 100;

/** Removes some messages of deleted rooms; false when none was left to remove. */
export function sweepDeletedRooms(db: GuardedDatabase): boolean {
  const deleted = db.first<{ room: number }>('SELECT room FROM deleted_rooms LIMIT 1');
  if (deleted === undefined) return false;
  const some = `SELECT key FROM messages WHERE room = ? ORDER BY seq LIMIT ${SWEPT_AT_ONCE}`;
  db.run(`DELETE FROM images WHERE message IN (${some})`, [deleted.room]);
  const { changes } = db.run(`DELETE FROM messages WHERE key IN (${some})`, [deleted.room]);
  if (changes < SWEPT_AT_ONCE) db.run('DELETE FROM deleted_rooms WHERE room = ?', [deleted.room]);
  return true;
}

function requireVersion(room: RoomRow, ifVersion: number | undefined): void {
  if (ifVersion === undefined || ifVersion === room.version) return;
  throw new ChatError('invalid_operation', 'the room was changed meanwhile; read it again', { status: 412 });
}

interface NameClaim {
  readonly id: string;
  readonly nameKey: string;
  readonly visibility: Visibility;
  readonly owner: string;
}

/** Public names are unique among public rooms, private ones among the private rooms of their owner. */
function requireFreeName(db: GuardedDatabase, { id, nameKey, visibility, owner }: NameClaim): void {
  const taken =
    visibility === 'public'
      ? db.first(`SELECT 1 FROM rooms WHERE visibility = 'public' AND name_key = ? AND id <> ?`, [nameKey, id])
      : db.first(`SELECT 1 FROM rooms WHERE visibility = 'private' AND owner = ? AND name_key = ? AND id <> ?`, [
          owner,
          nameKey,
          id,
        ]);
  if (taken !== undefined) throw new ChatError('duplicate', 'the name is taken; choose another');
}

const visible = ({ nameKey: _nameKey, ...rest }: { nameKey: string } & Omit<RoomPatch, 'nameKey'>) => rest;
