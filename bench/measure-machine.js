// What this machine can do by itself, to judge Parley's figures of the same run by.

import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { newId } from '../dist/chat/new-id.js';
import { openForWriting } from '../dist/drivers/store/sqlite/schema.js';

const ROOMS = 20;
const SETTINGS = ['synchronous', 'wal_autocheckpoint', 'cache_size'];
/** As long as the store's log grows before it is written anew from its beginning. */
const FILE_BYTES = 16 * 1024 * 1024;

async function inFolder(measure) {
  const dir = await mkdtemp(join(tmpdir(), 'parley-bench-'));
  try {
    return measure(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/**
 * Appends per second of the engine alone: one process, nothing looked up, no replays, no messages between processes, into
 * the store's own tables and indexes with the settings of its connection.
 */
export const measureBareAppends = ({ seconds, perCommit }) =>
  inFolder((dir) => {
    const file = join(dir, 'bare.db');
    const parleys = openForWriting(file);
    const settings = SETTINGS.map((name) => `PRAGMA ${name} = ${Object.values(parleys.first(`PRAGMA ${name}`))[0]}`);
    parleys.close();
    const db = new Database(file);
    for (const it of settings) db.prepare(it).all();
    const insert = db.prepare(
      `INSERT INTO messages (room, seq, id, owner, owner_name, type, message, created_at, client_id, fingerprint)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    const text = 'A line of chat of about eighty characters, as people write them all day long.';
    const createdAt = new Date().toISOString();
    const startedAt = performance.now();
    let appended = 0;
    while (performance.now() - startedAt < seconds * 1000) {
      db.exec('BEGIN IMMEDIATE');
      for (let n = 0; n < perCommit; n += 1, appended += 1) {
        const id = newId(Date.now());
        const seq = 1 + Math.floor(appended / ROOMS);
        insert.run([1 + (appended % ROOMS), seq, id, 'bench', 'bench', 1, text, createdAt, id, 'bench']);
      }
      db.exec('COMMIT');
    }
    const perSecond = appended / ((performance.now() - startedAt) / 1000);
    db.close();
    return perSecond;
  });

/** Synced writes of so many bytes per second, one after the other, over a file that is there already. */
export const measureSyncs = ({ seconds, bytes }) =>
  inFolder((dir) => {
    const file = openSync(join(dir, 'syncs'), 'w');
    writeSync(file, Buffer.alloc(FILE_BYTES));
    fsyncSync(file);
    const block = Buffer.alloc(bytes, 1);
    const startedAt = performance.now();
    let synced = 0;
    for (; performance.now() - startedAt < seconds * 1000; synced += 1) {
      writeSync(file, block, 0, bytes, (synced % Math.floor(FILE_BYTES / bytes)) * bytes);
      fdatasyncSync(file);
    }
    const perSecond = synced / ((performance.now() - startedAt) / 1000);
    closeSync(file);
    return perSecond;
  });
