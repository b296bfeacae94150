import { ChatError } from '../../../chat/errors.ts';
import type { Ban, Role, Room } from '../../../chat/model.ts';
import type { Joined, Left } from '../../../chat/ports/store.ts';
import type { GuardedDatabase } from './guarded-database.ts';
import { requireRoom, requireRoomToSpare } from './room-writes.ts';
import { BAN_IN_FORCE, type RoomRow, toRoom } from './rows.ts';

interface NewMember {
  readonly user: string;
  readonly name: string;
  readonly at: string;
  readonly role: Role;
}

export function addMember(db: GuardedDatabase, id: string, member: NewMember, maxRooms: number): Joined {
  const room = requireRoom(db, id);
  const { count, headSeq } = room;
  const known = roleOf(db, room, member.user);
  if (known !== undefined) return { added: false, role: known, count, headSeq };
  if (isBanned(db, room, member.user)) throw new ChatError('banned', 'you are banned from this room');
  requireRoomToSpare(db, member.user, maxRooms);
  const role = count === 0 ? 'owner' : member.role;
  if (role === 'owner' && count > 0) throw onlyHandedOver();
  db.run('INSERT INTO members (room, user, name, role, joined_at) VALUES (?, ?, ?, ?, ?)', [
    room.key,
    member.user,
    member.name,
    role,
    member.at,
  ]);
  db.run('UPDATE rooms SET count = count + 1 WHERE key = ?', [room.key]);
  if (role === 'owner') recordOwner(db, room, member.user);
  return { added: true, role, count: count + 1, headSeq };
}

export function setRole(db: GuardedDatabase, id: string, user: string, role: Role): Room {
  const room = requireRoom(db, id);
  const known = roleOf(db, room, user);
  if (known === undefined) throw new ChatError('not_a_member', 'this user is not a member', { status: 404 });
  if (known === role) return toRoom(room);
  if (known === 'owner') throw onlyHandedOver();
  if (role === 'owner') {
    changeRole(db, room, room.owner, 'moderator');
    recordOwner(db, room, user);
  }
  changeRole(db, room, user, role);
  return toRoom(requireRoom(db, id));
}

export function removeMember(db: GuardedDatabase, id: string, user: string): Left {
  return remove(db, requireRoom(db, id), user);
}

export function ban(db: GuardedDatabase, id: string, it: Ban & { by: string; at: string }): Left {
  const room = requireRoom(db, id);
  db.run('INSERT OR REPLACE INTO bans (room, user, until, reason, by, at) VALUES (?, ?, ?, ?, ?, ?)', [
    room.key,
    it.user,
    it.until ?? null,
    it.reason ?? null,
    it.by,
    it.at,
  ]);
  return remove(db, room, it.user);
}

export function unban(db: GuardedDatabase, id: string, user: string): void {
  const room = requireRoom(db, id);
  db.run('DELETE FROM bans WHERE room = ? AND user = ?', [room.key, user]);
}

/** Marks nothing below the mark in force, so a late one neither goes back nor costs a commit. */
export function markRead(db: GuardedDatabase, id: string, user: string, seq: number): number {
  const room = requireRoom(db, id);
  const values = [room.key, user];
  const mark = db.first<{ seq: number }>('SELECT seq FROM read_marks WHERE room = ? AND user = ?', values)?.seq ?? 0;
  if (seq <= mark) return mark;
  db.run('INSERT OR REPLACE INTO read_marks (room, user, seq) VALUES (?, ?, ?)', [...values, seq]);
  return seq;
}

function remove(db: GuardedDatabase, room: RoomRow, user: string): Left {
  const member = db.first<{ name: string; role: Role }>('SELECT name, role FROM members WHERE room = ? AND user = ?', [
    room.key,
    user,
  ]);
  if (member === undefined) return { removed: false, name: '', count: room.count };
  db.run('DELETE FROM members WHERE room = ? AND user = ?', [room.key, user]);
  db.run('UPDATE rooms SET count = count - 1 WHERE key = ?', [room.key]);
  const left = { removed: true, name: member.name, count: room.count - 1 };
  if (member.role !== 'owner') return left;
  const oldest = db.first<{ user: string }>('SELECT user FROM members WHERE room = ? ORDER BY key LIMIT 1', [room.key]);
  if (oldest === undefined) return left;
  changeRole(db, room, oldest.user, 'owner');
  recordOwner(db, room, oldest.user);
  return { ...left, newOwner: oldest.user };
}

const roleOf = (db: GuardedDatabase, room: RoomRow, user: string): Role | undefined =>
  db.first<{ role: Role }>('SELECT role FROM members WHERE room = ? AND user = ?', [room.key, user])?.role;

const isBanned = (db: GuardedDatabase, room: RoomRow, user: string): boolean =>
  db.first(`SELECT 1 FROM bans WHERE room = ? AND user = ? AND ${BAN_IN_FORCE}`, [room.key, user, Date.now()]) !==
  undefined;

function changeRole(db: GuardedDatabase, room: RoomRow, user: string, role: Role): void {
  db.run('UPDATE members SET role = ? WHERE room = ? AND user = ?', [role, room.key, user]);
}

/** The last owner of an empty room comes back to an unchanged room. */
function recordOwner(db: GuardedDatabase, room: RoomRow, user: string): void {
  if (room.owner === user) return;
  db.run('UPDATE rooms SET owner = ?, version = version + 1 WHERE key = ?', [user, room.key]);
}

const onlyHandedOver = (): ChatError =>
  new ChatError('invalid_operation', 'a room has one owner, who hands it over to another member');
