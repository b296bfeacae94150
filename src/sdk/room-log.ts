import type { z } from 'zod';
import type { caughtUp, message } from '../wire/message.ts';

export type Message = z.infer<typeof message>;
export type CaughtUp = z.infer<typeof caughtUp>;

/** An edit (with its text) or a deletion (without), as it is pushed. */
export interface Change {
  readonly id: string;
  readonly seq: number;
  readonly rev: number;
  readonly message?: string | undefined;
}

/** A page of history, in any order. */
export interface OlderPage {
  readonly epoch: string;
  readonly messages: readonly Message[];
  readonly firstSeq: number;
}

/** What happened to the list, in the order in which it happened. */
export type LogChange =
  | { readonly kind: 'appended'; readonly messages: readonly Message[] }
  | { readonly kind: 'prepended'; readonly messages: readonly Message[] }
  /** Edited or deleted; these are the messages as they are now. */
  | { readonly kind: 'changed'; readonly messages: readonly Message[] }
  /** The room's log was restored or lost: the list begins anew and every seq before this is void. */
  | { readonly kind: 'reset' }
  /** What came before `firstSeq` is no longer kept by the server; the list begins anew there. */
  | { readonly kind: 'truncated'; readonly firstSeq: number };

export interface LogStart {
  readonly seq: number;
  readonly rev?: number | undefined;
  readonly epoch?: string | undefined;
}

/** Past any head: the server answers such a cursor with no messages, and says where the head is. */
const PAST_ANY_HEAD = 2 ** 40;
/** How many pushes are held while the log is behind; what is dropped beyond that is asked for again. */
const MAX_HELD = 2000;

/**
 * The applied list of one room. Pushes may come twice, in any order or not at all, and before or after the answers
 * that hold them; the list only ever grows by the next seq, so it always is an unbroken stretch of the room's log.
 *
 * - `message` pushes that are ahead are held until what lies between has come.
 * - Edits and deletions carry the room's `rev`. The newest one per message wins; the log's own rev, from which the
 *   next catch-up asks, only moves over revs it has seen without a hole.
 * - {@link RoomLog.gap} says that something is known to be missing: ask `resume` from {@link RoomLog.cursor} and give
 *   the answer to {@link RoomLog.caughtUp} until that says it is complete.
 * - A push carries no epoch. So from {@link RoomLog.suspend} (a new connection) on everything is held until an answer
 *   has told whether the log is still the same one.
 *
 * Nothing here does I/O or knows of time.
 */
export class RoomLog {
  #epoch: string | undefined;
  /** The newest applied seq; the list is the `#list.length` messages up to it. Undefined: nowhere yet, wants the head. */
  #last: number | undefined;
  #rev: number | undefined;
  #list: Message[] = [];
  #synced = false;
  #suspect = false;
  #firstSeq = 1;
  #life = 0;
  /** The newest seq and rev that anything told of. */
  #seenSeq = 0;
  #seenRev = 0;
  readonly #held = new Map<number, Message>();
  readonly #heldChanges = new Map<number, Change>();
  readonly #heldRevs = new Set<number>();
  readonly #fromStart: boolean;

  /** Without a start the log begins at the head and grows upwards by {@link RoomLog.older}. */
  constructor(start?: LogStart) {
    this.#fromStart = start !== undefined;
    this.#last = start?.seq;
    this.#rev = start?.rev;
    this.#epoch = start?.epoch;
  }

  get list(): readonly Message[] {
    return this.#list;
  }

  get epoch(): string | undefined {
    return this.#epoch;
  }

  /** Seq of the first message of the list; of the next one while the list is empty. */
  get from(): number {
    return (this.#last ?? 0) - this.#list.length + 1;
  }

  get last(): number {
    return this.#last ?? 0;
  }

  /** Rises with each reset. */
  get life(): number {
    return this.#life;
  }

  /** Whether the server keeps messages before the list's first. */
  get hasOlder(): boolean {
    return this.#last !== undefined && this.from > this.#firstSeq;
  }

  /** Whether the list is known to be in step with the pushes of this connection. */
  get synced(): boolean {
    return this.#synced && !this.gap;
  }

  /** Something is missing that no push will bring. */
  get gap(): boolean {
    return this.#suspect || this.last < this.#seenSeq || (this.#rev ?? 0) < this.#seenRev;
  }

  /** Where to resume from. */
  get cursor(): { seq: number; rev?: number } {
    if (this.#last === undefined) return { seq: PAST_ANY_HEAD };
    return this.#rev === undefined ? { seq: this.#last } : { seq: this.#last, rev: this.#rev };
  }

  at(seq: number): Message | undefined {
    return this.#list[seq - this.from];
  }

  /** A new connection: whatever is pushed from now on is held until the next answer. */
  suspend(): void {
    this.#synced = false;
    this.#held.clear();
    this.#heldRevs.clear();
    this.#seenSeq = 0;
    this.#seenRev = 0;
  }

  /** The room told of another epoch: nothing pushed counts until the next answer. */
  doubt(): void {
    this.suspend();
    this.#suspect = true;
  }

  /** A live `message`. */
  push(message: Message): LogChange[] {
    this.#seenSeq = Math.max(this.#seenSeq, message.seq);
    this.#seenRev = Math.max(this.#seenRev, message.rev ?? 0);
    if (this.#last !== undefined && message.seq <= this.#last) return this.#refresh([message]);
    if (this.#held.size < MAX_HELD) this.#held.set(message.seq, message);
    return this.#synced ? this.#drain() : [];
  }

  /** A live `message:updated` or `message:deleted`. */
  change(change: Change): LogChange[] {
    this.#seenRev = Math.max(this.#seenRev, change.rev);
    if (this.#heldRevs.size < MAX_HELD) this.#heldRevs.add(change.rev);
    if (this.#synced) this.#moveRev();
    const known = this.at(change.seq);
    if (known === undefined) {
      this.#holdChange(change);
      return [];
    }
    const now = withChange(known, change);
    if (now === known) return [];
    this.#list[change.seq - this.from] = now;
    return [{ kind: 'changed', messages: [now] }];
  }

  /**
   * An answer of `resume` (or of `join`, which has the same fields). `complete` is false when more must be asked for
   * from the cursor as it is now; `moved` when the answer brought nothing on that way.
   */
  caughtUp(answer: CaughtUp): { changes: LogChange[]; complete: boolean; moved: boolean } {
    const before = this.cursor;
    const changes: LogChange[] = [];
    if (this.#epoch !== undefined && answer.epoch !== this.#epoch) {
      this.#restart(answer);
      return { changes: [{ kind: 'reset' }], complete: false, moved: true };
    }
    this.#epoch = answer.epoch;
    if (this.#last === undefined) {
      this.#last = answer.headSeq;
      this.#rev = answer.rev;
    } else {
      changes.push(...this.#takeAnswer(this.#last, answer));
    }
    const complete = !answer.hasMore && this.last >= answer.headSeq;
    this.#synced = complete;
    if (complete) {
      this.#rev = Math.max(this.#rev ?? 0, answer.rev);
      this.#suspect = false;
      changes.push(...this.#drain());
      this.#moveRev();
    }
    return { changes, complete, moved: complete || before.seq !== this.cursor.seq || before.rev !== this.cursor.rev };
  }

  /** A page of history that ends right before the list. False: it is of another log, so resume first. */
  older(page: OlderPage): LogChange[] | false {
    if (this.#last === undefined || page.epoch !== this.#epoch) return false;
    this.#firstSeq = page.firstSeq;
    const from = this.from;
    const bySeq = new Map(page.messages.map((it) => [it.seq, it]));
    const fresh: Message[] = [];
    for (let seq = from - 1; ; seq -= 1) {
      const found = bySeq.get(seq);
      if (found === undefined) break;
      fresh.unshift(this.#withHeldChange(found));
    }
    if (fresh.length === 0) {
      // Nothing before the list is kept any more, whatever its bounds said.
      if (page.messages.length === 0) this.#firstSeq = from;
      return [];
    }
    this.#list = [...fresh, ...this.#list];
    return [{ kind: 'prepended', messages: fresh }];
  }

  /** Lets go of the oldest messages beyond `count`; {@link RoomLog.older} brings them back. */
  keep(count: number): void {
    if (this.#list.length > count) this.#list.splice(0, this.#list.length - count);
  }

  /** What was pushed so far may be of either log: it is dropped, and the next answer has it again. */
  #restart(answer: CaughtUp): void {
    this.doubt();
    this.#epoch = answer.epoch;
    this.#list = [];
    this.#last = this.#fromStart ? 0 : undefined;
    this.#rev = this.#fromStart ? answer.rev : undefined;
    this.#firstSeq = 1;
    this.#heldChanges.clear();
    this.#life += 1;
  }

  #takeAnswer(last: number, answer: CaughtUp): LogChange[] {
    const changes: LogChange[] = [];
    if (answer.truncated === true) {
      const firstSeq = answer.messages[0]?.seq ?? answer.headSeq + 1;
      if (firstSeq > last + 1) {
        this.#list = [];
        this.#last = firstSeq - 1;
        this.#firstSeq = firstSeq;
        changes.push({ kind: 'truncated', firstSeq });
      }
    }
    // Only what the answer has, not what was pushed ahead of it: that may be older than the changes told of here.
    changes.push(...this.#append(new Map(answer.messages.map((it) => [it.seq, it]))));
    changes.push(...this.#refresh([...answer.messages, ...(answer.changed ?? [])]));
    // The first page's rev is the one to ask from: what it holds may be edited while the next pages are read. And a page
    // may be cut in the middle of the changes: go on from the last of them, not from the room's rev.
    this.#rev ??= answer.rev;
    const newest = Math.max(0, ...(answer.changed ?? []).map((it) => it.rev ?? 0));
    if (newest > 0) this.#rev = Math.max(this.#rev ?? 0, newest);
    return changes;
  }

  /** Appends what was held and continues the list. */
  #drain(): LogChange[] {
    const changes = this.#append(this.#held);
    for (const seq of this.#held.keys()) if (seq <= this.last) this.#held.delete(seq);
    return changes;
  }

  #append(from: ReadonlyMap<number, Message>): LogChange[] {
    const fresh: Message[] = [];
    for (let next = from.get(this.last + 1); next !== undefined; next = from.get(this.last + 1)) {
      const now = this.#withHeldChange(next);
      this.#list.push(now);
      fresh.push(now);
      this.#last = next.seq;
    }
    return fresh.length === 0 ? [] : [{ kind: 'appended', messages: fresh }];
  }

  /** Newer states of messages that are in the list. */
  #refresh(messages: readonly Message[]): LogChange[] {
    const changed: Message[] = [];
    for (const it of messages) {
      const known = this.at(it.seq);
      if (known === undefined) {
        if (it.rev !== undefined) this.#holdChange(changeOf(it, it.rev));
      } else if (known.id !== it.id) {
        this.#suspect = true;
      } else if ((it.rev ?? 0) > (known.rev ?? 0)) {
        this.#list[it.seq - this.from] = it;
        changed.push(it);
      }
    }
    return changed.length === 0 ? [] : [{ kind: 'changed', messages: changed }];
  }

  #moveRev(): void {
    if (this.#rev === undefined) return;
    while (this.#heldRevs.delete(this.#rev + 1)) this.#rev += 1;
    for (const rev of this.#heldRevs) if (rev <= this.#rev) this.#heldRevs.delete(rev);
  }

  #holdChange(change: Change): void {
    const held = this.#heldChanges.get(change.seq);
    if (held !== undefined && held.rev >= change.rev) return;
    this.#heldChanges.set(change.seq, change);
    if (this.#heldChanges.size > MAX_HELD) {
      for (const oldest of this.#heldChanges.keys()) {
        this.#heldChanges.delete(oldest);
        break;
      }
    }
  }

  /** A change may be told before the message it is about has come, or while an older page is under way. */
  #withHeldChange(message: Message): Message {
    const held = this.#heldChanges.get(message.seq);
    if (held === undefined) return message;
    this.#heldChanges.delete(message.seq);
    return withChange(message, held);
  }
}

const changeOf = (message: Message, rev: number): Change => ({
  id: message.id,
  seq: message.seq,
  rev,
  message: message.deleted === true ? undefined : message.message,
});

const isLink = (text: string): boolean => /^(?:https?|ftp):\/\//.test(text);

/** `message` after `change`, or `message` itself when it is as new. */
export function withChange(message: Message, change: Change): Message {
  if (message.id !== change.id || change.rev <= (message.rev ?? 0)) return message;
  if (change.message === undefined) {
    const { meta: _gone, ...rest } = message;
    return { ...rest, message: '', rev: change.rev, deleted: true };
  }
  const type = message.type === 3 ? 3 : isLink(change.message) ? 2 : 1;
  return { ...message, type, message: change.message, rev: change.rev };
}
