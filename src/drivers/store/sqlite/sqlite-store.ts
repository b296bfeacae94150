import { join } from 'node:path';
import { invalidCursor } from '../../../chat/errors.ts';
import type {
  Ban,
  Command,
  Head,
  Image,
  Member,
  Message,
  NewMessage,
  Receipt,
  Role,
  Room,
  RoomView,
} from '../../../chat/model.ts';
import type {
  Found,
  Joined,
  Left,
  NewRoom,
  RoomPatch,
  RoomQuery,
  Store,
  StoredReceipt,
  Window,
} from '../../../chat/ports/store.ts';
import { type GuardedDatabase, textList } from './guarded-database.ts';
import {
  COMMAND,
  type CommandRow,
  findMessage,
  HEAD,
  MESSAGE,
  MESSAGE_OF_ROOM,
  parseMessage,
  receiptOf,
  toMessage,
  toView,
  VIEW,
  VIEWED_ROOMS,
  type ViewRow,
} from './rows.ts';
import { openForReading } from './schema.ts';
import { DATABASE_FILE } from './sqlite-writer.ts';
import { readFailure } from './store-failure.ts';
import type { Submit } from './write-operations.ts';

const MESSAGES_OF = `SELECT ${MESSAGE} FROM messages WHERE room = (SELECT key FROM rooms WHERE id = ?)`;
/** Values: room, from, to, limit. */
export const MESSAGE_WINDOW = {
  asc: `${MESSAGES_OF} AND seq BETWEEN ? AND ? ORDER BY seq ASC LIMIT ?`,
  desc: `${MESSAGES_OF} AND seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ?`,
};
/** Values: room, rev, limit. */
const CHANGED_SINCE = `${MESSAGES_OF} AND rev IS NOT NULL AND rev > ? ORDER BY rev LIMIT ?`;

const ROWS_LOOKED_AT = 5000;
/** Values: key, rows, owner, limit. */
const OWN_MESSAGES = `SELECT looked.key, rooms.id AS chatroom, looked.id
  FROM (SELECT key, room, id, owner, deleted FROM messages WHERE key > ?1 ORDER BY key LIMIT ?2) AS looked
  JOIN rooms ON rooms.key = looked.room WHERE looked.owner = ?3 AND looked.deleted = 0 ORDER BY looked.key LIMIT ?4`;
/** Values: key, rows. Nothing when fewer rows are left: that was the end. */
const LAST_LOOKED_AT = 'SELECT key FROM messages WHERE key > ?1 ORDER BY key LIMIT 1 OFFSET ?2 - 1';

/** Values: those of VIEWED_ROOMS, nameKey, id, q, limit. */
const LISTED = `AND (rooms.name_key, rooms.id) > (?, ?) AND instr(rooms.name_key, ?) > 0
  ORDER BY rooms.name_key, rooms.id LIMIT ?`;
const LIST_ROOMS = {
  mine: `SELECT ${VIEW} FROM ${VIEWED_ROOMS} WHERE members.role IS NOT NULL ${LISTED}`,
  others: `SELECT ${VIEW} FROM ${VIEWED_ROOMS} WHERE members.role IS NULL AND rooms.visibility = 'public' ${LISTED}`,
  all: `SELECT ${VIEW} FROM ${VIEWED_ROOMS} WHERE members.role IS NULL ${LISTED}`,
};

/**
 * The embedded store as a process sees it: it reads the file by itself, every write goes through `submit` to the one
 * {@link SqliteWriter} of the folder, wherever that runs.
 */
export class SqliteStore implements Store {
  readonly #db: GuardedDatabase;
  readonly #submit: Submit;

  /** The folder must have been opened by its writer before. */
  static async open(dir: string, submit: Submit): Promise<SqliteStore> {
    return new SqliteStore(openForReading(join(dir, DATABASE_FILE)), submit);
  }

  private constructor(db: GuardedDatabase, submit: Submit) {
    this.#db = db;
    this.#submit = submit;
  }

  /** Ends reading; the writer is closed by whoever opened it. */
  async close(): Promise<void> {
    this.#db.close();
  }

  createRoom(room: NewRoom, owner: { user: string; name: string }, maxRooms: number): Promise<Room> {
    return this.#submit({ name: 'createRoom', args: [room, owner, maxRooms] });
  }

  patchRoom(room: string, patch: RoomPatch, ifVersion?: number): Promise<Room> {
    return this.#submit({ name: 'patchRoom', args: [room, patch, ifVersion] });
  }

  deleteRoom(room: string, ifVersion?: number): Promise<Room> {
    return this.#submit({ name: 'deleteRoom', args: [room, ifVersion] });
  }

  async viewRoom(room: string, user: string): Promise<RoomView | undefined> {
    return this.#read((db) => {
      const row = db.first<ViewRow>(`SELECT ${VIEW} FROM ${VIEWED_ROOMS} WHERE rooms.id = ?`, [
        user,
        user,
        Date.now(),
        room,
      ]);
      return row && toView(row);
    });
  }

  /** The head costs this engine nothing worth a second statement. */
  standing(room: string, user: string): Promise<RoomView | undefined> {
    return this.viewRoom(room, user);
  }

  async listRooms({ user, scope, all, q = '', limit, after }: RoomQuery): Promise<RoomView[]> {
    const sql = LIST_ROOMS[scope === 'others' && all ? 'all' : scope];
    const values = [user, user, Date.now(), after?.nameKey ?? '', after?.id ?? '', q, limit];
    return this.#read((db) => db.all<ViewRow>(sql, values).map(toView));
  }

  async roomIdsOf(user: string): Promise<string[]> {
    return this.#read((db) =>
      db
        .all<{ id: string }>('SELECT rooms.id FROM members JOIN rooms ON rooms.key = members.room WHERE user = ?', [
          user,
        ])
        .map(({ id }) => id),
    );
  }

  async roomIds(limit: number, after = ''): Promise<string[]> {
    return this.#read((db) =>
      db
        .all<{ id: string }>('SELECT id FROM rooms WHERE id > ? ORDER BY id LIMIT ?', [after, limit])
        .map(({ id }) => id),
    );
  }

  async heads(rooms: readonly string[]): Promise<Map<string, Head>> {
    const rows = this.#read((db) =>
      db.all<Head & { id: string }>(
        `SELECT rooms.id, ${HEAD} AS headSeq, first_seq AS firstSeq, rev, epoch
         FROM json_each(?) AS asked CROSS JOIN rooms ON rooms.id = asked.value`,
        [textList(rooms)],
      ),
    );
    return new Map(rows.map(({ id, ...head }) => [id, head]));
  }

  async members(room: string): Promise<Member[]> {
    return this.#read((db) =>
      db.all<Member>(
        'SELECT user, name, role FROM members WHERE room = (SELECT key FROM rooms WHERE id = ?) ORDER BY key',
        [room],
      ),
    );
  }

  addMember(
    room: string,
    member: { user: string; name: string; at: string; role: Role },
    maxRooms: number,
  ): Promise<Joined> {
    return this.#submit({ name: 'addMember', args: [room, member, maxRooms] });
  }

  setRole(room: string, user: string, role: Role): Promise<Room> {
    return this.#submit({ name: 'setRole', args: [room, user, role] });
  }

  removeMember(room: string, user: string): Promise<Left> {
    return this.#submit({ name: 'removeMember', args: [room, user] });
  }

  ban(room: string, ban: Ban & { by: string; at: string }): Promise<Left> {
    return this.#submit({ name: 'ban', args: [room, ban] });
  }

  unban(room: string, user: string): Promise<void> {
    return this.#submit({ name: 'unban', args: [room, user] });
  }

  append(message: NewMessage): Promise<Receipt> {
    return this.#submit({ name: 'append', args: [message] });
  }

  async findReceipt(room: string, owner: string, clientId: string): Promise<StoredReceipt | undefined> {
    const row = this.#read((db) => receiptOf(db, room, owner, clientId));
    if (row === undefined) return undefined;
    const { seq, ...receipt } = row;
    return seq === null ? receipt : { ...receipt, seq };
  }

  async messages(room: string, { from, to, order, limit }: Window): Promise<Message[]> {
    return this.#readMessages(room, MESSAGE_WINDOW[order], from, to, limit);
  }

  async message(room: string, id: string): Promise<Message | undefined> {
    return this.#read((db) => {
      const row = findMessage(db, room, id);
      return row && toMessage(room, row);
    });
  }

  async image(room: string, id: string): Promise<Image | undefined> {
    const row = this.#read((db) =>
      db.first<{ contentType: Image['contentType']; bytes: ArrayBuffer }>(
        `SELECT images.content_type AS contentType, images.bytes
         FROM messages JOIN images ON images.message = messages.key WHERE ${MESSAGE_OF_ROOM}`,
        [room, id],
      ),
    );
    return row && { contentType: row.contentType, bytes: new Uint8Array(row.bytes) };
  }

  editMessage(room: string, id: string, text: string, type: 1 | 2): Promise<Message | undefined> {
    return this.#submit({ name: 'editMessage', args: [room, id, text, type] });
  }

  deleteMessage(room: string, id: string): Promise<Message | undefined> {
    return this.#submit({ name: 'deleteMessage', args: [room, id] });
  }

  async changedSince(room: string, rev: number, limit: number): Promise<Message[]> {
    return this.#readMessages(room, CHANGED_SINCE, rev, limit);
  }

  /** No index begins with the owner: one would cost every append. So a call looks through so many rows, by their key. */
  async messagesOf(user: string, limit: number, after = '0'): Promise<Found> {
    if (!/^\d{1,15}$/.test(after)) throw invalidCursor();
    const from = Number(after);
    return this.#read((db) => {
      const rows = db.all<{ key: number; chatroom: string; id: string }>(OWN_MESSAGES, [
        from,
        ROWS_LOOKED_AT,
        user,
        limit,
      ]);
      const last = db.first<{ key: number }>(LAST_LOOKED_AT, [from, ROWS_LOOKED_AT])?.key;
      const reached = rows.length < limit ? last : rows.at(-1)?.key;
      return {
        messages: rows.map(({ chatroom, id }) => ({ chatroom, id })),
        ...(reached !== undefined && { next: String(reached) }),
      };
    });
  }

  trim(room: string, firstSeq: number): Promise<void> {
    return this.#submit({ name: 'trim', args: [room, firstSeq] });
  }

  markRead(room: string, user: string, seq: number): Promise<number> {
    return this.#submit({ name: 'markRead', args: [room, user, seq] });
  }

  async readMark(room: string, user: string): Promise<number> {
    const row = this.#read((db) =>
      db.first<{ seq: number }>(
        'SELECT seq FROM read_marks WHERE room = (SELECT key FROM rooms WHERE id = ?) AND user = ?',
        [room, user],
      ),
    );
    return row?.seq ?? 0;
  }

  putCommand(command: Command): Promise<{ id: string; createdAt: string; replayed: boolean }> {
    return this.#submit({ name: 'putCommand', args: [command] });
  }

  async command(id: string): Promise<Command | undefined> {
    return this.#read((db) =>
      db.first<CommandRow>(
        `SELECT ${COMMAND} FROM commands JOIN rooms ON rooms.key = commands.room WHERE commands.id = ?`,
        [id],
      ),
    );
  }

  async openCommands(limit: number): Promise<Command[]> {
    return this.#read((db) =>
      db.all<CommandRow>(
        `SELECT ${COMMAND} FROM commands CROSS JOIN rooms ON rooms.key = commands.room
         WHERE commands.state = 'open' ORDER BY commands.key LIMIT ?`,
        [limit],
      ),
    );
  }

  giveUpCommand(id: string): Promise<boolean> {
    return this.#submit({ name: 'giveUpCommand', args: [id] });
  }

  dropCommands(before: string, limit: number): Promise<number> {
    return this.#submit({ name: 'dropCommands', args: [before, limit] });
  }

  revoke(subject: string, at: number): Promise<void> {
    return this.#submit({ name: 'revoke', args: [subject, at] });
  }

  async revocations(subjects: readonly string[]): Promise<Map<string, number>> {
    const rows = this.#read((db) =>
      db.all<{ subject: string; at: number }>(
        'SELECT subject, at FROM json_each(?) AS asked CROSS JOIN revocations ON subject = asked.value',
        [textList(subjects)],
      ),
    );
    return new Map(rows.map(({ subject, at }) => [subject, at]));
  }

  #readMessages(room: string, sql: string, ...values: number[]): Message[] {
    const rows = this.#read((db) => db.all<{ json: string }>(sql, [room, ...values]));
    return rows.map((row) => toMessage(room, parseMessage(row)));
  }

  #read<R>(query: (db: GuardedDatabase) => R): R {
    try {
      return query(this.#db);
    } catch (error) {
      throw readFailure(error);
    }
  }
}
