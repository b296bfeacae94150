import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GuardedDatabase } from './guarded-database.ts';
import { isDiskFailure } from './store-failure.ts';

/** Another server works on this folder. The message says which. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse';
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
    mkdirSync(dir, { recursive: true, mode: 0o700 });
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
