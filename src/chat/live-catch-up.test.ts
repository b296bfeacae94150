import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { CatchingClient } from '../../test/support/catching-client.ts';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { PlayedLog } from '../../test/support/played-log.ts';
import { forSeeds, type Random } from '../../test/support/random.ts';
import { accountOf, adminOf, openTimedChat, roomOf, type TimedChat } from '../../test/support/timed-chat.ts';
import { newBudget } from './catch-up.ts';
import { deleteMessage, editMessage } from './change-message.ts';
import type { Chat } from './chat.ts';
import { ChatError, tryAgain } from './errors.ts';
import { prepareCatchUp, prepareNewest } from './live-catch-up.ts';
import type { Message } from './model.ts';
import { postMessage } from './post-message.ts';
import { RoomFeed, weightOf } from './room-feed.ts';

const ana = accountOf('ana');

describe('catching up on a live stream', () => {
  let timed: TimedChat;
  let room: string;

  beforeEach(async () => {
    timed = await openTimedChat({ nodes: 2 });
    room = await roomOf(timed.chat, ana);
  });
  afterEach(() => timed.close());

  const logOf = (it: string): Promise<Message[]> =>
    timed.test.chat.store.messages(it, { from: 1, to: 1e9, order: 'asc', limit: 1e6 });

  /** A connection to one node after the other, that resumes or opens the room anew. */
  class Connection {
    readonly client = new CatchingClient();
    readonly #random: Random;
    readonly #room: string;
    #node: Chat | undefined;
    #turn = 0;

    constructor(random: Random, of: string) {
      this.#random = random;
      this.#room = of;
      for (const node of timed.nodes) {
        const onRoom = (it: string, event: Parameters<CatchingClient['push']>[0]): void => {
          if (it === this.#room && node === this.#node) this.client.push(event);
        };
        node.hub.listen({ onRoom, onNode: () => {} });
      }
    }

    lose(): void {
      this.#turn += 1;
      this.#node?.hub.feeds.release(this.#room);
      this.#node = undefined;
      this.client.disconnect();
    }

    async connect(node: Chat): Promise<void> {
      this.lose();
      const turn = this.#turn;
      const feed = (await node.hub.feeds.follow([this.#room])).get(this.#room);
      assert.ok(feed);
      if (turn !== this.#turn) return node.hub.feeds.release(this.#room);
      this.#node = node;
      try {
        if (this.#random.chance(0.2)) {
          const limit = this.#random.pick([1, 3, 50, 250]);
          const newest = await prepareNewest(node, feed, limit);
          if (turn !== this.#turn) return;
          const page = newest(newBudget());
          const wanted = Math.min(limit, feed.headSeq - feed.firstSeq + 1);
          assert.ok(page.length <= limit && (page.length > 0 || wanted === 0));
          this.client.open(page, feed.headSeq, feed.rev);
        }
        while (!this.client.live) {
          const limit = this.#random.pick([1, 3, 10, 200]);
          const form = await prepareCatchUp(node, feed, this.client.cursor, limit);
          if (turn !== this.#turn) return;
          this.client.answer(form(newBudget()), limit);
        }
      } catch (cause) {
        if (turn === this.#turn) this.lose();
        throw cause;
      }
    }
  }

  it('ends with what the log holds, whenever it is done and whatever is lost', async () => {
    await forSeeds(6, async (random) => {
      const own = await roomOf(timed.chat, ana);
      const connection = new Connection(random, own);
      const { client } = connection;
      const slow = random.pick([0, 5, 60]);
      const failing = random.pick([0, 0.05]);
      timed.network.copies = () => (random.chance(0.2) ? 0 : 1 + Number(random.chance(0.1)));
      timed.network.delayMs = () => random.int(300);
      timed.trouble = async (method, run) => {
        const write = method === 'append' || method === 'editMessage' || method === 'deleteMessage';
        if (slow > 0) await timed.clock.sleep(random.int(slow));
        if (!write && random.chance(failing)) throw tryAgain('the store');
        const found = await run();
        if (slow > 0 && !write) await timed.clock.sleep(random.int(slow));
        return found;
      };
      const underWay: Promise<unknown>[] = [];
      const failures: unknown[] = [];
      const failed = (cause: unknown): void => {
        // Refused by the played store, or edited after it was deleted.
        if (!(cause instanceof ChatError && ['try_again', 'not_found'].includes(cause.code))) failures.push(cause);
      };
      const start = (work: Promise<unknown>): void => void underWay.push(work.catch(failed));
      let ids: string[] = [];
      for (let step = 0; step < 60; step += 1) {
        const node = random.pick(timed.nodes);
        const made = random.int(10);
        const target = ids[random.int(ids.length)];
        if (made < 5) {
          const many = random.chance(0.1) ? 60 : 1;
          for (let n = 0; n < many; n += 1) {
            const posted = postMessage(node, ana, own, { message: `text ${step} ${n}` });
            start(posted.then((it) => void ids.push(it.id)));
          }
        } else if (made === 5 && target) start(editMessage(node, ana, own, target, `edit ${step}`));
        else if (made === 6 && target) {
          ids = ids.filter((it) => it !== target);
          start(deleteMessage(node, ana, own, target));
        } else if (made === 7) connection.lose();
        else if (made === 8) start(connection.connect(node));
        if (random.chance(0.6)) await timed.clock.advance(random.int(120), 4);
        if (failures.length > 0) throw failures[0];
      }
      timed.trouble = (_method, run) => run();
      timed.network.copies = () => 1;
      await timed.clock.advance(2000, 6);
      await Promise.all(underWay);
      if (failures.length > 0) throw failures[0];
      timed.network.suspect();
      await timed.clock.advance(1000, 6);
      if (!client.live) await connection.connect(timed.chat);
      client.assertShows(await logOf(own));
      await postMessage(random.pick(timed.nodes), ana, own, { message: 'and one live' });
      await timed.clock.advance(1000, 6);
      client.assertShows(await logOf(own));
      connection.lose();
    });
  }, 60_000);

  it('answers from the tail without asking the store again', async () => {
    for (let n = 0; n < 5; n += 1) await postMessage(timed.chat, ana, room, { message: `${n}` });
    const feed = (await timed.chat.hub.feeds.follow([room])).get(room);
    assert.ok(feed);
    let reads = 0;
    timed.trouble = (_method, run) => {
      reads += 1;
      return run();
    };
    for (const seq of [0, 2, 4, 5, 99]) {
      const answer = (await prepareCatchUp(timed.chat, feed, { seq, rev: 0 }, 50))(newBudget());
      assert.equal(answer.messages.length, Math.max(0, 5 - seq));
      assert.equal(answer.hasMore, false);
      assert.equal(answer.headSeq, 5);
      assert.equal(answer.truncated, undefined);
    }
    // To fill the tail, and to see whether there is a message 99.
    assert.equal(reads, 2);
  });

  it('rejects while the store is away and what is kept does not reach', async () => {
    await Promise.all(Array.from({ length: 300 }, (_, n) => postMessage(timed.chat, ana, room, { message: `${n}` })));
    const feed = (await timed.chat.hub.feeds.follow([room])).get(room);
    assert.ok(feed);
    timed.trouble = () => Promise.reject(tryAgain('the store'));
    await assert.rejects(prepareCatchUp(timed.chat, feed, { seq: 5 }, 50), { code: 'try_again' });
    await assert.rejects(prepareNewest(timed.chat, feed, 50), { code: 'try_again' });
    timed.trouble = (_method, run) => run();
    assert.equal((await prepareNewest(timed.chat, feed, 50))(newBudget()).length, 50);
    timed.trouble = () => Promise.reject(tryAgain('the store'));
    assert.equal((await prepareCatchUp(timed.chat, feed, { seq: 250 }, 50))(newBudget()).messages.length, 50);
  });

  describe('with a played log', () => {
    let clock: FakeClock;
    let log: PlayedLog;
    const open = (): { chat: Pick<Chat, 'store'>; feed: RoomFeed } => {
      const feed = new RoomFeed(log.room, log.now, { source: log, clock, deliver: () => {}, repaired: () => {} });
      const store = Object.assign(Object.create(timed.chat.store) as Chat['store'], {
        messages: log.messages,
        changedSince: log.changedSince,
        heads: async () => new Map([[log.room, await log.head(log.room)]]),
      });
      return { chat: { store }, feed };
    };

    beforeEach(() => {
      clock = new FakeClock();
      log = new PlayedLog();
    });

    it('reaches what a client has heard over another node, and tells its followers', async () => {
      log.appendMany(3);
      const delivered: number[] = [];
      const feed = new RoomFeed(log.room, log.now, {
        source: log,
        clock,
        deliver: (event) => event.kind === 'message' && delivered.push(event.message.seq),
        repaired: () => {},
      });
      const { chat } = open();
      log.appendMany(2);
      const answer = (await prepareCatchUp(chat, feed, { seq: 5 }, 50))(newBudget());
      assert.deepEqual([answer.headSeq, answer.hasMore, answer.messages], [5, false, []]);
      assert.deepEqual(delivered, [4, 5]);
      // One that was made up ends all the same.
      assert.equal((await prepareCatchUp(chat, feed, { seq: 1e9 }, 50))(newBudget()).headSeq, 5);
    });

    /** Asks until there is no more. */
    const catchUpAll = async (chat: Pick<Chat, 'store'>, feed: RoomFeed, limit: number, seq = 0): Promise<number> => {
      const client = new CatchingClient();
      client.seq = seq;
      client.from = seq + 1;
      let answers = 0;
      while (!client.live) {
        client.answer((await prepareCatchUp(chat, feed, client.cursor, limit))(newBudget()), limit);
        answers += 1;
        assert.ok(answers < 100, 'it comes to an end');
      }
      client.assertShows(log.kept);
      return answers;
    };

    it('pages by the limit', async () => {
      log.appendMany(500);
      const { chat, feed } = open();
      assert.equal(await catchUpAll(chat, feed, 50), 10);
      assert.equal(await catchUpAll(chat, feed, 200), 3);
    });

    it('pages by bytes', async () => {
      for (let n = 0; n < 100; n += 1) log.append('ü'.repeat(8000));
      const { chat, feed } = open();
      const answers = await catchUpAll(chat, feed, 200);
      assert.ok(answers >= 3 && answers <= 5, `${answers} answers`);
    });

    it('goes on after what retention took, and says so', async () => {
      log.appendMany(600);
      log.trim(300);
      const { chat, feed } = open();
      const answer = (await prepareCatchUp(chat, feed, { seq: 10 }, 50))(newBudget());
      assert.equal(answer.truncated, true);
      assert.equal(answer.messages[0]?.seq, 300);
      await catchUpAll(chat, feed, 50, 10);
    });

    it('goes on although retention came after the feed was opened', async () => {
      log.appendMany(600);
      const { chat, feed } = open();
      log.trim(300);
      await catchUpAll(chat, feed, 50, 10);
      log.trim(330);
      await catchUpAll(chat, feed, 50, 320);
      assert.equal(feed.firstSeq, 330);
    });

    it('comes to an end when retention took everything', async () => {
      log.appendMany(20);
      log.trim(21);
      const { chat, feed } = open();
      const answer = (await prepareCatchUp(chat, feed, { seq: 10 }, 50))(newBudget());
      assert.deepEqual([answer.messages, answer.hasMore, answer.truncated], [[], false, true]);
    });

    it.each([1, 49, 51, 200])('never answers with texts older than %d edits that went out meanwhile', async (edits) => {
      log.appendMany(400);
      const { chat, feed } = open();
      await feed.fill();
      log.pause = () => clock.sleep(20);
      const preparing = prepareCatchUp(chat, feed, { seq: 5, rev: 0 }, 50);
      const opening = prepareNewest(chat, feed, 390);
      await clock.advance(25); // read, and on its way
      for (let n = 0; n < edits; n += 1) {
        const change =
          n % 5 === 4 ? log.remove(7 + n) : log.edit(7 + (n % 40), n % 2 === 0 ? `new ${n}` : 'https://new');
        if (change) feed.offerChange(change);
      }
      assert.ok(feed.rev > 0);
      await clock.advance(200);
      const answer = (await preparing)(newBudget());
      assert.deepEqual(answer.messages, log.kept.slice(5, 5 + answer.messages.length));
      assert.equal(answer.hasMore, true);
      const page = (await opening)(newBudget());
      assert.deepEqual(page, log.kept.slice(-page.length));
      assert.equal(answer.messages.length, feed.rev <= 50 ? 50 : 0);
    });

    it('opens a room with its newest messages up to the head of that very turn', async () => {
      log.appendMany(300);
      const { chat, feed } = open();
      log.pause = () => clock.sleep(20);
      for (const limit of [1, 10, 200]) {
        const preparing = prepareNewest(chat, feed, limit);
        await clock.advance(25);
        for (const it of log.appendMany(7)) feed.offer(it);
        await clock.advance(100);
        const newest = await preparing;
        for (const it of log.appendMany(3)) feed.offer(it);
        assert.deepEqual(newest(newBudget()), log.kept.slice(-limit));
      }
    });

    it('opens a room with a page larger than what is kept', async () => {
      log.appendMany(600);
      log.edit(250);
      const { chat, feed } = open();
      assert.deepEqual((await prepareNewest(chat, feed, 500))(newBudget()), log.kept.slice(-500));
      const newest = await prepareNewest(chat, feed, 500);
      for (const it of log.appendMany(5)) feed.offer(it);
      const page = newest(newBudget());
      assert.deepEqual(page, log.kept.slice(-page.length));
      assert.ok(page.length >= 200);
    });

    it('opens a room within the bytes, the newest first, and with one message at least', async () => {
      for (let n = 0; n < 100; n += 1) log.append('x'.repeat(16_000));
      const { chat, feed } = open();
      const newest = await prepareNewest(chat, feed, 100);
      const budget = newBudget();
      const page = newest(budget);
      assert.deepEqual(page, log.kept.slice(-page.length));
      assert.ok(page.length > 25 && budget.bytes >= 0);
      assert.equal(page.reduce((sum, it) => sum + weightOf(it), 0) + budget.bytes, newBudget().bytes);
      assert.equal(newest({ bytes: 10 }).length, 1);
    });

    it('opens an empty room', async () => {
      const { chat, feed } = open();
      assert.deepEqual((await prepareNewest(chat, feed, 50))(newBudget()), []);
      await settle();
      assert.equal(log.calls.messages, 0);
    });
  });

  it('is for admins who read along as well', async () => {
    const feed = (await timed.nodes[1]?.hub.feeds.follow([room]))?.get(room);
    assert.ok(feed);
    await postMessage(timed.chat, ana, room, { message: 'one' });
    await deleteMessage(timed.chat, adminOf('root'), room, (await logOf(room))[0]?.id ?? '');
    const client = new CatchingClient();
    client.answer((await prepareCatchUp(timed.chat, feed, client.cursor, 50))(newBudget()), 50);
    client.assertShows(await logOf(room));
  });
});
