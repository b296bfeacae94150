import { strict as assert } from 'node:assert';
import type { Message } from '../../src/chat/model.ts';
import type { RoomEvent } from '../../src/chat/ports/bus.ts';

interface Shown {
  text: string;
  deleted: boolean;
  rev: number;
}

/** What somebody shows who was delivered a room's events one after another; refuses holes, repeats and a wrong order. */
export class Follower {
  readonly shown = new Map<number, Shown>();
  lastSeq: number;
  lastRev: number;
  /** How many messages, and changes, were delivered. */
  messages = 0;
  changes = 0;
  /** Holes are let pass where retention took what was in them. */
  holesUpTo = 0;

  constructor(lastSeq = 0, lastRev = 0) {
    this.lastSeq = lastSeq;
    this.lastRev = lastRev;
  }

  readonly take = (event: RoomEvent): void => {
    if (event.kind === 'message') {
      const { seq, message: text, deleted = false, rev = 0 } = event.message;
      if (seq > this.holesUpTo) assert.equal(seq, Math.max(this.lastSeq, this.holesUpTo) + 1, 'messages come by seq');
      else assert.ok(seq > this.lastSeq, 'messages come by seq');
      this.lastSeq = seq;
      this.messages += 1;
      this.shown.set(seq, { text, deleted, rev });
    } else if (event.kind === 'changed') {
      const { seq, rev, message } = event.change;
      assert.ok(rev > this.lastRev, `changes come by rev: ${rev} after ${this.lastRev}`);
      assert.ok(seq <= this.lastSeq, 'a change comes after its message');
      this.lastRev = rev;
      this.changes += 1;
      const known = this.shown.get(seq);
      if (known && known.rev < rev) this.shown.set(seq, { text: message ?? '', deleted: message === undefined, rev });
    }
  };

  /** Shows what the log holds, element by element. */
  assertShows(log: readonly Message[], from = 1): void {
    const wanted = log.filter((it) => it.seq >= from);
    assert.deepEqual(
      wanted.map(({ seq }) => ({ seq, ...this.shown.get(seq) })),
      wanted.map(({ seq, message, deleted = false, rev = 0 }) => ({ seq, text: message, deleted, rev })),
    );
  }
}
