import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GuardedDatabase } from './guarded-database.ts';
import { isDiskFailure } from './store-failure.ts';

/** Another server works on this folder. The message says which. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse';
}

/** The folder cannot be made, or is something else. The message says why. */
export class FolderUnusable extends Error {
  override readonly name = 'FolderUnusable';
}

interface Holder {
  readonly pid: number;
  readonly startedAt: string;
  /** Where it listens, as soon as it does. */
  readonly address?: string;
}

/**
 * One server per folder. What locks is an exclusive transaction on `lock.db`, held for life: the kernel frees it with
 * the process, however that dies, so nothing stale can keep a restart out. `server.json` beside it only names the
 * holder to the one who is refused.
 *
 * The lock is of the POSIX kind: opening and closing `lock.db` by other means within this process would drop it.
 */
export class FolderLock {
  readonly #db: GuardedDatabase;
  readonly #card: string;
  readonly #holder: Holder;

  private constructor(db: GuardedDatabase, card: string) {
    this.#db = db;
    this.#card = card;
    this.#holder = { pid: process.pid, startedAt: new Date().toISOString() };
    this.#write(this.#holder);
  }

  /** Makes the folder if need be. Throws {@link FolderInUse}. */
  static acquire(dir: string): FolderLock {
    makeFolder(dir);
    const card = join(dir, 'server.json');
    const db = new GuardedDatabase(join(dir, 'lock.db'), 0);
    try {
      db.exec('BEGIN EXCLUSIVE');
      return new FolderLock(db, card);
    } catch (cause) {
      db.close();
      if (isBusy(cause)) throw new FolderInUse(`${dir} is in use by another server (${nameOf(card)})`, { cause });
      throw cause;
    }
  }

  /** Tells those who will be refused where this server listens. */
  announce(address: string): void {
    this.#write({ ...this.#holder, address });
  }

  release(): void {
    try {
      rmSync(this.#card, { force: true });
    } catch {
      // It names a process that is gone; the next holder writes its own.
    }
    this.#db.close();
  }

  #write(holder: Holder): void {
    const next = `${this.#card}.new`;
    try {
      writeFileSync(next, `${JSON.stringify(holder)}\n`);
      renameSync(next, this.#card);
    } catch {
      // A disk that is full or read-only by now must not end a server: the lock holds without its card.
    }
  }
}

/** Parents first, one by one: Node's own recursive way never ends below `/proc`. */
function makeFolder(dir: string): void {
  const found = kindOf(dir);
  if (found === 'folder') return;
  if (found === 'other') throw new FolderUnusable(`DATA_DIR=${dir}: is not a folder`);
  if (dirname(dir) !== dir) makeFolder(dirname(dir));
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch (cause) {
    if (kindOf(dir) === 'folder') return; // somebody else just made it
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FolderUnusable(`DATA_DIR=${dir}: cannot be made (${why})`, { cause });
  }
}

function kindOf(path: string): 'folder' | 'other' | 'nothing' {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'other';
  } catch {
    return 'nothing';
  }
}

const BUSY = 5;
const isBusy = (error: unknown): boolean =>
  isDiskFailure(error) && error instanceof Error && 'rawCode' in error && error.rawCode === BUSY;

function nameOf(card: string): string {
  try {
    const { pid, startedAt, address } = JSON.parse(readFileSync(card, 'utf8')) as Holder;
    return [`process ${pid}`, address, `started ${startedAt}`].filter((it) => it !== undefined).join(', ');
  } catch {
    return 'it has not said which'; // between its lock and its card
  }
}
