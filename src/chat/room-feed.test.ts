import { strict as assert } from 'node:assert';
import { beforeEach, describe, it } from '@jest/globals';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { Follower } from '../../test/support/follower.ts';
import { changeOf, PlayedLog } from '../../test/support/played-log.ts';
import { forSeeds, type Random } from '../../test/support/random.ts';
import type { Change, Message } from './model.ts';
import type { RoomEvent } from './ports/bus.ts';
import { RoomFeed, weightOf } from './room-feed.ts';

const GAP_MS = 200;
const RETRY_MS = 500;
const TAIL_BYTES = 512 * 1024;

describe('RoomFeed', () => {
  let clock: FakeClock;
  let log: PlayedLog;
  let follower: Follower;
  let repairs: number[];
  let events: RoomEvent[];

  beforeEach(() => {
    clock = new FakeClock();
    log = new PlayedLog();
    follower = new Follower();
    repairs = [];
    events = [];
  });

  /** A feed that stands where the log stands. */
  const open = (): RoomFeed => {
    follower = new Follower(log.now.headSeq, log.now.rev);
    const deliver = (event: RoomEvent): void => {
      events.push(event);
      follower.take(event);
    };
    return new RoomFeed(log.room, log.now, { source: log, clock, deliver, repaired: (count) => repairs.push(count) });
  };
  const must = <T>(it: T | undefined): T => {
    assert.ok(it !== undefined);
    return it;
  };
  const seqsOf = (messages: readonly Message[] | undefined): number[] | undefined => messages?.map((it) => it.seq);
  const reads = (): number => log.calls.head + log.calls.messages + log.calls.changedSince;

  describe('messages', () => {
    it('come by seq, once, in whatever order and however often they are offered', () => {
      const feed = open();
      const [one, two, three] = log.appendMany(3) as [Message, Message, Message];
      for (const it of [three, two, two, one, three, one]) feed.offer(it);
      follower.assertShows(log.kept);
      assert.equal(follower.messages, 3);
      assert.equal(clock.waiting, 0);
      assert.equal(reads(), 0);
    });

    it('that the bus loses come from the store after 200 ms and not before', async () => {
      const feed = open();
      const [, , three] = log.appendMany(3);
      feed.offer(must(three));
      await clock.advance(GAP_MS - 1);
      assert.equal(reads(), 0);
      assert.equal(feed.headSeq, 0);
      await clock.advance(1);
      follower.assertShows(log.kept);
      assert.deepEqual(repairs, [3]);
      assert.equal(clock.waiting, 0);
    });

    it('are not read when the bus closes the gap in time', async () => {
      const feed = open();
      const [one, two] = log.appendMany(2) as [Message, Message];
      feed.offer(two);
      await clock.advance(GAP_MS - 1);
      feed.offer(one);
      await clock.advance(10 * GAP_MS);
      assert.equal(reads(), 0);
      follower.assertShows(log.kept);
    });

    it('come although the store is away for a while', async () => {
      const feed = open();
      log.appendMany(2);
      log.away = true;
      feed.offer(log.append());
      await clock.advance(GAP_MS + 3 * RETRY_MS);
      assert.equal(follower.messages, 0);
      const tried = reads();
      assert.ok(tried >= 3 && tried <= 5, `${tried} reads`);
      log.away = false;
      await clock.advance(RETRY_MS);
      follower.assertShows(log.kept);
      assert.equal(clock.waiting, 0);
    });

    it('come when the last of them was lost and the heads are compared', async () => {
      const feed = open();
      feed.offer(log.append());
      log.appendMany(450);
      await clock.advance(60_000);
      assert.equal(feed.headSeq, 1);
      feed.compare(log.now);
      await settle();
      follower.assertShows(log.kept);
      assert.deepEqual(repairs, [450]);
      const before = reads();
      feed.compare(log.now);
      await clock.advance(60_000);
      assert.equal(reads(), before, 'nothing is read when nothing is missing');
    });

    it('are taken while a repair is under way', async () => {
      const feed = open();
      log.appendMany(3);
      log.pause = () => clock.sleep(50);
      feed.compare(log.now);
      await clock.advance(60);
      for (const it of log.kept) feed.offer(it);
      feed.offer(log.append());
      assert.equal(feed.headSeq, 4);
      await clock.advance(1000);
      follower.assertShows(log.kept);
      assert.equal(clock.waiting, 0);
    });

    it('that were compared while a repair was under way are not forgotten', async () => {
      const feed = open();
      log.append();
      log.pause = () => clock.sleep(50);
      feed.compare(log.now);
      await clock.advance(120);
      log.append();
      feed.compare(log.now);
      await clock.advance(1000);
      follower.assertShows(log.kept);
    });

    it('that retention took are passed over', async () => {
      const feed = open();
      feed.offer(log.append());
      const early = log.appendMany(30)[2];
      log.trim(20);
      follower.holesUpTo = 19;
      feed.offer(must(early)); // waits for what will never come
      feed.offer(log.append());
      await clock.advance(GAP_MS);
      assert.equal(feed.headSeq, 32);
      assert.equal(feed.firstSeq, 20);
      follower.assertShows(log.kept);
      assert.equal(clock.waiting, 0, 'nothing is waited for any more');
      feed.offer(log.append());
      follower.assertShows(log.kept);
    });

    it('are passed over when retention took all of them', async () => {
      const feed = open();
      log.appendMany(10);
      log.trim(11);
      feed.compare(log.now);
      await settle();
      assert.equal(feed.headSeq, 10);
      assert.deepEqual(feed.after(10, 5), []);
      follower.holesUpTo = 10;
      feed.offer(log.append());
      assert.equal(follower.messages, 1);
    });

    it('are not delivered once the feed is closed, a repair under way or not', async () => {
      const feed = open();
      log.appendMany(2);
      feed.offer(log.append());
      await clock.advance(GAP_MS - 1);
      log.pause = () => clock.sleep(10);
      await clock.advance(5);
      feed.close();
      feed.offer(log.append());
      feed.compare(log.now);
      await clock.advance(60_000);
      assert.deepEqual(events, []);
      assert.equal(clock.waiting, 0);
    });
  });

  describe('changes', () => {
    it('come by rev, once, after their messages', () => {
      const feed = open();
      const [one, two] = log.appendMany(2) as [Message, Message];
      const edited = must(log.edit(2));
      const removed = must(log.remove(1));
      for (const it of [removed, edited, removed]) feed.offerChange(it);
      assert.equal(events.length, 0);
      feed.offer(one);
      assert.equal(follower.changes, 0, 'the change of 2 comes first, and 2 is not there yet');
      feed.offer(two);
      feed.offerChange(edited);
      follower.assertShows(log.kept);
      assert.equal(follower.changes, 2);
      assert.equal(clock.waiting, 0);
    });

    it('that the bus loses come from the store', async () => {
      const feed = open();
      for (const it of log.appendMany(3)) feed.offer(it);
      log.edit(1);
      feed.offerChange(must(log.edit(2)));
      await clock.advance(GAP_MS - 1);
      assert.equal(follower.changes, 0);
      await clock.advance(1);
      assert.deepEqual(
        events.slice(3).map((it) => it.kind === 'changed' && it.change.rev),
        [1, 2],
      );
      follower.assertShows(log.kept);
    });

    it('of one message made twice come as the last one, and nothing is waited for', async () => {
      const feed = open();
      for (const it of log.appendMany(2)) feed.offer(it);
      log.edit(1);
      log.edit(2);
      log.edit(1);
      log.remove(1);
      feed.compare(log.now);
      await settle();
      follower.assertShows(log.kept);
      assert.equal(follower.changes, 2);
      assert.equal(feed.rev, 4);
      feed.offerChange(must(log.edit(2)));
      follower.assertShows(log.kept);
      assert.equal(clock.waiting, 0);
    });

    it('lost at the very end come when the heads are compared, page by page', async () => {
      const feed = open();
      for (const it of log.appendMany(500)) feed.offer(it);
      for (let seq = 1; seq <= 450; seq += 1) log.edit(seq);
      feed.compare(log.now);
      await settle();
      follower.assertShows(log.kept);
      assert.equal(feed.rev, 450);
      assert.equal(log.calls.changedSince, 3);
    });

    it('are read although those of messages that nobody keeps are among them', async () => {
      const feed = open();
      for (const it of log.appendMany(10)) feed.offer(it);
      log.edit(2);
      log.edit(9);
      log.trim(5);
      feed.compare(log.now);
      await settle();
      assert.equal(feed.rev, 2);
      follower.assertShows(log.kept);
    });

    it('of a message that is stored while a repair runs wait for it', async () => {
      const feed = open();
      for (const it of log.appendMany(2)) feed.offer(it);
      log.edit(1);
      log.pause = () => clock.sleep(20);
      feed.compare(log.now);
      await clock.advance(90); // the head was read, and with it rev 1
      const late = log.append();
      const ofLate = must(log.edit(3));
      const again = must(log.edit(1));
      await clock.advance(100);
      assert.equal(feed.headSeq, 2);
      for (const it of [again, ofLate]) feed.offerChange(it);
      feed.offer(late);
      follower.assertShows(log.kept);
      await clock.advance(1000);
      assert.equal(feed.rev, 3);
      assert.equal(clock.waiting, 0);
    });

    it('do not undo what a message read later holds already', async () => {
      const feed = open();
      log.append('old');
      const first = must(log.edit(1, 'second'));
      const second = must(log.edit(1, 'third'));
      feed.compare(log.now);
      await settle();
      feed.offerChange(first);
      feed.offerChange(second);
      await clock.advance(1000);
      follower.assertShows(log.kept);
      assert.equal(feed.after(0, 1)?.[0]?.message, 'third');
      assert.equal(feed.rev, 2);
    });
  });

  describe('the tail', () => {
    it('holds the newest 200 messages with their changes', () => {
      const feed = open();
      for (const it of log.appendMany(350)) feed.offer(it);
      feed.offerChange(must(log.edit(340)));
      feed.offerChange(must(log.edit(342, 'https://a.b')));
      feed.offerChange(must(log.remove(341)));
      feed.offerChange(must(log.edit(20)));
      assert.deepEqual(feed.after(150, 1000), log.kept.slice(150));
      assert.equal(feed.after(149, 1000), undefined);
      assert.deepEqual(seqsOf(feed.after(200, 3)), [201, 202, 203]);
      assert.deepEqual(seqsOf(feed.after(349, 3)), [350]);
      assert.deepEqual(feed.after(350, 3), []);
      assert.deepEqual(feed.after(9999, 3), []);
      assert.deepEqual(feed.newest(2), log.kept.slice(-2));
      assert.equal(feed.newest(1000).length, 200);
    });

    it('is bounded by bytes, and holds one message however large', () => {
      const feed = open();
      const large = 'ü'.repeat(30_000);
      for (let n = 0; n < 50; n += 1) feed.offer(log.append(large));
      const weight = weightOf(feed.newest(1)[0] ?? log.append());
      assert.ok(weight > 60_000);
      assert.equal(feed.newest(1000).length, Math.floor(TAIL_BYTES / weight));
      feed.offer(log.append('x'.repeat(TAIL_BYTES)));
      assert.deepEqual(seqsOf(feed.newest(1000)), [51]);
      feed.offer(log.append());
      assert.deepEqual(seqsOf(feed.newest(1000)), [52]);
      for (const it of log.appendMany(20)) feed.offer(it);
      assert.equal(feed.newest(1000).length, 21);
    });

    it('keeps count of bytes through edits and deletions', () => {
      const feed = open();
      for (let n = 0; n < 30; n += 1) feed.offer(log.append('x'.repeat(16_000)));
      for (let seq = 1; seq <= 30; seq += 1) feed.offerChange(must(log.remove(seq)));
      for (const it of log.appendMany(170)) feed.offer(it);
      assert.equal(feed.newest(1000).length, 200);
      for (let seq = 150; seq <= 200; seq += 1) feed.offerChange(must(log.edit(seq, 'y'.repeat(16_000))));
      feed.offer(log.append());
      const kept = feed.newest(1000);
      assert.ok(kept.reduce((sum, it) => sum + weightOf(it), 0) <= TAIL_BYTES);
      assert.deepEqual(kept, log.kept.slice(-kept.length));
    });

    it('is filled from the store once for all who ask', async () => {
      log.appendMany(500);
      log.edit(400);
      const feed = open();
      assert.equal(feed.after(490, 10), undefined);
      await Promise.all([feed.fill(), feed.fill(), feed.fill()]);
      assert.equal(log.calls.messages, 1);
      assert.deepEqual(feed.after(300, 1000), log.kept.slice(300));
      await feed.fill();
      assert.equal(log.calls.messages, 1, 'full is full');
    });

    it('is not read over and over where messages are large', async () => {
      for (let n = 0; n < 300; n += 1) log.append('x'.repeat(16_000));
      const feed = open();
      await feed.fill();
      const kept = feed.newest(1000);
      assert.ok(kept.reduce((sum, it) => sum + weightOf(it), 0) <= TAIL_BYTES);
      assert.ok(kept.length >= 30);
      await feed.fill();
      feed.offer(log.append('x'.repeat(16_000)));
      await feed.fill();
      assert.equal(log.calls.messages, 1);
    });

    it('takes messages that come while it is filled, and never more than 200', async () => {
      log.appendMany(300);
      const feed = open();
      log.pause = () => clock.sleep(20);
      const filled = feed.fill();
      await clock.advance(30);
      for (const it of log.appendMany(7)) feed.offer(it);
      await clock.advance(100);
      await filled;
      const kept = feed.newest(1000);
      assert.equal(kept.length, 200);
      assert.deepEqual(kept, log.kept.slice(-200));
    });

    it.each([5, 25, 35])('shows an edit that is delivered %d ms into the filling', async (ms) => {
      log.appendMany(10);
      const feed = open();
      log.pause = () => clock.sleep(20);
      const filled = feed.fill();
      await clock.advance(ms);
      feed.offerChange(must(log.edit(4)));
      feed.offerChange(must(log.remove(5)));
      await clock.advance(200);
      await filled;
      assert.deepEqual(feed.after(0, 100), log.kept);
    });

    it('tells who asked when the store is away, and is filled by who asks later', async () => {
      log.appendMany(10);
      const feed = open();
      log.away = true;
      await assert.rejects(feed.fill(), { code: 'try_again' });
      log.away = false;
      await feed.fill();
      assert.equal(feed.after(0, 100)?.length, 10);
    });

    it('is emptied where retention makes a hole', async () => {
      const feed = open();
      for (const it of log.appendMany(5)) feed.offer(it);
      log.appendMany(20);
      log.trim(15);
      follower.holesUpTo = 14;
      feed.compare(log.now);
      await settle();
      assert.deepEqual(feed.after(14, 100), log.kept);
      assert.equal(feed.after(3, 100), undefined);
    });
  });

  describe('whatever is lost, doubled, late or away', () => {
    /** What is said over the bus, each piece after its own while, some never, some twice. */
    const say = (random: Random, feed: RoomFeed, lossy: number, tell: (it: RoomFeed) => void): void => {
      for (let copies = random.chance(lossy) ? 0 : 1 + Number(random.chance(0.15)); copies > 0; copies -= 1) {
        clock.after(random.int(500), () => tell(feed));
      }
    };

    const change = (random: Random): Change | undefined => {
      const seq = 1 + random.int(log.now.headSeq);
      return random.chance(0.3) ? log.remove(seq) : log.edit(seq);
    };

    it('delivers everything once, in order, and ends where the log ends', async () => {
      await forSeeds(60, async (random) => {
        clock = new FakeClock();
        log = new PlayedLog();
        log.pause = () => clock.sleep(random.int(40));
        for (const it of log.appendMany(random.int(5))) if (random.chance(0.5)) log.edit(it.seq);
        const before = log.kept;
        const feed = open();
        for (const it of before) follower.shown.set(it.seq, { text: it.message, deleted: false, rev: it.rev ?? 0 });
        const lossy = random.pick([0, 0.1, 0.5, 1]);
        for (let step = 0; step < 80; step += 1) {
          const made = random.int(10);
          if (made < 5) {
            const message = log.append();
            say(random, feed, lossy, (it) => it.offer(message));
          } else if (made < 8 && log.now.headSeq > 0) {
            const it = change(random);
            if (it) say(random, feed, lossy, (to) => to.offerChange(it));
          } else if (made === 8) {
            log.away = random.chance(0.3);
          } else if (random.chance(0.2)) {
            const { now } = log;
            clock.after(random.int(100), () => feed.compare(now));
          } else if (random.chance(0.3)) feed.fill().catch(() => {}); // fails while the log is away
          if (random.chance(0.5)) await clock.advance(random.int(150), 2);
        }
        log.away = false;
        await clock.advance(2000, 2);
        feed.compare(log.now);
        await clock.advance(5000, 2);
        assert.equal(feed.headSeq, log.now.headSeq);
        assert.equal(feed.rev, log.now.rev);
        follower.assertShows(log.kept);
        log.pause = async () => {};
        await feed.fill();
        const tail = feed.newest(1000);
        assert.deepEqual(tail, log.kept.slice(-tail.length));
        assert.equal(clock.waiting, 0, 'nothing is waited for');
      });
    }, 30_000);

    it('delivers all permutations of a few events alike', async () => {
      await forSeeds(60, async (random) => {
        clock = new FakeClock();
        log = new PlayedLog();
        const feed = open();
        const tellings: ((it: RoomFeed) => void)[] = [];
        for (let n = 0; n < 12; n += 1) {
          const message = log.append();
          tellings.push((it) => it.offer(message));
          const changed = random.chance(0.5) ? change(random) : undefined;
          if (changed) tellings.push((it) => it.offerChange(changed));
        }
        for (const tell of random.shuffled([...tellings, ...tellings])) tell(feed);
        follower.assertShows(log.kept);
        assert.equal(follower.messages, 12);
        assert.equal(follower.changes, log.now.rev);
        assert.equal(clock.waiting + reads(), 0);
        const edited = log.kept.filter((it) => it.rev !== undefined).map(changeOf);
        for (const it of edited) feed.offerChange(it);
        assert.equal(follower.changes, log.now.rev);
      });
    });
  });
});
