import Database from 'libsql';

export type Bindable = null | number | string | Uint8Array;

/** What may not reach the engine: a mistake of the caller, found before anything was bound. */
export class Unstorable extends TypeError {
  override readonly name = 'Unstorable';
}

/** A prepared text in raw mode: rows come as bare arrays, named here once instead of by the binding row by row. */
interface Prepared {
  readonly statement: Database.Statement<[readonly Bound[]]>;
  readonly names: readonly string[];
}

type Bound = null | number | string | Buffer;

/**
 * One connection to a database file, with the binding's traps fenced off:
 * - a bound boolean, Date, object or bare typed array aborts the whole process, so only {@link Bindable} passes, and
 *   always as one array of positional values;
 * - a text is cut at U+0000, and a lone surrogate that comes back out of a JSON function aborts: both are refused;
 * - numbers beyond 2^53 would be rounded: only safe integers pass, so none can be read that is not safe either;
 * - every `prepare` leaks, so each SQL text is prepared once. All SQL must be constant (many values go in as one JSON
 *   list, see {@link textList}), or the cache would grow without end;
 * - `get()` runs an INSERT … RETURNING twice: {@link first} is for SELECT only.
 *
 * Everything is synchronous. Errors of the engine come through as they are (see `store-failure.ts`).
 */
export class GuardedDatabase {
  readonly #db: Database.Database;
  readonly #prepared = new Map<string, Prepared>();

  /** Opens or creates `file`; a lock held by another process is waited for at most `busyMs`, blocking this thread. */
  constructor(file: string, busyMs: number) {
    // The time-out must be in force before the first statement: opening right after a crash may have to recover.
    this.#db = new Database(file, { timeout: busyMs });
  }

  get inTransaction(): boolean {
    return this.#db.inTransaction;
  }

  /** The rows of one constant SQL text; `R` must name the columns it selects. BLOBs are `ArrayBuffer`s. */
  all<R>(sql: string, values: readonly Bindable[] = []): R[] {
    const { statement, names } = this.#prepare(sql);
    return (statement.all(values.map(bindable)) as unknown[][]).map((row) => named<R>(names, row));
  }

  /** The first row of a SELECT, in half the time {@link all} takes. */
  first<R>(sql: string, values: readonly Bindable[] = []): R | undefined {
    const { statement, names } = this.#prepare(sql);
    const row = statement.get(values.map(bindable)) as unknown[] | undefined;
    return row && named<R>(names, row);
  }

  /** Gives the number of rows that were changed and the key of the last that was inserted. */
  run(sql: string, values: readonly Bindable[] = []): { changes: number; key: number } {
    const { changes, lastInsertRowid } = this.#prepare(sql).statement.run(values.map(bindable));
    return { changes, key: Number(lastInsertRowid) };
  }

  /** Constant SQL without values: schema, pragmas, transaction control. */
  exec(sql: string): void {
    this.#db.exec(sql);
  }

  close(): void {
    this.#prepared.clear();
    this.#db.close();
  }

  #prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const statement = this.#db.prepare<[readonly Bound[]]>(sql);
    const prepared = { statement, names: statement.columns().map(({ name }) => name) };
    if (prepared.names.length > 0) statement.raw();
    this.#prepared.set(sql, prepared);
    return prepared;
  }
}

function named<R>(names: readonly string[], row: readonly unknown[]): R {
  const object: Record<string, unknown> = {};
  for (const [at, name] of names.entries()) object[name] = row[at];
  return object as R;
}

/** Many texts as one value, for `json_each(?)`. */
export const textList = (texts: readonly string[]): string => JSON.stringify(texts.map(storable));

/** Takes `unknown` at heart: values may have crossed a process boundary, where types prove nothing. */
function bindable(value: Bindable): Bound {
  if (typeof value === 'string') return storable(value);
  if (value === null) return value;
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return value;
    throw new Unstorable('a number must be a whole number below 2^53');
  }
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  throw new Unstorable(`a ${typeof value} cannot be stored`);
}

function storable(text: string): string {
  if (typeof text !== 'string') throw new Unstorable('a text is required');
  if (text.includes('\0') || !text.isWellFormed()) {
    throw new Unstorable('a text must be well-formed Unicode without NUL');
  }
  return text;
}
