import { setTimeout as pause } from 'node:timers/promises';
import { type Connection, Mongoose, type mongo } from 'mongoose';
import { tryAgain } from '../../../chat/errors.ts';
import type { Log } from '../../../chat/ports/log.ts';
import type { Reach } from '../../../platform/reach.ts';
import { within } from '../../../platform/within.ts';
import { buildIndexes, defineModels, type Models } from './models.ts';
import { isDuplicate, isRefusal, Overdue, reasonOf, storeFailure } from './store-failure.ts';

export interface MongoOptions {
  /** With the database in its path. May hold a password, which appears nowhere else. */
  readonly uri: string;
  readonly log: Log;
  /** Called whenever the store has become reachable, for the first time too. */
  readonly onBack?: () => void;
}

/** A call ends within this, whatever the engine does. */
export const CALL_MS = 4500;
/** An operation of which a call may need several: what is left of {@link CALL_MS} is for finding out what became of it. */
const OPERATION_MS = 2500;
const INDEXES_MS = 30_000;
const MAX_CALLS = 1000;
const PROBE_MS = 400;

/**
 * These go before whatever the connection string says, as the promises of the store hang on them. The driver repeats
 * nothing by itself: its own repetitions add up its time-outs, and unknown outcomes are settled by key.
 */
const CONNECT_OPTIONS = {
  appName: 'parley',
  writeConcern: { w: 'majority', journal: true },
  readPreference: 'primary',
  readConcern: { level: 'majority' },
  retryWrites: false,
  retryReads: false,
  ignoreUndefined: true,
  maxPoolSize: 20,
  waitQueueTimeoutMS: 2000,
  serverSelectionTimeoutMS: 2000,
  connectTimeoutMS: 2000,
  heartbeatFrequencyMS: 1000,
  // Longer than any call: it only frees the socket of one that was given up.
  socketTimeoutMS: 8000,
} as const satisfies mongo.MongoClientOptions;

/** For filters: operators are refused unless they are ours, whoever lets one through. */
const BASE_OPTIONS = {
  sanitizeFilter: true,
  strictQuery: 'throw',
  bufferCommands: false,
  autoIndex: false,
  autoCreate: false,
  maxTimeMS: OPERATION_MS,
} as const;

/** What the parts of the store work with. */
export interface Database {
  readonly models: Models;
  /** Every operation goes through here: it ends in time, and its failure is noticed. */
  op<R>(work: PromiseLike<R>): Promise<R>;
}

const inTime = <R>(ms: number, work: PromiseLike<R>): Promise<R> =>
  within(ms, work, () => new Overdue(`not done within ${ms} ms`));

/**
 * The one connection of a store, in a mongoose of its own. It connects in the background, as often as it takes, and is
 * `never` until all indexes are built; afterwards the driver reconnects by itself. It is `away` from the first sign of
 * failure (an operation's, or the driver's own checks) until a write has been committed again.
 */
export class MongoConnection {
  readonly #options: MongoOptions;
  readonly #stats: { failures: number };
  // Without `new` options it would share those of every other user of mongoose in the process.
  readonly #mongoose = new Mongoose(BASE_OPTIONS);
  readonly #ended = new AbortController();
  readonly #calls = new Set<Promise<unknown>>();
  readonly #asides = new Set<Promise<unknown>>();
  #connection: Connection | undefined;
  #database: Database | undefined;
  #reach: Reach = 'never';
  #background: Promise<void>;
  #lastReason = '';
  /** Away, and a write of our own has failed since: then nobody has to wait to hear it. */
  #isSurelyAway = false;
  #backSince = 0;

  /** Operations that the engine failed, reads too, are counted in `stats`. */
  constructor(options: MongoOptions, stats: { failures: number }) {
    this.#options = options;
    this.#stats = stats;
    this.#background = this.#connect();
  }

  get reach(): Reach {
    return this.#reach;
  }

  /** Runs one call of the port. Rejects with a ChatError, and within {@link CALL_MS}. */
  async call<R>(work: (database: Database) => Promise<R>): Promise<R> {
    const database = this.#database;
    if (database === undefined || this.#ended.signal.aborted) throw tryAgain('the store');
    if (this.#isSurelyAway) throw tryAgain('the store');
    if (this.#calls.size >= MAX_CALLS) throw tryAgain('the store', 'too many calls wait for it');
    const run = async () => work(database);
    const call = inTime(CALL_MS, run());
    this.#calls.add(call);
    try {
      return await call;
    } catch (error) {
      throw storeFailure(error);
    } finally {
      this.#calls.delete(call);
    }
  }

  /** Work that nobody waits for, while there is a connection; its failure is nobody's business. */
  aside(work: (database: Database) => Promise<unknown>): void {
    const database = this.#database;
    if (database === undefined || this.#ended.signal.aborted) return;
    const aside = work(database).catch((error: unknown) => {
      this.#options.log.debug('the store left something for later', { reason: reasonOf(error) });
    });
    this.#asides.add(aside);
    void aside.then(() => this.#asides.delete(aside));
  }

  get closing(): AbortSignal {
    return this.#ended.signal;
  }

  /** Waits for the calls under way; later ones are rejected with `try_again`. */
  async close(): Promise<void> {
    this.#ended.abort();
    await Promise.allSettled([...this.#calls, ...this.#asides]);
    await this.#background;
    this.#database = undefined;
    await this.#connection?.destroy(true).catch(() => {});
  }

  async #connect(): Promise<void> {
    for (let tries = 0; !this.#ended.signal.aborted; tries++) {
      const connection = this.#mongoose.createConnection();
      connection.on('error', () => {}); // every operation tells its own
      try {
        await inTime(2 * CALL_MS, connection.openUri(this.#options.uri, CONNECT_OPTIONS));
        const models = defineModels(connection);
        await inTime(INDEXES_MS, buildIndexes(models));
        await this.#probe(connection);
        this.#use(connection, models);
        return;
      } catch (error) {
        this.#say(error);
        await connection.destroy(true).catch(() => {});
      }
      await this.#rest(Math.min(100 * 2 ** tries, 1000));
    }
  }

  #use(connection: Connection, models: Models): void {
    this.#connection = connection;
    this.#database = { models, op: (work) => this.#operate(work) };
    connection.getClient().on('topologyDescriptionChanged', ({ newDescription }) => {
      const writable = [...newDescription.servers.values()].some((it) => it.isWritable);
      if (!writable) this.#lose(newDescription.error ?? new Error('no server takes writes'));
    });
    this.#comeBack();
  }

  async #operate<R>(work: PromiseLike<R>): Promise<R> {
    const startedAt = performance.now();
    try {
      return await inTime(OPERATION_MS, work);
    } catch (error) {
      if (!isDuplicate(error) && !isRefusal(error)) {
        this.#stats.failures += 1;
        // One that was under way during an outage tells nothing of the time after it.
        if (startedAt > this.#backSince) this.#lose(error);
      }
      throw error;
    }
  }

  #lose(error: unknown): void {
    if (this.#reach !== 'here' || this.#ended.signal.aborted) return;
    this.#reach = 'away';
    this.#say(error);
    this.#background = this.#probeUntilBack();
  }

  async #probeUntilBack(): Promise<void> {
    const connection = this.#connection;
    while (connection !== undefined && !this.#ended.signal.aborted) {
      try {
        await this.#probe(connection);
        this.#comeBack();
        return;
      } catch {
        this.#isSurelyAway = true;
        await this.#rest(PROBE_MS);
      }
    }
  }

  /** A write that is committed as every other: reads may work on a server whose disk is full. */
  async #probe(connection: Connection): Promise<void> {
    const probes = connection.collection<{ _id: string; at: number }>('probes');
    const set = { $set: { at: Date.now() } };
    await inTime(OPERATION_MS, probes.updateOne({ _id: 'probe' }, set, { upsert: true })).catch((error) => {
      if (!isDuplicate(error)) throw error; // another process made it at the same moment
    });
  }

  #comeBack(): void {
    if (this.#ended.signal.aborted) return;
    this.#reach = 'here';
    this.#isSurelyAway = false;
    this.#backSince = performance.now();
    this.#lastReason = '';
    this.#options.log.info('the store is reached', { store: 'mongodb' });
    try {
      this.#options.onBack?.();
    } catch (cause) {
      this.#options.log.error('what should follow the return of the store failed', { cause });
    }
  }

  /** Once per change: a reason that stays the same is said once. */
  #say(error: unknown): void {
    const reason = this.#withoutPassword(reasonOf(error));
    if (reason === this.#lastReason || this.#ended.signal.aborted) return;
    this.#lastReason = reason;
    this.#options.log.warn('the store is away', { store: 'mongodb', reason });
  }

  #withoutPassword(reason: string): string {
    const [, password = ''] = /\/\/[^/@:]*:([^/@]+)@/.exec(this.#options.uri) ?? [];
    const spellings = [password, unescaped(password)].filter((it) => it !== '');
    return spellings.reduce((text, it) => text.replaceAll(it, '[redacted]'), reason);
  }

  async #rest(ms: number): Promise<void> {
    const jittered = ms * (0.5 + Math.random() / 2);
    await pause(jittered, undefined, { signal: this.#ended.signal }).catch(() => {});
  }
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
