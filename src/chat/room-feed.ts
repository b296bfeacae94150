import type { Change, Head, Message, RoomId } from './model.ts';
import type { RoomEvent } from './ports/bus.ts';
import type { Clock } from './ports/clock.ts';
import type { Window } from './ports/store.ts';
import { textType } from './rules/text-type.ts';

/** A gap that the bus does not close by itself within this is read from the store. */
const GAP_MS = 200;
/** A repair that the store refused is tried again after this. */
const RETRY_MS = 500;
const TAIL_MESSAGES = 200;
const TAIL_BYTES = 512 * 1024;
const CHANGES_PAGE = 200;
/** Changes that are kept for reads which were under way when they came. */
const RECENT_CHANGES = 50;

export interface FeedSource {
  messages(room: RoomId, window: Window): Promise<Message[]>;
  changedSince(room: RoomId, rev: number, limit: number): Promise<Message[]>;
  head(room: RoomId): Promise<Head | undefined>;
}

export interface FeedPorts {
  readonly source: FeedSource;
  readonly clock: Clock;
  readonly deliver: (event: RoomEvent) => void;
  /** Told of each repair, with the number of messages the store had to supply. */
  readonly repaired: (messages: number) => void;
}

/** About what a message costs on the wire, in bytes. */
export const weightOf = (message: Message): number =>
  Buffer.byteLength(JSON.stringify(message.message)) +
  (message.meta === undefined ? 0 : Buffer.byteLength(JSON.stringify(message.meta))) +
  320;

const changeOf = (it: Message): Change => ({
  id: it.id,
  chatroom: it.chatroom,
  seq: it.seq,
  rev: it.rev ?? 0,
  ...(it.deleted ? {} : { message: it.message }),
});

function changed(message: Message, change: Change): Message {
  if ((message.rev ?? 0) >= change.rev) return message;
  if (change.message !== undefined) {
    return { ...message, message: change.message, type: textType(change.message), rev: change.rev };
  }
  const { meta: _meta, ...kept } = message;
  return { ...kept, message: '', deleted: true, rev: change.rev };
}

/**
 * One room as one node follows it: takes messages and changes in any order, any number of times, and delivers each once,
 * messages by `seq` and changes by `rev`, without holes. What does not come over the bus is read from the store.
 *
 * State: everything up to `headSeq` was delivered; `#ahead` waits for what lies between. A change waits for its message.
 * Delivery is synchronous, so whoever looks at the feed and answers a client in the same turn gives an answer that the
 * next delivery continues exactly.
 */
export class RoomFeed {
  readonly room: RoomId;
  readonly epoch: string;
  readonly #ports: FeedPorts;
  readonly #ahead = new Map<number, Message>();
  readonly #aheadChanges = new Map<number, Change>();
  #head: number;
  #rev: number;
  #firstSeq: number;
  /** The newest messages, without holes, up to `#head`. */
  #tail: Message[] = [];
  #tailBytes = 0;
  /** The newest changes: all of those after `#recentFrom`. */
  #recent: Change[] = [];
  #recentFrom: number;
  #filling: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  #repairing = false;
  #repairAgain = false;
  #closed = false;

  constructor(room: RoomId, head: Head, ports: FeedPorts) {
    this.room = room;
    this.epoch = head.epoch;
    this.#head = head.headSeq;
    this.#rev = head.rev;
    this.#recentFrom = head.rev;
    this.#firstSeq = head.firstSeq;
    this.#ports = ports;
  }

  get headSeq(): number {
    return this.#head;
  }

  get rev(): number {
    return this.#rev;
  }

  get firstSeq(): number {
    return this.#firstSeq;
  }

  /** Takes a stored message from wherever it comes. */
  offer(message: Message): void {
    if (this.#closed || message.seq <= this.#head) return;
    this.#ahead.set(message.seq, message);
    this.#drain();
  }

  /** Takes an edit or a deletion from wherever it comes. */
  offerChange(change: Change): void {
    if (this.#closed || change.rev <= this.#rev) return;
    this.#aheadChanges.set(change.rev, change);
    this.#drain();
  }

  /** What the store says of this room: anything newer than what was delivered is fetched at once. */
  compare(head: Head): void {
    if (this.#closed) return;
    this.#trim(head.firstSeq);
    if (head.headSeq > this.#head || head.rev > this.#rev) this.#repair();
  }

  /** Somebody has `seq` already, by another node: what of it has not come here is read at once. */
  async reach(seq: number): Promise<void> {
    while (this.#head < seq && (await this.#readOn()));
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
  }

  /**
   * The messages after `seq`, oldest first, as far as they are kept here; undefined when the store must be asked.
   * Everything up to the head when the limit allows.
   */
  after(seq: number, limit: number): Message[] | undefined {
    if (seq >= this.#head) return [];
    const start = this.#head - this.#tail.length + 1;
    if (seq + 1 < start) return undefined;
    return this.#tail.slice(seq + 1 - start, seq + 1 - start + limit);
  }

  /**
   * What was read from the store since the feed stood at `rev`, as it is by now; undefined when too much was changed
   * meanwhile to know.
   */
  upToDate(read: readonly Message[], rev: number): readonly Message[] | undefined {
    if (rev === this.#rev) return read;
    if (rev < this.#recentFrom) return undefined;
    const since = new Map(this.#recent.map((it) => [it.seq, it]));
    return read.map((it) => {
      const change = since.get(it.seq);
      return change ? changed(it, change) : it;
    });
  }

  /** The newest messages that are kept here, oldest first. */
  newest(limit: number): Message[] {
    return this.#tail.slice(-limit);
  }

  /** Reads the room's newest messages into the tail, once for everybody who asks meanwhile. */
  fill(): Promise<void> {
    // Half of the bytes is full enough: where messages are large, a read for the one that still fits would never end.
    const full = this.#tailBytes >= TAIL_BYTES / 2;
    if (full || this.#tail.length >= Math.min(TAIL_MESSAGES, this.#head - this.#firstSeq + 1)) return Promise.resolve();
    this.#filling ??= this.#readTail().finally(() => {
      this.#filling = undefined;
    });
    return this.#filling;
  }

  async #readTail(): Promise<void> {
    // An edit that is delivered while the read is under way may be missing in what was read: read again then.
    for (let rev = -1; rev !== this.#rev && !this.#closed; ) {
      rev = this.#rev;
      const to = this.#head - this.#tail.length;
      const from = Math.max(this.#firstSeq, this.#head - TAIL_MESSAGES + 1);
      if (from > to) return;
      const read = await this.#ports.source.messages(this.room, { from, to, order: 'desc', limit: TAIL_MESSAGES });
      if (rev !== this.#rev) continue;
      for (const message of read) {
        const start = this.#head - this.#tail.length + 1;
        const weight = weightOf(message);
        if (message.seq !== start - 1 || this.#tail.length >= TAIL_MESSAGES) break;
        if (this.#tail.length > 0 && this.#tailBytes + weight > TAIL_BYTES) break;
        this.#tail.unshift(message);
        this.#tailBytes += weight;
      }
    }
  }

  #drain(): void {
    for (let next = this.#ahead.get(this.#head + 1); next; next = this.#ahead.get(this.#head + 1)) {
      this.#ahead.delete(next.seq);
      this.#head = next.seq;
      this.#keep(next);
      this.#ports.deliver({ kind: 'message', message: next });
    }
    for (let next = this.#aheadChanges.get(this.#rev + 1); next && next.seq <= this.#head; ) {
      this.#apply(next);
      next = this.#aheadChanges.get(this.#rev + 1);
    }
    const waiting = this.#ahead.size > 0 || this.#aheadChanges.size > 0;
    if (waiting) this.#cancelTimer ??= this.#ports.clock.after(GAP_MS, () => this.#repair());
    else this.#stopTimer();
  }

  #apply(change: Change): void {
    this.#rev = change.rev;
    this.#recent.push(change);
    if (this.#recent.length > RECENT_CHANGES) this.#recentFrom = this.#recent.shift()?.rev ?? change.rev;
    for (const rev of this.#aheadChanges.keys()) if (rev <= change.rev) this.#aheadChanges.delete(rev);
    const at = change.seq - (this.#head - this.#tail.length + 1);
    const held = this.#tail[at];
    if (held) {
      const next = changed(held, change);
      this.#tail[at] = next;
      this.#tailBytes += weightOf(next) - weightOf(held);
    }
    this.#ports.deliver({ kind: 'changed', change });
  }

  #keep(message: Message): void {
    this.#tail.push(message);
    this.#tailBytes += weightOf(message);
    while (this.#tail.length > TAIL_MESSAGES || (this.#tailBytes > TAIL_BYTES && this.#tail.length > 1)) {
      const dropped = this.#tail.shift();
      if (dropped) this.#tailBytes -= weightOf(dropped);
    }
  }

  /** What retention has taken is not handed out any more. */
  #trim(firstSeq: number): void {
    this.#firstSeq = Math.max(this.#firstSeq, firstSeq);
    for (let oldest = this.#tail[0]; oldest && oldest.seq < this.#firstSeq; oldest = this.#tail[0]) {
      this.#tailBytes -= weightOf(oldest);
      this.#tail.shift();
    }
  }

  #skipTo(seq: number): void {
    this.#head = seq;
    this.#tail = [];
    this.#tailBytes = 0;
    for (const ahead of this.#ahead.keys()) if (ahead <= seq) this.#ahead.delete(ahead);
  }

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #repair(): void {
    this.#stopTimer();
    if (this.#closed) return;
    if (this.#repairing) {
      this.#repairAgain = true;
      return;
    }
    this.#repairing = true;
    void this.#readMissing()
      .catch(() => {
        this.#cancelTimer ??= this.#ports.clock.after(RETRY_MS, () => this.#repair());
      })
      .then(() => {
        this.#repairing = false;
        const again = this.#repairAgain;
        this.#repairAgain = false;
        if (again) this.#repair();
      });
  }

  async #readMissing(): Promise<void> {
    const { source } = this.#ports;
    const before = this.#head;
    // The head is read first: whatever is below it is in the store when the windows are read.
    const head = await source.head(this.room);
    if (!head || this.#closed) return;
    this.#trim(head.firstSeq);
    while (this.#head < head.headSeq && !this.#closed) {
      if (await this.#readOn()) continue;
      // Retention took the beginning of the gap: nobody can have it any more.
      if (head.firstSeq <= this.#head + 1) break;
      this.#skipTo(head.firstSeq - 1);
    }
    while (this.#rev < head.rev && !this.#closed) {
      const read = await source.changedSince(this.room, this.#rev, CHANGES_PAGE);
      for (const message of read) {
        if ((message.rev ?? 0) <= this.#rev) continue;
        // Of a message changed several times only the last change is kept: the revs in between are nobody's.
        if (message.seq <= this.#head) this.#apply(changeOf(message));
        // The message is still to come: its change is newer than this repair and is announced or compared later.
        else return this.#repaired(before, Math.min(head.rev, (message.rev ?? 0) - 1));
      }
      if (read.length < CHANGES_PAGE) this.#rev = Math.max(this.#rev, head.rev);
    }
    this.#repaired(before, 0);
  }

  /** Takes some of what follows out of the store; false when that brings nobody further. */
  async #readOn(): Promise<boolean> {
    const from = this.#head + 1;
    const window = { from, to: from + TAIL_MESSAGES - 1, order: 'asc', limit: TAIL_MESSAGES } as const;
    for (const message of await this.#ports.source.messages(this.room, window)) this.offer(message);
    return this.#head >= from;
  }

  /** Goes on with what came meanwhile. Revs up to `rev` are done: later changes of the same messages took their places. */
  #repaired(before: number, rev: number): void {
    this.#rev = Math.max(this.#rev, rev);
    for (const rev of this.#aheadChanges.keys()) if (rev <= this.#rev) this.#aheadChanges.delete(rev);
    this.#ports.repaired(this.#head - before);
    this.#drain();
  }
}
