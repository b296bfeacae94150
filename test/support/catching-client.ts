import { strict as assert } from 'node:assert';
import { type CaughtUp, newBudget } from '../../src/chat/catch-up.ts';
import type { Change, Message } from '../../src/chat/model.ts';
import type { RoomEvent } from '../../src/chat/ports/bus.ts';
import { weightOf } from '../../src/chat/room-feed.ts';

interface Shown {
  readonly text: string;
  readonly deleted: boolean;
  readonly rev: number;
}

const shownOf = ({ message: text, deleted, rev = 0 }: Message): Shown => ({ text, deleted: deleted === true, rev });

/**
 * A client as the protocol wants it: holds live messages back while it is behind, applies answers, and takes changes by
 * rev. It holds the server to its promises while it does so.
 */
export class CatchingClient {
  readonly shown = new Map<number, Shown>();
  seq = 0;
  rev = 0;
  /** After an answer with `hasMore: false`, until the connection is lost. */
  live = false;
  /** The oldest it shows. */
  from = 1;
  #heldUpTo = 0;
  /** Where the live stream of this connection stands: a node may be behind what the client has from another. */
  #liveSeq = 0;
  #liveRev = 0;

  get cursor(): { seq: number; rev: number } {
    return { seq: this.seq, rev: this.rev };
  }

  disconnect(): void {
    this.live = false;
    this.#heldUpTo = 0;
  }

  /** What is pushed on the connection. */
  push(event: RoomEvent): void {
    if (event.kind === 'message') {
      const { message } = event;
      if (!this.live) {
        this.#heldUpTo = Math.max(this.#heldUpTo, message.seq);
        return;
      }
      this.#liveSeq += 1;
      assert.equal(message.seq, this.#liveSeq, 'the next live message is headSeq + 1, then they are consecutive');
      if (message.seq <= this.seq) return;
      this.seq = message.seq;
      this.shown.set(message.seq, shownOf(message));
    } else if (event.kind === 'changed') {
      const { change } = event;
      if (this.live) {
        assert.ok(change.rev > this.#liveRev, 'live changes come by rev');
        this.#liveRev = change.rev;
        this.rev = Math.max(this.rev, change.rev);
      }
      this.#change(change);
    }
  }

  /** An answer of resume, join or sync. */
  answer(it: CaughtUp, limit: number): void {
    const before = this.cursor;
    const bytes = [...it.messages, ...(it.changed ?? [])].reduce((sum, message) => sum + weightOf(message), 0);
    const largest = Math.max(0, ...[...it.messages, ...(it.changed ?? [])].map(weightOf));
    assert.ok(bytes <= newBudget().bytes + largest, `${bytes} bytes`);
    assert.ok(it.messages.length <= limit, 'the limit holds');
    const [first] = it.messages;
    if (it.truncated && first && first.seq > this.seq + 1) {
      for (const seq of this.shown.keys()) if (seq < first.seq) this.shown.delete(seq);
      this.seq = first.seq - 1;
      this.from = first.seq;
    }
    let lastRev = before.rev;
    for (const message of it.changed ?? []) {
      assert.ok(message.seq <= before.seq, 'changes are of messages before the cursor');
      assert.ok((message.rev ?? 0) > lastRev, 'changes are by rev');
      lastRev = message.rev ?? 0;
      this.#change({ ...message, rev: lastRev }, message.deleted);
    }
    for (const message of it.messages) {
      assert.equal(message.seq, this.seq + 1, 'messages follow the cursor');
      this.seq = message.seq;
      this.shown.set(message.seq, shownOf(message));
    }
    const moved = this.seq > before.seq || it.rev > before.rev || it.truncated === true;
    this.rev = Math.max(this.rev, it.rev);
    if (it.hasMore) return;
    assert.ok(this.seq >= it.headSeq || it.truncated, 'nothing is missing without hasMore');
    assert.ok(this.#heldUpTo <= it.headSeq, 'what was held back is in the answers');
    assert.ok(moved || this.seq >= it.headSeq, 'an answer moves on');
    this.seq = Math.max(this.seq, it.headSeq);
    this.#goLive(it.headSeq, it.rev);
  }

  /** A room opened anew: `messages` are its newest, oldest first. */
  open(messages: readonly Message[], headSeq: number, rev: number): void {
    this.shown.clear();
    for (const [at, message] of messages.entries()) {
      assert.equal(message.seq, headSeq - messages.length + 1 + at, 'the newest page ends at the head, without holes');
      this.shown.set(message.seq, shownOf(message));
    }
    this.from = messages[0]?.seq ?? headSeq + 1;
    this.seq = headSeq;
    this.rev = rev;
    this.#goLive(headSeq, rev);
    assert.ok(this.#heldUpTo <= headSeq, 'what was held back is in the page');
  }

  /** Shows what the log holds from where this client began. */
  assertShows(log: readonly Message[]): void {
    const wanted = log.filter((it) => it.seq >= this.from);
    assert.deepEqual(
      [...this.shown].sort(([a], [b]) => a - b),
      wanted.map((it) => [it.seq, shownOf(it)]),
    );
  }

  #goLive(headSeq: number, rev: number): void {
    this.live = true;
    this.#liveSeq = headSeq;
    this.#liveRev = rev;
  }

  #change({ seq, rev, message }: Change, deleted = message === undefined): void {
    const known = this.shown.get(seq);
    if (!known || known.rev >= rev) return;
    this.shown.set(seq, { text: deleted ? '' : (message ?? ''), deleted, rev });
  }
}
