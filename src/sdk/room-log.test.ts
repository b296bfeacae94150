import { describe, expect, it } from '@jest/globals';
import { randomNumbers } from '../verify/random-numbers.ts';
import { type CaughtUp, type Change, type Message, RoomLog } from './room-log.ts';

/** What a server would answer, from the one list that is the truth. */
class Truth {
  readonly messages: Message[] = [];
  epoch = 'e1';
  rev = 0;
  firstSeq = 1;

  add(text = 'x'): Message {
    const seq = this.messages.length + 1;
    const made: Message = {
      id: `${this.epoch}-${seq}`,
      chatroom: 'r',
      seq,
      owner: 'u',
      ownerName: 'U',
      type: 1,
      message: text,
      createdAt: '2026-01-01T00:00:00.000Z',
    };
    this.messages.push(made);
    return made;
  }

  fill(count: number): this {
    for (let i = 0; i < count; i += 1) this.add(`m${i}`);
    return this;
  }

  edit(seq: number, text: string): Change {
    this.rev += 1;
    const now = { ...this.get(seq), message: text, rev: this.rev };
    this.messages[seq - 1] = now;
    return { id: now.id, seq, rev: this.rev, message: text };
  }

  remove(seq: number): Change {
    this.rev += 1;
    const now: Message = { ...this.get(seq), message: '', deleted: true, rev: this.rev };
    this.messages[seq - 1] = now;
    return { id: now.id, seq, rev: this.rev };
  }

  resume(cursor: { seq: number; rev?: number }, limit = 50): CaughtUp {
    const kept = this.messages.filter((it) => it.seq >= this.firstSeq);
    const after = kept.filter((it) => it.seq > cursor.seq);
    const { rev } = cursor;
    const changed =
      rev === undefined
        ? []
        : kept.filter((it) => (it.rev ?? 0) > rev && it.seq <= cursor.seq).sort((a, b) => (a.rev ?? 0) - (b.rev ?? 0));
    return {
      epoch: this.epoch,
      rev: this.rev,
      messages: after.slice(0, limit),
      ...(rev === undefined ? {} : { changed: changed.slice(0, limit) }),
      headSeq: this.messages.length,
      hasMore: after.length > limit || changed.length > limit,
      ...(cursor.seq + 1 < this.firstSeq ? { truncated: true as const } : {}),
    };
  }

  page(before: number, limit = 50) {
    const messages = this.messages.filter((it) => it.seq < before && it.seq >= this.firstSeq).reverse();
    return { epoch: this.epoch, messages: messages.slice(0, limit), firstSeq: this.firstSeq };
  }

  get(seq: number): Message {
    const found = this.messages[seq - 1];
    if (found === undefined) throw new Error(`there is no ${seq}`);
    return found;
  }
}

/** Resumes until complete; the number of answers it took. */
function catchUp(log: RoomLog, truth: Truth, limit?: number): number {
  for (let asked = 1; asked < 1000; asked += 1) {
    if (log.caughtUp(truth.resume(log.cursor, limit)).complete) return asked;
  }
  throw new Error('never complete');
}

const seqs = (log: RoomLog): number[] => log.list.map((it) => it.seq);

describe('RoomLog', () => {
  it('begins at the head and grows upwards', () => {
    const truth = new Truth().fill(120);
    const log = new RoomLog();
    expect(log.hasOlder).toBe(false);
    expect(catchUp(log, truth)).toBe(1);
    expect(log.list).toEqual([]);
    expect(log.cursor).toEqual({ seq: 120, rev: 0 });
    for (const length of [50, 100, 120]) {
      log.older(truth.page(log.from));
      expect(log.list.length).toBe(length);
    }
    expect(log.hasOlder).toBe(false);
    expect(log.list).toEqual(truth.messages);
  });

  it('has nothing older in an empty room', () => {
    const log = new RoomLog();
    catchUp(log, new Truth());
    expect(log.hasOlder).toBe(false);
    expect(log.cursor).toEqual({ seq: 0, rev: 0 });
  });

  it('holds what is ahead, drops what it has, and says that something is missing', () => {
    const truth = new Truth();
    const log = new RoomLog({ seq: 0 });
    catchUp(log, truth);
    const [one, two, three] = [truth.add(), truth.add(), truth.add()];
    expect(log.push(three)).toEqual([]);
    expect(log.push(three)).toEqual([]);
    expect(log.gap).toBe(true);
    expect(log.push(one)).toEqual([{ kind: 'appended', messages: [one] }]);
    expect(log.push(one)).toEqual([]);
    expect(log.push(two)).toEqual([{ kind: 'appended', messages: [two, three] }]);
    expect(log.gap).toBe(false);
  });

  it('asks page by page until nothing is missing', () => {
    const truth = new Truth().fill(220);
    const log = new RoomLog({ seq: 10 });
    expect(catchUp(log, truth, 50)).toBe(5);
    expect(seqs(log)).toEqual(truth.messages.slice(10).map((it) => it.seq));
  });

  it('holds every push of a new connection until an answer has told the epoch', () => {
    const truth = new Truth().fill(3);
    const log = new RoomLog({ seq: 0 });
    catchUp(log, truth);
    log.suspend();
    expect(log.push(truth.add())).toEqual([]);
    expect(log.synced).toBe(false);
    catchUp(log, truth);
    expect(seqs(log)).toEqual([1, 2, 3, 4]);
  });

  it('begins anew when the epoch differs, and takes nothing of the old log over', () => {
    const truth = new Truth().fill(5);
    const log = new RoomLog({ seq: 0 });
    catchUp(log, truth);
    const restored = new Truth().fill(2);
    restored.epoch = 'e2';
    const fresh = restored.add('after the restore');
    log.suspend();
    log.push(fresh);
    const { changes, complete } = log.caughtUp(restored.resume(log.cursor));
    expect(changes).toEqual([{ kind: 'reset' }]);
    expect(complete).toBe(false);
    catchUp(log, restored);
    expect(log.list).toEqual(restored.messages);
    expect(log.life).toBe(1);
    expect(log.gap).toBe(false);
  });

  it('repositions at the head after a reset when it did not begin at a seq', () => {
    const log = new RoomLog();
    catchUp(log, new Truth().fill(9));
    const restored = new Truth().fill(4);
    restored.epoch = 'e2';
    catchUp(log, restored);
    expect(log.cursor).toEqual({ seq: 4, rev: 0 });
    log.older(restored.page(log.from));
    expect(log.list).toEqual(restored.messages);
  });

  it('refuses a page of another epoch', () => {
    const log = new RoomLog();
    catchUp(log, new Truth().fill(9));
    const restored = new Truth().fill(9);
    restored.epoch = 'e2';
    expect(log.older(restored.page(log.from))).toBe(false);
    expect(log.list).toEqual([]);
  });

  it('goes on behind what is no longer kept', () => {
    const truth = new Truth().fill(5);
    const log = new RoomLog({ seq: 0 });
    catchUp(log, truth);
    truth.fill(20);
    truth.firstSeq = 15;
    const { changes } = log.caughtUp(truth.resume(log.cursor));
    expect(changes[0]).toEqual({ kind: 'truncated', firstSeq: 15 });
    expect(seqs(log)).toEqual([15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25]);
    expect(log.hasOlder).toBe(false);
  });

  it('goes on at the head when nothing is kept at all', () => {
    const truth = new Truth().fill(30);
    truth.firstSeq = 31;
    const log = new RoomLog({ seq: 4 });
    catchUp(log, truth);
    expect(log.list).toEqual([]);
    const next = truth.add();
    expect(log.push(next)).toEqual([{ kind: 'appended', messages: [next] }]);
  });

  it('lets the newest edit win, and drops the meta of what was deleted', () => {
    const truth = new Truth().fill(3);
    const log = new RoomLog({ seq: 0 });
    catchUp(log, truth);
    const [first, second] = [truth.edit(2, 'once'), truth.edit(2, 'twice')];
    log.change(second);
    expect(log.cursor.rev).toBe(0);
    expect(log.change(first)).toEqual([]);
    expect(log.cursor.rev).toBe(2);
    expect(log.at(2)?.message).toBe('twice');
    log.change(truth.remove(2));
    expect(log.at(2)).toMatchObject({ deleted: true, message: '', rev: 3 });
    expect(log.gap).toBe(false);
  });

  it('tells by the rev that an edit was missed', () => {
    const truth = new Truth().fill(3);
    const log = new RoomLog({ seq: 0 });
    catchUp(log, truth);
    truth.edit(1, 'missed');
    log.change(truth.edit(2, 'seen'));
    expect(log.gap).toBe(true);
    catchUp(log, truth);
    expect(log.list).toEqual(truth.messages);
    expect(log.cursor.rev).toBe(2);
  });

  it('keeps an edit for a message that comes later: live, or in an older page that was read before it', () => {
    const truth = new Truth().fill(4);
    const log = new RoomLog();
    catchUp(log, truth);
    const stale = truth.page(log.from, 2);
    log.change(truth.edit(4, 'edited'));
    log.older(stale);
    expect(log.list).toEqual(truth.messages.slice(2));
    const five = truth.add();
    log.change(truth.edit(5, 'edited too'));
    log.push(five);
    expect(log.at(5)?.message).toBe('edited too');
  });

  it('asks from the first page’s rev for what was edited while the next pages were read', () => {
    const truth = new Truth().fill(10);
    const log = new RoomLog({ seq: 0 });
    log.caughtUp(truth.resume(log.cursor, 5));
    truth.edit(2, 'behind the back');
    catchUp(log, truth, 5);
    expect(log.list).toEqual(truth.messages);
  });

  it('does not take a page that was cut within the changes for all of them', () => {
    const truth = new Truth().fill(20);
    const log = new RoomLog({ seq: 0 });
    catchUp(log, truth);
    for (let seq = 1; seq <= 20; seq += 1) truth.edit(seq, `now ${seq}`);
    expect(catchUp(log, truth, 6)).toBe(4);
    expect(log.list).toEqual(truth.messages);
  });

  it('says that an answer brought nothing when the server withholds what it says it has', () => {
    const truth = new Truth().fill(5);
    const log = new RoomLog({ seq: 0, rev: 0 });
    const answer = { ...truth.resume(log.cursor), messages: [] };
    expect(log.caughtUp(answer)).toMatchObject({ complete: false, moved: false });
  });

  it('doubts a push that contradicts what it has', () => {
    const truth = new Truth().fill(2);
    const log = new RoomLog({ seq: 0 });
    catchUp(log, truth);
    log.push({ ...truth.get(2), id: 'another' });
    expect(log.gap).toBe(true);
    expect(log.at(2)?.id).toBe('e1-2');
  });

  it('bounds what it holds and repairs the rest', () => {
    const truth = new Truth().fill(5000);
    const log = new RoomLog({ seq: 0 });
    catchUp(log, new Truth());
    for (const it of truth.messages.slice(1)) log.push(it);
    expect(log.list).toEqual([]);
    expect(log.gap).toBe(true);
    catchUp(log, truth, 1000);
    expect(log.list).toEqual(truth.messages);
  });

  it('lets go of the oldest and can load them again', () => {
    const truth = new Truth().fill(30);
    const log = new RoomLog({ seq: 0 });
    catchUp(log, truth);
    log.keep(10);
    expect(log.from).toBe(21);
    expect(log.hasOlder).toBe(true);
    log.older(truth.page(log.from));
    expect(log.list).toEqual(truth.messages);
  });

  it.each(Array.from({ length: 100 }, (_, seed) => seed))(
    'equals the history whatever is lost, doubled, swapped or cut: seed %d',
    (seed) => {
      const random = randomNumbers(seed + 1);
      const pick = (count: number): number => Math.floor(random() * count);
      const truth = new Truth().fill(pick(40));
      const upwards = random() < 0.5;
      const log = upwards ? new RoomLog() : new RoomLog({ seq: 0 });
      const applied: Message[] = [];
      const wire: (() => ReturnType<RoomLog['push']>)[] = [];
      const note = (changes: ReturnType<RoomLog['push']>): void => {
        for (const it of changes) if (it.kind === 'appended') applied.push(...it.messages);
      };
      for (let step = 0; step < 300; step += 1) {
        const what = random();
        if (what < 0.4) {
          const made = truth.add(`t${step}`);
          const times = random() < 0.15 ? 0 : random() < 0.2 ? 2 : 1;
          for (let i = 0; i < times; i += 1) wire.splice(pick(wire.length + 1), 0, () => log.push(made));
        } else if (what < 0.55 && truth.messages.length > 0) {
          const seq = 1 + pick(truth.messages.length);
          // What is deleted stays so.
          const edits = random() < 0.7 && truth.get(seq).deleted !== true;
          const made = edits ? truth.edit(seq, `e${step}`) : truth.remove(seq);
          if (random() < 0.85) wire.splice(pick(wire.length + 1), 0, () => log.change(made));
        } else if (what < 0.9) {
          note(wire.shift()?.() ?? []);
        } else if (what < 0.94) {
          note(log.caughtUp(truth.resume(log.cursor, 1 + pick(20))).changes);
        } else if (what < 0.97) {
          log.suspend();
          if (random() < 0.5) wire.length = 0;
        } else if (log.epoch !== undefined && log.hasOlder) {
          log.older(truth.page(log.from, 1 + pick(20)));
        }
        expect(log.list.every((it, i) => it.seq === log.from + i)).toBe(true);
      }
      for (const push of wire) note(push());
      for (let asked = 0; ; asked += 1) {
        const { changes, complete } = log.caughtUp(truth.resume(log.cursor, 20));
        note(changes);
        if (complete) break;
        expect(asked).toBeLessThan(100);
      }
      while (log.hasOlder) log.older(truth.page(log.from));
      expect(log.list).toEqual(truth.messages);
      expect(log.synced).toBe(true);
      expect(applied.map((it) => it.seq)).toEqual(
        truth.messages.slice(-applied.length || Infinity).map((it) => it.seq),
      );
    },
  );
});
