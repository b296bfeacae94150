import { GuardedDatabase } from './guarded-database.ts';

/**
 * Version n of the file is made by the first n steps; a step that was released is never changed, only followed.
 *
 * - Rooms have an inner `key` that is never used again: what a deleted room leaves behind (its messages are swept bit
 *   by bit, see `sweepDeletedRooms`) cannot turn up in a later room of the same id.
 * - A room's head is the highest seq of its messages, or `first_seq - 1` when none is kept: no counter to go wrong.
 * - `count` is kept beside the members, so that a list of rooms does not count them all.
 * - Images are apart, so that no page of history touches their bytes.
 * - What makes a message unique begins with its `client_id`: those that grow with time, as the clients of this project
 *   make them, lie side by side whatever their rooms and senders. In the order (room, owner, client_id) a commit wrote a
 *   page per sender, more than half of all its bytes. For random ids the orders are alike.
 * - Messages are in the order of their coming, with (room, seq) beside them. A table that is itself in the order of
 *   (room, seq) was tried: its pages split in the middle all the time, which wrote a quarter more bytes.
 * - Rows are in the order of their key: `members` by joining, `commands` by arrival.
 */
const STEPS: readonly string[] = [
  `
  CREATE TABLE rooms (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    topic TEXT NOT NULL,
    visibility TEXT NOT NULL,
    owner TEXT NOT NULL,
    slow_mode_ms INTEGER NOT NULL DEFAULT 0,
    count INTEGER NOT NULL DEFAULT 0,
    first_seq INTEGER NOT NULL DEFAULT 1,
    epoch TEXT NOT NULL,
    rev INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL
  ) STRICT;
  CREATE INDEX rooms_by_name ON rooms (name_key, id);
  CREATE UNIQUE INDEX rooms_public_name ON rooms (name_key) WHERE visibility = 'public';
  -- Not unique: a room that is handed over may bring a name its new owner has in use.
  CREATE INDEX rooms_private_name ON rooms (owner, name_key) WHERE visibility = 'private';

  CREATE TABLE members (
    key INTEGER PRIMARY KEY,
    room INTEGER NOT NULL,
    user TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    joined_at TEXT NOT NULL,
    UNIQUE (room, user)
  ) STRICT;
  CREATE INDEX members_by_joining ON members (room);
  CREATE INDEX members_by_user ON members (user, room);

  CREATE TABLE bans (
    room INTEGER NOT NULL,
    user TEXT NOT NULL,
    until INTEGER,
    reason TEXT,
    by TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (room, user)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE messages (
    key INTEGER PRIMARY KEY,
    room INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    owner_name TEXT NOT NULL,
    type INTEGER NOT NULL,
    message TEXT NOT NULL,
    created_at TEXT NOT NULL,
    client_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    in_reply_to TEXT,
    origin TEXT,
    bot TEXT,
    meta TEXT,
    rev INTEGER,
    deleted INTEGER NOT NULL DEFAULT 0,
    UNIQUE (room, seq),
    UNIQUE (client_id, room, owner)
  ) STRICT;
  CREATE INDEX messages_changed ON messages (room, rev) WHERE rev IS NOT NULL;

  CREATE TABLE images (
    message INTEGER PRIMARY KEY,
    content_type TEXT NOT NULL,
    bytes BLOB NOT NULL
  ) STRICT;

  CREATE TABLE commands (
    key INTEGER PRIMARY KEY,
    room INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    user TEXT NOT NULL,
    user_name TEXT NOT NULL,
    client_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    command TEXT NOT NULL,
    args TEXT NOT NULL,
    message TEXT NOT NULL,
    created_at TEXT NOT NULL,
    deadline INTEGER NOT NULL,
    ticket TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',
    UNIQUE (room, user, client_id)
  ) STRICT;
  CREATE INDEX commands_open ON commands (key) WHERE state = 'open';

  CREATE TABLE read_marks (
    room INTEGER NOT NULL,
    user TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (room, user)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE revocations (
    subject TEXT PRIMARY KEY,
    at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE deleted_rooms (
    room INTEGER PRIMARY KEY
  ) STRICT;
  `,
];

/** The thread stands still while it waits for a foreign lock (somebody looking into the file with a tool). */
const BUSY_MS = 1000;

/** 16 MiB of pages; the default of 2 is smaller than the inner pages of a busy server's indexes. */
const CACHE = 'PRAGMA cache_size = -16384';

/** The one connection that writes. Every commit is synced to the disk. Creates or upgrades the file. */
export function openForWriting(file: string): GuardedDatabase {
  const db = new GuardedDatabase(file, BUSY_MS);
  try {
    const [journal] = db.all<{ journal_mode: string }>('PRAGMA journal_mode = WAL');
    if (journal?.journal_mode !== 'wal') throw new Error(`${file} does not support write-ahead logging`);
    db.exec('PRAGMA synchronous = FULL');
    // Checkpoints at 16 MB of log: a third more appends per second than at 4 MB, for stalls of 25 ms instead of 15.
    db.all('PRAGMA wal_autocheckpoint = 4000');
    db.exec(CACHE);
    upgrade(db, file);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** A connection that sees every commit and cannot write. The file must have been made by {@link openForWriting}. */
export function openForReading(file: string): GuardedDatabase {
  const db = new GuardedDatabase(file, BUSY_MS);
  try {
    db.exec('PRAGMA query_only = ON');
    db.exec(CACHE);
    const version = versionOf(db);
    if (version !== STEPS.length) throw new Error(`${file} has version ${version}, this program reads ${STEPS.length}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function upgrade(db: GuardedDatabase, file: string): void {
  const version = versionOf(db);
  if (version > STEPS.length) throw new Error(`${file} was written by a newer version of this program`);
  for (const [at, step] of STEPS.entries()) {
    if (at >= version) db.exec(`BEGIN IMMEDIATE; ${step}; PRAGMA user_version = ${at + 1}; COMMIT`);
  }
}

export const versionOf = (db: GuardedDatabase): number =>
  db.first<{ user_version: number }>('PRAGMA user_version')?.user_version ?? 0;

/** Writes what stands there already: a commit that changes nothing, to find out whether the disk takes one. */
export const touch = (db: GuardedDatabase): void => db.exec(`PRAGMA user_version = ${versionOf(db)}`);
