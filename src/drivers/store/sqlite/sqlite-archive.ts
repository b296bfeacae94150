import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ChatError, noSuchRoom } from '../../../chat/errors.ts';
import type { Image } from '../../../chat/model.ts';
import type {
  Archive,
  ArchivedBan,
  ArchivedMember,
  ArchivedMessage,
  ArchivedRoom,
  RoomImport,
} from '../../../chat/ports/archive.ts';
import { FolderLock } from './folder-lock.ts';
import type { GuardedDatabase } from './guarded-database.ts';
import { sweepDeletedRooms } from './room-writes.ts';
import { type BanRow, findRoom, MESSAGE, parseMessage, toBan, toMessage } from './rows.ts';
import { openForReading, openForWriting } from './schema.ts';
import { DATABASE_FILE } from './sqlite-writer.ts';

const MEMBERS = `SELECT members.user, members.name, members.role, members.joined_at AS joinedAt,
    coalesce(read_marks.seq, 0) AS readSeq
  FROM members LEFT JOIN read_marks ON read_marks.room = members.room AND read_marks.user = members.user
  WHERE members.room = ? ORDER BY members.key`;
const MESSAGES = `SELECT fingerprint, ${MESSAGE} FROM messages WHERE room = ? AND seq >= ? ORDER BY seq LIMIT ?`;

/** The embedded store, room by room. Reading goes on beside a server; importing needs the folder for itself. */
export class SqliteArchive implements Archive {
  readonly #db: GuardedDatabase;
  readonly #lock: FolderLock | undefined;

  /** Throws when there is no store. */
  static openForReading(dir: string): SqliteArchive {
    const file = join(dir, DATABASE_FILE);
    if (!existsSync(file)) throw new Error(`${file}: there is no database`);
    return new SqliteArchive(openForReading(file), undefined);
  }

  /** Makes the store where there is none. Throws `FolderInUse` while a server runs on it. */
  static openForImport(dir: string): SqliteArchive {
    const lock = FolderLock.acquire(dir);
    try {
      const db = openForWriting(join(dir, DATABASE_FILE));
      // What a deleted room left would be in the way of the same room coming back.
      while (sweepDeletedRooms(db));
      return new SqliteArchive(db, lock);
    } catch (cause) {
      lock.release();
      throw cause;
    }
  }

  private constructor(db: GuardedDatabase, lock: FolderLock | undefined) {
    this.#db = db;
    this.#lock = lock;
  }

  /** A room that was not finished is taken back. */
  async close(): Promise<void> {
    if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
    this.#db.close();
    this.#lock?.release();
  }

  async roomIds(limit: number, after = ''): Promise<string[]> {
    const sql = 'SELECT id FROM rooms WHERE id > ? ORDER BY id LIMIT ?';
    return this.#db.all<{ id: string }>(sql, [after, limit]).map(({ id }) => id);
  }

  async room(id: string): Promise<ArchivedRoom | undefined> {
    const row = findRoom(this.#db, id);
    if (row === undefined) return undefined;
    const { key: _key, count: _count, epoch: _epoch, ...room } = row;
    return room;
  }

  async members(id: string): Promise<ArchivedMember[]> {
    return this.#db.all<ArchivedMember>(MEMBERS, [this.#keyOf(id)]);
  }

  async bans(id: string): Promise<ArchivedBan[]> {
    const sql = 'SELECT user, until, reason, by, at FROM bans WHERE room = ? ORDER BY user';
    const rows = this.#db.all<BanRow & { by: string; at: string }>(sql, [this.#keyOf(id)]);
    return rows.map((row) => ({ ...toBan(row), by: row.by, at: row.at }));
  }

  async messages(id: string, from: number, limit: number): Promise<ArchivedMessage[]> {
    const rows = this.#db.all<{ fingerprint: string; json: string }>(MESSAGES, [this.#keyOf(id), from, limit]);
    return rows.map((row) => {
      const parsed = parseMessage(row);
      const { chatroom: _chatroom, ...message } = toMessage(id, parsed);
      const image = parsed.type === 3 ? this.#imageOf(parsed.key) : undefined;
      return { ...message, clientId: parsed.clientId, fingerprint: row.fingerprint, ...(image && { image }) };
    });
  }

  async importRoom(room: ArchivedRoom, epoch: string): Promise<RoomImport> {
    if (this.#lock === undefined) throw new Error('this archive was opened for reading');
    this.#requireFree(room);
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      return importInto(this.#db, room, epoch);
    } catch (cause) {
      this.#db.exec('ROLLBACK');
      throw cause;
    }
  }

  #requireFree({ id, nameKey, visibility }: ArchivedRoom): void {
    if (findRoom(this.#db, id)) throw new ChatError('duplicate', `a room ${id} exists already`);
    const named = `SELECT 1 FROM rooms WHERE visibility = 'public' AND name_key = ?`;
    if (visibility === 'public' && this.#db.first(named, [nameKey])) {
      throw new ChatError('duplicate', `another public room has the name of room ${id}; rename one of them`);
    }
  }

  #keyOf(id: string): number {
    const row = findRoom(this.#db, id);
    if (row === undefined) throw noSuchRoom();
    return row.key;
  }

  #imageOf(message: number): Image | undefined {
    const sql = 'SELECT content_type AS contentType, bytes FROM images WHERE message = ?';
    const row = this.#db.first<{ contentType: Image['contentType']; bytes: ArrayBuffer }>(sql, [message]);
    return row && { contentType: row.contentType, bytes: new Uint8Array(row.bytes) };
  }
}

/** All of a room is one transaction. */
function importInto(db: GuardedDatabase, room: ArchivedRoom, epoch: string): RoomImport {
  const { key } = db.run(
    `INSERT INTO rooms (id, name, name_key, topic, visibility, owner, slow_mode_ms, first_seq, epoch, rev, version,
       created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      room.id,
      room.name,
      room.nameKey,
      room.topic,
      room.visibility,
      room.owner,
      room.slowModeMs,
      room.firstSeq,
      epoch,
      room.rev,
      room.version,
      room.createdAt,
    ],
  );
  return {
    async addMembers(members) {
      for (const it of members) {
        db.run('INSERT INTO members (room, user, name, role, joined_at) VALUES (?, ?, ?, ?, ?)', [
          key,
          it.user,
          it.name,
          it.role,
          it.joinedAt,
        ]);
        if (it.readSeq > 0) {
          db.run('INSERT INTO read_marks (room, user, seq) VALUES (?, ?, ?)', [key, it.user, it.readSeq]);
        }
      }
    },
    async addBans(bans) {
      for (const it of bans) {
        db.run('INSERT INTO bans (room, user, until, reason, by, at) VALUES (?, ?, ?, ?, ?, ?)', [
          key,
          it.user,
          it.until ?? null,
          it.reason ?? null,
          it.by,
          it.at,
        ]);
      }
    },
    async addMessages(messages) {
      for (const it of messages) addMessage(db, key, it);
    },
    async finish({ firstSeq, rev, count }) {
      db.run('UPDATE rooms SET first_seq = ?, rev = ?, count = ? WHERE key = ?', [firstSeq, rev, count, key]);
      db.exec('COMMIT');
    },
    async cancel() {
      if (db.inTransaction) db.exec('ROLLBACK');
    },
  };
}

function addMessage(db: GuardedDatabase, room: number, it: ArchivedMessage): void {
  if (db.first('SELECT 1 FROM messages WHERE id = ?', [it.id])) {
    throw new ChatError('duplicate', `another room has a message ${it.id}`);
  }
  const { key } = db.run(
    `INSERT INTO messages (room, seq, id, owner, owner_name, type, message, created_at, client_id, fingerprint,
       in_reply_to, origin, bot, meta, rev, deleted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      room,
      it.seq,
      it.id,
      it.owner,
      it.ownerName,
      it.type,
      it.message,
      it.createdAt,
      it.clientId,
      it.fingerprint,
      it.inReplyTo ?? null,
      it.origin ?? null,
      it.bot?.name ?? null,
      it.meta === undefined ? null : JSON.stringify(it.meta),
      it.rev ?? null,
      it.deleted ? 1 : 0,
    ],
  );
  if (it.image) {
    const { contentType, bytes } = it.image;
    db.run('INSERT INTO images (message, content_type, bytes) VALUES (?, ?, ?)', [key, contentType, bytes]);
  }
}
