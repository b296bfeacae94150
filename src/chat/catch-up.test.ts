import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { CatchingClient } from '../../test/support/catching-client.ts';
import { forSeeds } from '../../test/support/random.ts';
import { accountOf, openTimedChat, refusal, roomOf, type TimedChat } from '../../test/support/timed-chat.ts';
import { type CatchUpCursor, type CaughtUp, CHANGED_MAX, type ClosedRoom, catchUp, cursorOf } from './catch-up.ts';
import { deleteMessage, editMessage } from './change-message.ts';
import { PAGE_BYTES } from './chat.ts';
import { ChatError, tryAgain } from './errors.ts';
import { leaveRoom } from './manage-members.ts';
import type { Message } from './model.ts';
import { postMessage } from './post-message.ts';
import { weightOf } from './room-feed.ts';

const ana = accountOf('ana');
const ben = accountOf('ben');

describe('catchUp', () => {
  let timed: TimedChat;
  let room: string;

  beforeEach(async () => {
    timed = await openTimedChat();
    room = await roomOf(timed.chat, ana);
  });
  afterEach(() => timed.close());

  const logOf = (it: string): Promise<Message[]> =>
    timed.test.chat.store.messages(it, { from: 1, to: 1e9, order: 'asc', limit: 1e6 });
  const postMany = async (count: number, text = (n: number): string => `${n}`, to = room): Promise<void> => {
    await Promise.all(Array.from({ length: count }, (_, n) => postMessage(timed.chat, ana, to, { message: text(n) })));
  };
  const isOpen = (it: CaughtUp | ClosedRoom | undefined): it is CaughtUp => it !== undefined && !('error' in it);
  const ask = async (cursor: CatchUpCursor, limit?: number, of = room): Promise<CaughtUp> => {
    const answer = (await catchUp(timed.chat, ana, new Map([[of, cursor]]), limit)).get(of);
    assert.ok(isOpen(answer));
    return answer;
  };
  const catchUpAll = async (client: CatchingClient, limit: number): Promise<number> => {
    client.disconnect();
    let answers = 0;
    while (!client.live) {
      client.answer(await ask(client.cursor, limit), limit);
      answers += 1;
      assert.ok(answers < 200, 'it comes to an end');
    }
    return answers;
  };

  it('takes a number or both cursors', () => {
    assert.deepEqual(cursorOf(3), { seq: 3 });
    assert.deepEqual(cursorOf({ seq: 3, rev: 1 }), { seq: 3, rev: 1 });
  });

  it('reads no messages for rooms that come after the bytes ran out', async () => {
    const rooms = [room, await roomOf(timed.chat, ana), await roomOf(timed.chat, ana)];
    for (const it of rooms) await postMany(1, undefined, it);
    const { store } = timed.chat;
    const messages = store.messages.bind(store);
    const read: string[] = [];
    store.messages = (it, window) => {
      read.push(it);
      return messages(it, window);
    };
    const cursors = new Map(rooms.map((it) => [it, { seq: 0 }]));
    const answer = await catchUp(timed.chat, ana, cursors, undefined, { bytes: 1 });
    assert.deepEqual(read, [room]);
    const found = rooms.map((it) => answer.get(it)).filter(isOpen);
    assert.deepEqual(
      found.map((it) => [it.messages.length, it.hasMore]),
      [
        [1, false],
        [0, true],
        [0, true],
      ],
    );
  });

  it('pages by the limit, as it is applied', async () => {
    await postMany(250);
    assert.equal((await ask({ seq: 0 })).messages.length, 50);
    assert.equal((await ask({ seq: 0 }, 9999)).messages.length, 200);
    const last = await ask({ seq: 240 }, 200);
    assert.deepEqual([last.messages.length, last.hasMore, last.headSeq, last.rev], [10, false, 250, 0]);
    const none = await ask({ seq: 250 });
    assert.deepEqual([none.messages, none.hasMore], [[], false]);
    const past = await ask({ seq: 9999 });
    assert.deepEqual([past.messages, past.hasMore, past.headSeq], [[], false, 250]);
    const client = new CatchingClient();
    assert.equal(await catchUpAll(client, 50), 5);
    client.assertShows(await logOf(room));
  });

  it('carries the epoch and says when the beginning is gone', async () => {
    await postMany(30);
    const view = await timed.test.chat.store.viewRoom(room, 'ana');
    assert.equal((await ask({ seq: 0 })).epoch, view?.room.epoch);
    timed.trouble = async (method, run) => {
      const found = await run();
      if (method === 'viewRoom') return { ...view, room: { ...view?.room, firstSeq: 21 } };
      return found;
    };
    const answer = await ask({ seq: 3 });
    assert.equal(answer.truncated, true);
    assert.deepEqual(
      answer.messages.map((it) => it.seq),
      [21, 22, 23, 24, 25, 26, 27, 28, 29, 30],
    );
    assert.equal((await ask({ seq: 20 })).truncated, undefined);
    timed.trouble = async (method, run) =>
      method === 'viewRoom' ? { ...view, room: { ...view?.room, firstSeq: 31 } } : run();
    assert.deepEqual(await ask({ seq: 3 }), {
      epoch: view?.room.epoch,
      rev: 0,
      messages: [],
      headSeq: 30,
      hasMore: false,
      truncated: true,
    });
  });

  it('shares the bytes of one answer among the rooms, and comes to an end', async () => {
    const rooms = [room, await roomOf(timed.chat, ana), await roomOf(timed.chat, ana)];
    for (const it of rooms) await postMany(25, () => 'x'.repeat(16_000), it);
    const clients = new Map(rooms.map((it) => [it, new CatchingClient()]));
    for (let answers = 0; [...clients.values()].some((it) => !it.live); answers += 1) {
      assert.ok(answers < 10, 'it comes to an end');
      const cursors = new Map([...clients].filter(([, it]) => !it.live).map(([id, it]) => [id, it.cursor]));
      let bytes = 0;
      for (const [id, answer] of await catchUp(timed.chat, ana, cursors, 200)) {
        assert.ok(isOpen(answer));
        clients.get(id)?.answer(answer, 200);
        bytes += answer.messages.reduce((sum, it) => sum + weightOf(it), 0);
      }
      assert.ok(bytes <= PAGE_BYTES + 17_000, `${bytes} bytes`);
    }
    for (const [id, client] of clients) client.assertShows(await logOf(id));
  });

  it('gives one message that is larger than an answer', async () => {
    await timed.close();
    timed = await openTimedChat({ settings: { messageBytes: PAGE_BYTES * 2 } });
    room = await roomOf(timed.chat, ana);
    await postMany(3, () => 'x'.repeat(PAGE_BYTES + 1));
    const client = new CatchingClient();
    assert.equal(await catchUpAll(client, 50), 3);
    client.assertShows(await logOf(room));
  });

  describe('edits and deletions', () => {
    it('come only when asked for, and only of messages before the cursor', async () => {
      await postMany(6);
      const log = await logOf(room);
      await editMessage(timed.chat, ana, room, log[1]?.id ?? '', 'edited');
      await deleteMessage(timed.chat, ana, room, log[2]?.id ?? '');
      await editMessage(timed.chat, ana, room, log[4]?.id ?? '', 'edited too');
      assert.equal((await ask({ seq: 4 })).changed, undefined);
      const answer = await ask({ seq: 4, rev: 0 });
      assert.deepEqual(
        answer.changed?.map((it) => [it.seq, it.rev, it.deleted ?? false]),
        [
          [2, 1, false],
          [3, 2, true],
        ],
      );
      assert.deepEqual(
        answer.messages.map((it) => it.message),
        ['edited too', '5'],
      );
      assert.equal(answer.rev, 3);
      assert.equal((await ask({ seq: 6, rev: 3 })).changed, undefined);
      assert.equal((await ask({ seq: 6, rev: 99 })).rev, 3);
    });

    it('come page by page when there are many', async () => {
      await postMany(CHANGED_MAX + 20);
      const client = new CatchingClient();
      await catchUpAll(client, 200);
      const log = await logOf(room);
      await Promise.all(log.map((it) => editMessage(timed.chat, ana, room, it.id, `edit of ${it.seq}`)));
      const first = await ask(client.cursor);
      assert.deepEqual([first.changed?.length, first.rev, first.hasMore], [CHANGED_MAX, CHANGED_MAX, true]);
      assert.equal(await catchUpAll(client, 200), 2);
      client.assertShows(await logOf(room));
    });

    it('come page by page when they are large', async () => {
      await postMany(100);
      const client = new CatchingClient();
      await catchUpAll(client, 200);
      const log = await logOf(room);
      await Promise.all(log.map((it) => editMessage(timed.chat, ana, room, it.id, 'y'.repeat(16_000))));
      await postMany(40, () => 'z'.repeat(16_000));
      assert.ok((await catchUpAll(client, 200)) >= 4);
      client.assertShows(await logOf(room));
    });

    it('made while the answer is formed are not passed over', async () => {
      await postMany(CHANGED_MAX + 5);
      const log = await logOf(room);
      const client = new CatchingClient();
      for (let n = 0; n < 3; n += 1) client.answer(await ask(client.cursor, 100), 100);
      const later = [310, 320, 330, 340];
      const first = log.filter((it) => !later.includes(it.seq)).slice(0, CHANGED_MAX - 2);
      await Promise.all(first.map((it) => editMessage(timed.chat, ana, room, it.id, 'first')));
      // Between the page of messages and the page of changes, messages of that very page are edited.
      timed.trouble = async (method, run) => {
        if (method === 'changedSince') {
          timed.trouble = (_, it) => it();
          for (const seq of later) {
            await editMessage(timed.chat, ana, room, log[seq - 1]?.id ?? '', 'in between');
          }
        }
        return run();
      };
      const answer = await ask(client.cursor, 100);
      assert.ok(answer.rev <= CHANGED_MAX - 2);
      client.answer(answer, 100);
      await catchUpAll(client, 100);
      client.assertShows(await logOf(room));
    });
  });

  it(
    'ends with what the log holds, whatever is written while it asks',
    () =>
      forSeeds(5, async (random) => {
        room = await roomOf(timed.chat, ana);
        timed.trouble = async (method, run) => {
          const read = method === 'messages' || method === 'changedSince' || method === 'viewRoom';
          if (read) await timed.clock.sleep(random.int(30));
          const found = await run();
          if (read) await timed.clock.sleep(random.int(30));
          return found;
        };
        const client = new CatchingClient();
        const underWay: Promise<unknown>[] = [];
        const ids: string[] = [];
        const failed = (cause: unknown): void => {
          if (!(cause instanceof ChatError && cause.code === 'not_found')) throw cause; // edited after it was deleted
        };
        let asking: Promise<unknown> | undefined;
        for (let step = 0; step < 80; step += 1) {
          const target = ids[random.int(ids.length)];
          const made = random.int(8);
          if (made < 4) {
            underWay.push(
              postMessage(timed.chat, ana, room, { message: `${step}` }).then((it) => void ids.push(it.id)),
            );
          } else if (made < 6 && target) {
            underWay.push(editMessage(timed.chat, ana, room, target, `edit ${step}`).catch(failed));
          } else if (made === 6 && target) underWay.push(deleteMessage(timed.chat, ana, room, target).catch(failed));
          else if (!asking) {
            const limit = random.pick([1, 5, 50]);
            asking = ask(client.cursor, limit).then((answer) => {
              client.disconnect();
              client.answer(answer, limit);
              asking = undefined;
            });
          }
          await timed.clock.advance(random.int(50), 4);
        }
        await timed.clock.advance(5000, 4);
        await Promise.all([...underWay, asking]);
        timed.trouble = (_method, run) => run();
        await catchUpAll(client, 50);
        client.assertShows(await logOf(room));
      }),
    30_000,
  );

  it('has an error in the place of a room that is unknown or closed, and answers the others', async () => {
    const hidden = await roomOf(timed.chat, ben, [], { visibility: 'private' });
    await postMany(1);
    const cursors = new Map(['nowhere', hidden, room].map((id) => [id, { seq: 0 }]));
    const answer = await catchUp(timed.chat, ana, cursors, undefined);
    assert.deepEqual(answer.get('nowhere'), { error: 600, code: 'invalid_chatroom' });
    assert.deepEqual(answer.get(hidden), { error: 600, code: 'invalid_chatroom' });
    assert.ok(isOpen(answer.get(room)));
    await leaveRoom(timed.chat, ben, hidden);
    const own = await catchUp(timed.chat, ben, new Map([[hidden, { seq: 0 }]]), undefined);
    assert.deepEqual(own.get(hidden), { error: 600, code: 'invalid_chatroom' });
  });

  it('fails as a whole while the store is away', async () => {
    timed.trouble = () => Promise.reject(tryAgain('the store'));
    await refusal('try_again', catchUp(timed.chat, ana, new Map([[room, { seq: 0 }]]), undefined));
  });
});
