import { join } from 'node:path';
import { ChatError, tryAgain } from '../../../chat/errors.ts';
import { FolderLock } from './folder-lock.ts';
import type { GuardedDatabase } from './guarded-database.ts';
import { forgetPlaces } from './room-places.ts';
import { sweepDeletedRooms } from './room-writes.ts';
import { openForWriting, touch } from './schema.ts';
import { isDiskFailure, writeFailure } from './store-failure.ts';
import { type ResultOf, runWrite, type Submit, type Write, type WriteName, type WriteOf } from './write-operations.ts';

export const DATABASE_FILE = 'parley.db';

/** A batch ends at whichever comes first, so that no stall of the event loop grows with the load. */
const MAX_BATCH_WRITES = 512;
const MAX_BATCH_MS = 5;

interface Pending {
  readonly run: (db: GuardedDatabase) => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: ChatError) => void;
}

type Answer = { readonly result: unknown } | { readonly refusal: ChatError };

/**
 * The single writer of a store's folder, with group commit: what is submitted within one turn of the event loop is one
 * synced transaction, and every promise settles after it.
 *
 * - A refusal ({@link ChatError}) answers its own write and leaves the others of the batch alone.
 * - An unexpected error takes the whole batch back, and its writes are run again, each in a transaction of its own: only
 *   the one that breaks fails.
 * - A failing disk (full, read-only, I/O) takes the batch back and rejects all of it with `try_again`. The writer goes
 *   on: the next batch works as soon as the disk does.
 */
export class SqliteWriter {
  /** Counters for metrics: committed transactions, writes in them, batches lost to the disk. */
  readonly stats = { batches: 0, writes: 0, failures: 0 };
  #away = false;
  readonly lock: FolderLock;
  readonly #db: GuardedDatabase;
  #queue: Pending[] = [];
  #scheduled = false;
  #closed = false;

  /** Locks the folder, then opens or creates what is in it. Rejects with `FolderInUse`. */
  static async open(dir: string): Promise<SqliteWriter> {
    const lock = FolderLock.acquire(dir);
    try {
      return new SqliteWriter(openForWriting(join(dir, DATABASE_FILE)), lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Takes both over; they are closed with it. */
  constructor(db: GuardedDatabase, lock: FolderLock) {
    this.#db = db;
    this.lock = lock;
    this.#sweep();
  }

  /** Bound, so that it can be handed to a `SqliteStore` as it is. */
  readonly submit: Submit = async <N extends WriteName>(write: WriteOf<N>): Promise<ResultOf<N>> => {
    const result = await this.#enqueue((db) => runWrite(db, write));
    if (write.name === 'deleteRoom') this.#sweep();
    return result;
  };

  /** Writes that came together, each with its own answer, in their order. */
  submitAll(writes: readonly Write[]): Promise<PromiseSettledResult<ResultOf<WriteName>>[]> {
    return Promise.allSettled(writes.map((write) => this.submit<WriteName>(write)));
  }

  /** The disk failed the last commit. */
  get away(): boolean {
    return this.#away;
  }

  /** Finds out whether the disk takes a commit, by one that changes nothing. */
  async probe(): Promise<void> {
    await this.#enqueue(touch).catch(() => {});
  }

  /** Commits what is queued; whatever comes later is rejected with `try_again`. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    while (this.#queue.length > 0) this.#commitNext();
    try {
      this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // The log beside the file holds everything; the next opener folds it in.
    }
    this.#db.close();
    this.lock.release();
  }

  #enqueue<R>(run: (db: GuardedDatabase) => R): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      if (this.#closed) return reject(tryAgain('the store'));
      this.#queue.push({ run, resolve: (result) => resolve(result as R), reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#queue.length > 0) this.#commitNext();
      if (this.#queue.length > 0) this.#schedule();
    });
  }

  #commitNext(): void {
    const batch = this.#queue.splice(0, MAX_BATCH_WRITES);
    const done = this.#commit(batch);
    if (done < batch.length) this.#queue = [...batch.slice(done), ...this.#queue];
  }

  /** Settles the first of `batch`, as many as fit into the time: at least one. Resolves with how many. */
  #commit(batch: readonly Pending[]): number {
    const until = performance.now() + MAX_BATCH_MS;
    const answers: Answer[] = [];
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      for (const pending of batch) {
        answers.push(this.#answer(pending));
        if (performance.now() > until) break;
      }
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#rollBack();
      return this.#recover(batch, answers.length, error);
    }
    this.stats.batches += 1;
    this.#away = false;
    this.stats.writes += answers.length;
    for (const [at, answer] of answers.entries()) {
      if ('refusal' in answer) batch[at]?.reject(answer.refusal);
      else batch[at]?.resolve(answer.result);
    }
    return answers.length;
  }

  #answer({ run }: Pending): Answer {
    try {
      return { result: run(this.#db) };
    } catch (error) {
      if (error instanceof ChatError) return { refusal: error };
      throw error;
    }
  }

  #recover(batch: readonly Pending[], answered: number, error: unknown): number {
    if (batch.length > 1 && !isDiskFailure(error)) {
      const suspects = batch.slice(0, answered + 1);
      for (const pending of suspects) this.#commit([pending]);
      return suspects.length;
    }
    if (isDiskFailure(error)) {
      this.stats.failures += 1;
      this.#away = true;
    }
    const failure = writeFailure(error);
    for (const { reject } of batch) reject(failure);
    return batch.length;
  }

  /** The engine ends a transaction by itself on some errors, on others not. */
  #rollBack(): void {
    forgetPlaces(this.#db);
    if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
  }

  /** Goes on, a little with each batch, until nothing is left; what a stop leaves over waits for the next start. */
  #sweep(): void {
    const step = async (): Promise<void> => {
      while (!this.#closed && (await this.#enqueue(sweepDeletedRooms)));
    };
    step().catch(() => {});
  }
}
