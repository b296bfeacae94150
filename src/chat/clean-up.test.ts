import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { noisePng } from '../../test/support/png.ts';
import { accountOf, openTimedChat, refusal, roomOf, type TimedChat } from '../../test/support/timed-chat.ts';
import { catchUp, newBudget } from './catch-up.ts';
import { type CleanedUp, cleanUp } from './clean-up.ts';
import { prepareCatchUp, prepareNewest } from './live-catch-up.ts';
import { postMessage } from './post-message.ts';
import { readHistory, readImage, readMessage } from './read-history.ts';

const ana = accountOf('ana');
const DAY_MS = 24 * 3_600_000;
const RETENTION_DAYS = 10;

describe('cleanUp', () => {
  let timed: TimedChat;
  let room: string;
  beforeEach(async () => {
    timed = await openTimedChat();
    room = await roomOf(timed.chat, ana);
  });
  afterEach(() => timed.close());

  const post = async (count: number, id = room) => {
    for (let n = 0; n < count; n += 1) await postMessage(timed.chat, ana, id, { message: 'text' });
  };
  /** Its pauses are passed over. */
  const clean = async (retentionDays = RETENTION_DAYS): Promise<CleanedUp> => {
    const { store, clock } = timed.chat;
    let done = false;
    const cleaned = cleanUp({ store, clock, retentionDays }).finally(() => {
      done = true;
    });
    while (!done) await timed.clock.advance(20);
    return cleaned;
  };
  const head = async (id = room) => (await timed.chat.store.heads([id])).get(id);

  it('gives up what is older and nothing else, in every room', async () => {
    const other = await roomOf(timed.chat, ana);
    await post(450);
    await post(3, other);
    await timed.clock.advance(6 * DAY_MS);
    await post(5);
    assert.deepEqual(await clean(), { messages: 0, rooms: 0, commands: 0 });
    await timed.clock.advance(5 * DAY_MS);
    assert.deepEqual(await clean(), { messages: 453, rooms: 2, commands: 0 });
    assert.equal((await head())?.firstSeq, 451);
    assert.equal((await head())?.headSeq, 455);
    assert.deepEqual(await clean(), { messages: 0, rooms: 0, commands: 0 });
    const { messages, firstSeq, hasMore } = await readHistory(timed.chat, ana, room, { limit: 200 });
    assert.deepEqual([messages.map(({ seq }) => seq), firstSeq, hasMore], [[455, 454, 453, 452, 451], 451, false]);
  });

  it('keeps the head of a room that is given up as a whole', async () => {
    await post(7);
    await timed.clock.advance(11 * DAY_MS);
    await clean();
    assert.deepEqual([(await head())?.firstSeq, (await head())?.headSeq], [8, 7]);
    await post(1);
    const { messages } = await readHistory(timed.chat, ana, room, {});
    assert.deepEqual(
      messages.map(({ seq }) => seq),
      [8],
    );
  });

  it('keeps all with 0 days', async () => {
    await post(3);
    await timed.clock.advance(1000 * DAY_MS);
    assert.equal((await clean(0)).messages, 0);
  });

  it('never leaves a hole: an old message behind a young one stays with it', async () => {
    await post(2);
    await timed.clock.advance(11 * DAY_MS);
    await post(1);
    const early = new Date(timed.clock.now() - 12 * DAY_MS).toISOString();
    const more = { ownerName: 'Ana', type: 1, message: 'of a slow clock', clientId: 'c', fingerprint: 'f' } as const;
    await timed.chat.store.append({ ...more, id: 'slow', chatroom: room, owner: 'ana', createdAt: early });
    assert.equal((await clean()).messages, 2);
    assert.deepEqual([(await head())?.firstSeq, (await head())?.headSeq], [3, 4]);
  });

  it('tells a cursor from before the beginning that it was cut off, in sync and in windows', async () => {
    await post(30);
    await timed.clock.advance(11 * DAY_MS);
    await post(20);
    await clean();
    const sync = async (seq: number) => (await catchUp(timed.chat, ana, new Map([[room, { seq }]]), 50)).get(room);
    for (const seq of [0, 29]) {
      const answer = await sync(seq);
      assert.ok(answer && 'messages' in answer);
      assert.deepEqual([answer.truncated, answer.messages[0]?.seq, answer.hasMore], [true, 31, false], `${seq}`);
    }
    for (const seq of [30, 45]) {
      const answer = await sync(seq);
      assert.ok(answer && 'messages' in answer);
      assert.deepEqual([answer.truncated, answer.messages[0]?.seq], [undefined, seq + 1]);
    }
    const page = async (query: object) => {
      const { messages, hasMore } = await readHistory(timed.chat, ana, room, query);
      return [messages.length, messages.at(-1)?.seq, hasMore];
    };
    assert.deepEqual(await page({ before: 41, limit: 50 }), [10, 31, false]);
    assert.deepEqual(await page({ before: 20 }), [0, undefined, false]);
    assert.deepEqual(await page({ after: 5, limit: 5 }), [5, 35, true]);
    assert.deepEqual(await page({ around: 3, limit: 4 }), [2, 31, true]);
  });

  it('reaches followed rooms: those that read on, at once; all of them, when heads are compared', async () => {
    await post(300);
    const feed = (await timed.chat.hub.feeds.follow([room])).get(room);
    assert.ok(feed);
    await feed.fill();
    await timed.clock.advance(11 * DAY_MS);
    await post(10);
    await clean();
    const answer = (await prepareCatchUp(timed.chat, feed, { seq: 20 }, 50))(newBudget());
    assert.deepEqual([answer.truncated, answer.messages[0]?.seq, answer.hasMore], [true, 301, false]);
    const newest = (await prepareNewest(timed.chat, feed, 200))(newBudget());
    assert.equal(newest[0]?.seq, 301);
    assert.deepEqual([feed.firstSeq, feed.newest(200).length], [301, 10]);
  });

  it('takes the tail of a followed room that nobody reads, when heads are compared', async () => {
    await post(8);
    const feed = (await timed.chat.hub.feeds.follow([room])).get(room);
    await feed?.fill();
    await timed.clock.advance(11 * DAY_MS);
    await clean();
    assert.equal(feed?.newest(10).length, 8);
    timed.chat.hub.feeds.compareAll();
    await timed.clock.advance(1);
    assert.deepEqual([feed?.newest(10).length, feed?.firstSeq, feed?.headSeq], [0, 9, 8]);
    await post(1);
    assert.deepEqual(
      feed?.newest(10).map(({ seq }) => seq),
      [9],
    );
  });

  it('takes as many pictures as there are', async () => {
    const image = noisePng(4).toString('base64');
    for (let n = 0; n < 25; n += 1) await postMessage(timed.chat, ana, room, { image });
    await timed.clock.advance(11 * DAY_MS);
    await post(1);
    assert.equal((await clean()).messages, 25);
    assert.deepEqual([(await head())?.firstSeq, (await head())?.headSeq], [26, 26]);
  });

  it('takes pictures and single messages with it', async () => {
    const image = noisePng(8).toString('base64');
    const sent = await postMessage(timed.chat, ana, room, { image });
    assert.ok(sent.kind === 'message');
    await readImage(timed.chat, ana, room, sent.id);
    await timed.clock.advance(11 * DAY_MS);
    await clean();
    await refusal('not_found', readMessage(timed.chat, ana, room, sent.id));
    await refusal('not_found', readImage(timed.chat, ana, room, sent.id));
  });
});
