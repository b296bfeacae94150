import { closeSync, copyFileSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { FolderLock } from './folder-lock.ts';
import { GuardedDatabase } from './guarded-database.ts';
import { openForWriting, versionOf } from './schema.ts';
import { DATABASE_FILE } from './sqlite-writer.ts';

/** It cannot be done; the message says why. */
export class BackUpRefused extends Error {
  override readonly name = 'BackUpRefused';
}

/** Longer than any commit: a copy does not hold up the writer, and rarely waits for it. */
const BUSY_MS = 5000;

export interface BackedUp {
  readonly rooms: number;
  readonly messages: number;
}

/**
 * Copies the database as it is at one moment to `file`, while a server may be writing to it: everything that was
 * acknowledged before is in the copy. The file appears under its name when it is whole and on the disk, or not at all.
 */
export function backUp(dir: string, file: string): BackedUp {
  const source = join(dir, DATABASE_FILE);
  if (!existsSync(source)) throw new BackUpRefused(`${source}: there is no database to back up`);
  const to = resolve(file);
  if (existsSync(to)) throw new BackUpRefused(`${file}: exists already; a back-up replaces nothing`);
  const unfinished = `${to}.unfinished`;
  rmSync(unfinished, { force: true });
  try {
    // Made first, so that nobody else may read it at any time; the engine fills an empty file.
    closeSync(openSync(unfinished, 'wx', 0o600));
    const db = new GuardedDatabase(source, BUSY_MS);
    try {
      db.run('VACUUM INTO ?', [unfinished]);
    } finally {
      db.close();
    }
    const counts = inspect(unfinished, file);
    sync(unfinished);
    renameSync(unfinished, to);
    sync(dirname(to));
    return counts;
  } finally {
    for (const it of [unfinished, ...sidesOf(unfinished)]) rmSync(it, { force: true });
  }
}

/**
 * Puts a back-up in the place of the database. No server may run on the folder: rejects with `FolderInUse`. Every room
 * gets an epoch of `newEpoch`, since its clients may have seen messages that are gone, and their seqs come again. Until the
 * copy is checked and whole, nothing of what is there is touched, and then it is replaced in one step.
 */
export function restore(dir: string, file: string, newEpoch: () => string): BackedUp {
  if (!existsSync(file)) throw new BackUpRefused(`${file}: there is no such file`);
  const lock = FolderLock.acquire(dir);
  const target = join(dir, DATABASE_FILE);
  const copy = join(dir, 'restoring.db');
  const leftovers = [copy, ...sidesOf(copy)];
  try {
    for (const it of leftovers) rmSync(it, { force: true });
    closeSync(openSync(copy, 'wx', 0o600));
    copyFileSync(file, copy);
    const counts = inspect(copy, file);
    renew(copy, newEpoch);
    sync(copy);
    foldIn(target);
    renameSync(copy, target);
    sync(dir);
    return counts;
  } finally {
    for (const it of leftovers) rmSync(it, { force: true });
    lock.release();
  }
}

/** Throws, by the name it is known under, when the file is not a whole database of this program. */
function inspect(file: string, name: string): BackedUp {
  const db = new GuardedDatabase(file, BUSY_MS);
  try {
    const [found] = db.all<{ integrity_check: string }>('PRAGMA integrity_check(1)');
    if (found?.integrity_check !== 'ok') throw new BackUpRefused(`${name}: is damaged (${found?.integrity_check})`);
    if (versionOf(db) === 0) throw new BackUpRefused(`${name}: is no database of Parley`);
    return {
      rooms: db.first<{ count: number }>('SELECT count(*) AS count FROM rooms')?.count ?? 0,
      messages: db.first<{ count: number }>('SELECT count(*) AS count FROM messages')?.count ?? 0,
    };
  } catch (cause) {
    if (cause instanceof BackUpRefused) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new BackUpRefused(`${name}: is no whole database of Parley (${why})`, { cause });
  } finally {
    db.close();
  }
}

/** Also brings the form of an older version up to date. */
function renew(file: string, newEpoch: () => string): void {
  const db = openForWriting(file);
  try {
    db.exec('BEGIN IMMEDIATE');
    for (const { key } of db.all<{ key: number }>('SELECT key FROM rooms')) {
      db.run('UPDATE rooms SET epoch = ? WHERE key = ?', [newEpoch(), key]);
    }
    db.exec('COMMIT');
    db.all('PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    db.close();
  }
}

/**
 * The log beside the database goes before the database is replaced: it would be taken for the new one's. What it holds is
 * written into the old database first, so that whatever ends this in between leaves all that was acknowledged.
 */
function foldIn(target: string): void {
  try {
    if (existsSync(target)) openForWriting(target).close();
  } catch {
    // Damaged, maybe that is why a back-up is restored.
  }
  for (const it of sidesOf(target)) rmSync(it, { force: true });
}

const sidesOf = (file: string): string[] => [`${file}-wal`, `${file}-shm`, `${file}-journal`];

function sync(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
