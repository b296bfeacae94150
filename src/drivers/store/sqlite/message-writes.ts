import { idempotencyConflict, tryAgain } from '../../../chat/errors.ts';
import type { Command, Image, Message, NewMessage, Receipt } from '../../../chat/model.ts';
import { OPEN_COMMANDS_MAX } from '../../../chat/ports/store.ts';
import type { GuardedDatabase } from './guarded-database.ts';
import { placeOf } from './room-places.ts';
import { requireRoom } from './room-writes.ts';
import { findMessage, type ReceiptRow, receiptOf, toMessage } from './rows.ts';

/**
 * The hot path of the whole server is this one statement. It does nothing when the key was used before, by a message or
 * a command; what for, is only looked up then.
 */
const APPEND = `
  INSERT INTO messages (room, seq, id, owner, owner_name, type, message, created_at, client_id, fingerprint,
    in_reply_to, origin, bot, meta)
  SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14
  WHERE NOT EXISTS (SELECT 1 FROM commands WHERE room = ?1 AND user = ?4 AND client_id = ?9)
  ON CONFLICT (client_id, room, owner) DO NOTHING`;

export function append(db: GuardedDatabase, message: NewMessage): Receipt {
  const { chatroom, id, owner, createdAt, clientId, image, inReplyTo } = message;
  const place = placeOf(db, chatroom);
  const seq = place.head + 1;
  const { changes, key } = db.run(APPEND, [
    place.room,
    seq,
    id,
    owner,
    message.ownerName,
    message.type,
    message.message,
    createdAt,
    clientId,
    message.fingerprint,
    inReplyTo ?? null,
    message.origin ?? null,
    message.bot?.name ?? null,
    message.meta === undefined ? null : JSON.stringify(message.meta),
  ]);
  if (changes === 0) return replayed(db, message);
  place.head = seq;
  if (image !== undefined) putImage(db, key, image);
  if (message.bot !== undefined && inReplyTo !== undefined) markAnswered(db, chatroom, inReplyTo);
  return { id, seq, createdAt, replayed: false };
}

function replayed(db: GuardedDatabase, { chatroom, owner, clientId, fingerprint }: NewMessage): Receipt {
  const first = receiptOf(db, chatroom, owner, clientId);
  if (first === undefined) throw new Error('a message was neither stored nor found');
  if (first.seq === null || first.fingerprint !== fingerprint) throw idempotencyConflict();
  return { id: first.id, seq: first.seq, createdAt: first.createdAt, replayed: true };
}

/** Raises the room's rev and gives it to the message; an image that becomes text loses its bytes. */
export function editMessage(
  db: GuardedDatabase,
  room: string,
  id: string,
  text: string,
  type: 1 | 2,
): Message | undefined {
  const known = findMessage(db, room, id);
  if (known === undefined || known.deleted === 1) return undefined;
  if (known.type === 3) db.run('DELETE FROM images WHERE message = ?', [known.key]);
  const rev = raiseRev(db, room);
  db.run('UPDATE messages SET message = ?, type = ?, rev = ? WHERE key = ?', [text, type, rev, known.key]);
  return toMessage(room, { ...known, message: text, type, rev });
}

export function deleteMessage(db: GuardedDatabase, room: string, id: string): Message | undefined {
  const known = findMessage(db, room, id);
  if (known === undefined) return undefined;
  if (known.deleted === 1) return toMessage(room, known);
  db.run('DELETE FROM images WHERE message = ?', [known.key]);
  const rev = raiseRev(db, room);
  db.run(`UPDATE messages SET message = '', meta = NULL, deleted = 1, rev = ? WHERE key = ?`, [rev, known.key]);
  return toMessage(room, { ...known, message: '', meta: null, deleted: 1, rev });
}

/** Images first: they are found by the messages that they belong to. */
export function trim(db: GuardedDatabase, id: string, firstSeq: number): void {
  const room = requireRoom(db, id);
  const to = Math.min(firstSeq, room.headSeq + 1);
  if (to <= room.firstSeq) return;
  db.run('UPDATE rooms SET first_seq = ? WHERE key = ?', [to, room.key]);
  db.run('DELETE FROM images WHERE message IN (SELECT key FROM messages WHERE room = ? AND seq < ?)', [room.key, to]);
  db.run('DELETE FROM messages WHERE room = ? AND seq < ?', [room.key, to]);
}

export function putCommand(
  db: GuardedDatabase,
  command: Command,
): Pick<ReceiptRow, 'id' | 'createdAt'> & { replayed: boolean } {
  const { id, chatroom, user, clientId, fingerprint, createdAt } = command;
  const room = requireRoom(db, chatroom);
  const first = receiptOf(db, chatroom, user, clientId);
  if (first !== undefined) {
    if (first.seq !== null || first.fingerprint !== fingerprint) throw idempotencyConflict();
    return { id: first.id, createdAt: first.createdAt, replayed: true };
  }
  const open = db.first<{ count: number }>(`SELECT count(*) AS count FROM commands WHERE state = 'open'`)?.count ?? 0;
  if (open >= OPEN_COMMANDS_MAX) throw tryAgain('the queue of commands');
  db.run(
    `INSERT INTO commands (room, id, user, user_name, client_id, fingerprint, command, args, message, created_at,
       deadline, ticket) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      room.key,
      id,
      user,
      command.userName,
      clientId,
      fingerprint,
      command.command,
      command.args,
      command.message,
      createdAt,
      command.deadline,
      command.ticket,
    ],
  );
  return { id, createdAt, replayed: false };
}

export function giveUpCommand(db: GuardedDatabase, id: string): boolean {
  return db.run(`UPDATE commands SET state = 'given up' WHERE id = ? AND state = 'open'`, [id]).changes === 1;
}

/** Keys grow with time, so the oldest are found from the front; those that are open are few. */
export function dropCommands(db: GuardedDatabase, before: string, limit: number): number {
  return db.run(
    `DELETE FROM commands WHERE key IN (
       SELECT key FROM (SELECT key, state, created_at FROM commands ORDER BY key LIMIT ?1 + ${OPEN_COMMANDS_MAX})
       WHERE state <> 'open' AND created_at < ?2 LIMIT ?1)`,
    [limit, before],
  ).changes;
}

export function revoke(db: GuardedDatabase, subject: string, at: number): void {
  db.run(
    `INSERT INTO revocations (subject, at) VALUES (?, ?)
     ON CONFLICT (subject) DO UPDATE SET at = max(at, excluded.at)`,
    [subject, at],
  );
}

function putImage(db: GuardedDatabase, message: number, { contentType, bytes }: Image): void {
  db.run('INSERT INTO images (message, content_type, bytes) VALUES (?, ?, ?)', [message, contentType, bytes]);
}

function markAnswered(db: GuardedDatabase, room: string, command: string): void {
  db.run(
    `UPDATE commands SET state = 'answered'
     WHERE id = ?2 AND room = (SELECT key FROM rooms WHERE id = ?1) AND state = 'open'`,
    [room, command],
  );
}

function raiseRev(db: GuardedDatabase, room: string): number {
  db.run('UPDATE rooms SET rev = rev + 1 WHERE id = ?', [room]);
  return requireRoom(db, room).rev;
}
