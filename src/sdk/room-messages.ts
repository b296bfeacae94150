import type { FailedAck } from '../wire/socket.ts';
import { Listeners } from './listeners.ts';
import { ParleyError } from './parley-error.ts';
import { type CaughtUp, type Change, type LogChange, type LogStart, type Message, RoomLog } from './room-log.ts';

export interface MessagesOptions {
  /**
   * Where to begin: everything after this seq is applied, oldest first. Keep {@link RoomMessages.cursor} to go on from
   * after a restart of your program. Absent: the newest page, and from there on whatever comes.
   */
  readonly after?: number | LogStart;
  /** Messages in one page of {@link RoomMessages.loadOlder}; the server's own page size when absent. */
  readonly page?: number;
  /** At most so many are kept in memory, the newest; all when absent. */
  readonly keep?: number;
}

/**
 * `loading`: not positioned yet; `live`: in step; `behind`: something is being fetched or the connection is away;
 * `left`: no longer followed, because the room is gone or closed to this user; `closed`: by `close()`.
 */
export type MessagesState = 'loading' | 'live' | 'behind' | 'left' | 'closed';

interface Happenings {
  change: LogChange;
  state: MessagesState;
}

export type History = (query: {
  before: number;
  limit?: number;
}) => Promise<{ epoch: string; messages: Message[]; firstSeq: number }>;

/** What a {@link RoomMessages} needs of the client that made it. */
export interface MessagesSource {
  history: History;
  /** Asks for what came since the cursor, as soon as that is possible. */
  catchUp(view: RoomMessages): void;
  forget(view: RoomMessages): void;
}

/**
 * The messages of one room in the room's order, kept in step over lost pushes, lost connections and restarts of the
 * server. {@link RoomMessages.list} always is an unbroken stretch of the room's log; edits and deletions are applied
 * in place (a deleted message stays, with `deleted: true` and no text).
 */
export class RoomMessages implements AsyncIterable<Message> {
  readonly room: string;
  readonly #source: MessagesSource;
  readonly #options: MessagesOptions;
  readonly #log: RoomLog;
  readonly #events = new Listeners<Happenings>();
  #state: MessagesState = 'loading';
  #error: ParleyError | undefined;
  #older: Promise<number> | undefined;
  #firstPage = false;

  constructor(room: string, options: MessagesOptions, source: MessagesSource) {
    this.room = room;
    this.#options = options;
    this.#source = source;
    const { after } = options;
    this.#log = new RoomLog(typeof after === 'number' ? { seq: after } : after);
  }

  /** Oldest first. The array is the view's own: read it, and read it again after each change. */
  get list(): readonly Message[] {
    return this.#log.list;
  }

  get state(): MessagesState {
    return this.#state;
  }

  /** Why the room is no longer followed, in state `left`. */
  get error(): ParleyError | undefined {
    return this.#error;
  }

  /** Whether the server keeps messages before the list's first. */
  get hasOlder(): boolean {
    return this.#log.hasOlder;
  }

  /** Where the list ends; give it back as `after` to go on from here. */
  get cursor(): LogStart {
    return { ...this.#log.cursor, epoch: this.#log.epoch };
  }

  /** Resolves when the list has been in step with the server once; rejects when the room is not to be seen. */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (state: MessagesState): void => {
        if (state === 'loading') return;
        off();
        if (this.#error !== undefined && state === 'left') reject(this.#error);
        else resolve();
      };
      const off = this.#events.on('state', look);
      look(this.#state);
    });
  }

  /** The returned function ends the listening. */
  onChange(listener: (change: LogChange) => void): () => void {
    return this.#events.on('change', listener);
  }

  onState(listener: (state: MessagesState) => void): () => void {
    return this.#events.on('state', listener);
  }

  /** Loads the page before the list's first message; resolves with how many came. Calls at the same time are one. */
  async loadOlder(limit?: number): Promise<number> {
    if (this.#state === 'loading') {
      await this.ready();
      return this.#log.list.length;
    }
    return await this.#page(limit);
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#enter('closed');
    this.#source.forget(this);
  }

  /**
   * Every message once, in order: those in the list, then those to come, until the view is closed. Edits and deletions
   * are told by {@link RoomMessages.onChange} only. After a reset it goes on with the first message of the new log.
   * Throws when the room is closed to this user.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void, undefined> {
    await this.ready();
    let { life, from: next } = this.#log;
    for (;;) {
      if (life !== this.#log.life) ({ life, from: next } = this.#log);
      next = Math.max(next, this.#log.from);
      const message = this.#log.at(next);
      if (message !== undefined) {
        next += 1;
        yield message;
        continue;
      }
      if (this.#state === 'closed') return;
      if (this.#state === 'left') throw this.#error ?? gone();
      await this.#changed();
    }
  }

  // From here on: what the client tells the view.

  /** @internal */
  get log(): RoomLog {
    return this.#log;
  }

  /** @internal A new connection, before anything was pushed on it. */
  suspend(): void {
    this.#log.suspend();
    if (this.#state === 'live') this.#enter('behind');
  }

  /** @internal The room may be seen (again). */
  revive(): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'left') this.#enter('behind');
    this.#error = undefined;
    this.#source.catchUp(this);
  }

  /** @internal */
  push(message: Message): void {
    this.#apply(this.#log.push(message));
  }

  /** @internal */
  change(change: Change): void {
    this.#apply(this.#log.change(change));
  }

  /** @internal The room told of its epoch. */
  epochIs(epoch: string): void {
    if (this.#log.epoch === undefined || this.#log.epoch === epoch) return;
    this.#log.doubt();
    if (this.#state === 'live') this.#enter('behind');
    this.#source.catchUp(this);
  }

  /** @internal `complete` is false when more is to be asked for, `moved` when this brought nothing. */
  caughtUp(answer: CaughtUp): { complete: boolean; moved: boolean } {
    const { changes, complete, moved } = this.#log.caughtUp(answer);
    this.#tell(changes);
    if (changes.some((it) => it.kind === 'reset')) this.#firstPage = false;
    if (complete) this.#inStep();
    return { complete, moved };
  }

  /** @internal */
  left(why: FailedAck | ParleyError): void {
    if (this.#state === 'closed') return;
    this.#error = why instanceof ParleyError ? why : new ParleyError(why);
    this.#log.suspend();
    this.#enter('left');
  }

  #inStep(): void {
    if (this.#options.after === undefined && !this.#firstPage) {
      this.#firstPage = true;
      // The first page is part of being ready; without it the view is still right, only empty.
      void this.#page()
        .catch(() => {
          this.#firstPage = false;
        })
        .finally(() => this.#enterLive());
      return;
    }
    this.#enterLive();
  }

  #enterLive(): void {
    if (this.#state === 'closed' || this.#state === 'left') return;
    if (this.#log.synced) this.#enter('live');
    else if (this.#log.gap) this.#source.catchUp(this);
  }

  #page(limit?: number): Promise<number> {
    this.#older ??= this.#loadOlder(limit).finally(() => {
      this.#older = undefined;
    });
    return this.#older;
  }

  async #loadOlder(limit = this.#options.page): Promise<number> {
    if (!this.#log.hasOlder) return 0;
    const query = { before: this.#log.from, ...(limit === undefined ? {} : { limit }) };
    const changes = this.#log.older(await this.#source.history(query));
    if (changes === false) {
      this.#source.catchUp(this);
      return 0;
    }
    this.#tell(changes);
    return changes.reduce((sum, it) => sum + (it.kind === 'prepended' ? it.messages.length : 0), 0);
  }

  #apply(changes: readonly LogChange[]): void {
    if (this.#state === 'closed') return;
    this.#tell(changes);
    if (this.#log.gap && this.#state === 'live') {
      this.#enter('behind');
      this.#source.catchUp(this);
    }
  }

  #tell(changes: readonly LogChange[]): void {
    for (const change of changes) this.#events.tell('change', change);
    if (this.#options.keep !== undefined) this.#log.keep(this.#options.keep);
  }

  #enter(state: MessagesState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#events.tell('state', state);
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        offChange();
        offState();
        resolve();
      };
      const offChange = this.#events.on('change', done);
      const offState = this.#events.on('state', done);
    });
  }
}

const gone = (): ParleyError =>
  new ParleyError({ error: 600, code: 'invalid_chatroom', detail: 'the room is no longer to be seen' });
