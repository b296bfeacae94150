import { strict as assert } from 'node:assert';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { forSeeds } from '../../test/support/random.ts';
import { accountOf, openTimedChat, refusal, roomOf, type TimedChat } from '../../test/support/timed-chat.ts';
import { PAGE_BYTES } from './chat.ts';
import type { Message } from './model.ts';
import { postMessage } from './post-message.ts';
import { cutToBytes, type HistoryQuery, type Page, readHistory, readImage, readMessage } from './read-history.ts';
import { weightOf } from './room-feed.ts';

const ana = accountOf('ana');
const HEAD = 30;

const range = (from: number, to: number): number[] =>
  from <= to
    ? Array.from({ length: to - from + 1 }, (_, n) => from + n)
    : Array.from({ length: from - to + 1 }, (_, n) => from - n);

describe('readHistory', () => {
  let timed: TimedChat;
  let room: string;
  let large: string;
  let empty: string;

  beforeAll(async () => {
    timed = await openTimedChat();
    room = await roomOf(timed.chat, ana);
    large = await roomOf(timed.chat, ana);
    empty = await roomOf(timed.chat, ana);
    for (let n = 1; n <= HEAD; n += 1) await postMessage(timed.chat, ana, room, { message: `${n}` });
    for (let n = 1; n <= 80; n += 1) await postMessage(timed.chat, ana, large, { message: `${n}`.repeat(8000) });
  });
  afterAll(() => timed.close());

  const read = (query: HistoryQuery, of = room): Promise<Page> => readHistory(timed.chat, ana, of, query);
  const seqs = (page: Page): number[] => page.messages.map((it) => it.seq);

  it.each<[HistoryQuery, number[], boolean]>([
    [{ limit: 5 }, range(30, 26), true],
    [{ limit: 5, order: 'desc' }, range(30, 26), true],
    [{ limit: 5, order: 'asc' }, range(1, 5), true],
    [{}, range(30, 1), false],
    [{ limit: 30 }, range(30, 1), false],
    [{ limit: 29 }, range(30, 2), true],
    [{ limit: 5, skip: 0 }, range(30, 26), true],
    [{ limit: 5, skip: 10 }, range(20, 16), true],
    [{ limit: 5, skip: 27 }, range(3, 1), false],
    [{ limit: 5, skip: 30 }, [], false],
    [{ limit: 5, skip: 9999 }, [], false],
    [{ limit: 5, before: 11 }, range(10, 6), true],
    [{ limit: 5, before: 11, order: 'asc' }, range(6, 10), true],
    [{ limit: 5, before: 11, skip: 3 }, range(7, 3), true],
    [{ limit: 5, before: 6 }, range(5, 1), false],
    [{ limit: 5, before: 2 }, [1], false],
    [{ limit: 5, before: 1 }, [], false],
    [{ limit: 5, before: 0 }, [], false],
    [{ limit: 5, before: 31 }, range(30, 26), true],
    [{ limit: 5, before: 9999 }, range(30, 26), true],
    [{ limit: 5, after: 0 }, range(1, 5), true],
    [{ limit: 5, after: 10 }, range(11, 15), true],
    [{ limit: 5, after: 10, order: 'desc' }, range(15, 11), true],
    [{ limit: 5, after: 25 }, range(26, 30), false],
    [{ limit: 5, after: 29 }, [30], false],
    [{ limit: 5, after: 30 }, [], false],
    [{ limit: 5, after: 9999 }, [], false],
    [{ limit: 1 }, [30], true],
  ])('%j', async (query, wanted, hasMore) => {
    const page = await read(query);
    assert.deepEqual(seqs(page), wanted);
    assert.equal(page.hasMore, hasMore);
    assert.equal(page.headSeq, HEAD);
    assert.equal(page.firstSeq, 1);
    assert.equal(page.lastSeq, wanted.length === 0 ? null : Math.max(...wanted));
    assert.equal(page.limit, query.limit ?? 50);
    assert.equal(page.chatroom, room);
    assert.equal(page.hasMoreBefore, undefined);
  });

  it.each<[HistoryQuery, number[], boolean, boolean]>([
    [{ around: 15, limit: 4 }, range(17, 14), true, true],
    [{ around: 15, limit: 5 }, range(17, 13), true, true],
    [{ around: 15, limit: 5, order: 'asc' }, range(13, 17), true, true],
    [{ around: 15, limit: 1 }, [15], true, true],
    [{ around: 15, limit: 2 }, [16, 15], true, true],
    [{ around: 1, limit: 5 }, range(3, 1), false, true],
    [{ around: 1, limit: 1 }, [1], false, true],
    [{ around: 30, limit: 5 }, range(30, 28), true, false],
    [{ around: 30, limit: 1 }, [30], true, false],
    [{ around: 9999, limit: 5 }, range(30, 28), true, false],
    [{ around: 0, limit: 5 }, [2, 1], false, true],
    [{ around: 15 }, range(30, 1), false, false],
  ])('%j', async (query, wanted, before, after) => {
    const page = await read(query);
    assert.deepEqual(seqs(page), wanted);
    assert.deepEqual([page.hasMoreBefore, page.hasMoreAfter, page.hasMore], [before, after, before || after]);
  });

  it('clamps the limit to the most of a page and says which was applied', async () => {
    assert.equal((await read({ limit: 9999 })).limit, 200);
    assert.equal((await read({})).limit, 50);
  });

  it('refuses two directions at once and names them', async () => {
    const { data } = await refusal('invalid_fields', read({ before: 5, after: 1 }));
    assert.deepEqual(data, { fields: ['before', 'after'] });
    await refusal('invalid_fields', read({ before: 0, around: 0 }));
    await refusal('invalid_fields', read({ before: 5, after: 1, around: 3 }));
  });

  it('answers for an empty room', async () => {
    for (const query of [{}, { before: 5 }, { after: 0 }, { around: 3 }, { order: 'asc' }] as const) {
      const page = await read(query, empty);
      assert.deepEqual([page.messages, page.lastSeq, page.headSeq, page.hasMore], [[], null, 0, false]);
    }
  });

  it('turns pages through the whole log both ways, each message once', () =>
    forSeeds(10, async (random) => {
      const limit = 1 + random.int(12);
      const down: number[] = [];
      for (let before: number | undefined = HEAD + 1; before !== undefined; ) {
        const page: Page = await read({ before, limit });
        down.push(...seqs(page));
        before = page.hasMore ? page.messages.at(-1)?.seq : undefined;
      }
      assert.deepEqual(down, range(HEAD, 1));
      const up: number[] = [];
      for (let after: number | undefined = 0; after !== undefined; ) {
        const page: Page = await read({ after, limit });
        up.push(...seqs(page));
        after = page.hasMore ? (page.lastSeq ?? undefined) : undefined;
      }
      assert.deepEqual(up, range(1, HEAD));
    }));

  it('ends a page where the bytes are full, on the side that was asked for', async () => {
    const bytesOf = (messages: readonly Message[]): number => messages.reduce((sum, it) => sum + weightOf(it), 0);
    const newest = await read({ limit: 200 }, large);
    assert.equal(newest.messages[0]?.seq, 80);
    assert.ok(newest.hasMore && bytesOf(newest.messages) <= PAGE_BYTES && newest.messages.length > 20);
    const oldest = await read({ limit: 200, after: 0 }, large);
    assert.equal(oldest.messages[0]?.seq, 1);
    assert.ok(oldest.hasMore && bytesOf(oldest.messages) <= PAGE_BYTES);
    const before = await read({ limit: 200, before: 60, order: 'asc' }, large);
    assert.equal(before.messages.at(-1)?.seq, 59);
    const around = await read({ limit: 200, around: 40 }, large);
    assert.ok(bytesOf(around.messages) <= PAGE_BYTES);
    assert.deepEqual([around.hasMoreBefore, around.hasMoreAfter], [true, true]);
    assert.ok(seqs(around).includes(40) && seqs(around).includes(41));
    const all = seqs(around);
    assert.deepEqual(all, range(all[0] ?? 0, all.at(-1) ?? 0), 'and without holes');
  });

  it('is read from the epoch of the room, and closed to who may not read it', async () => {
    const view = await timed.chat.store.viewRoom(room, 'ana');
    assert.equal((await read({})).epoch, view?.room.epoch);
    const hidden = await roomOf(timed.chat, ana, [], { visibility: 'private' });
    await refusal('invalid_chatroom', readHistory(timed.chat, accountOf('eve'), hidden, {}));
    assert.equal((await readHistory(timed.chat, accountOf('eve'), room, { limit: 1 })).messages.length, 1);
  });

  it('never has a head below its messages, whatever is stored meanwhile', async () => {
    const busy = await roomOf(timed.chat, ana);
    await postMessage(timed.chat, ana, busy, { message: '1' });
    timed.trouble = async (method, run) => {
      if (method !== 'messages') return run();
      timed.trouble = (_, it) => it();
      for (const message of ['2', '3']) await postMessage(timed.chat, ana, busy, { message });
      return run();
    };
    const page = await read({ after: 0, limit: 10 }, busy);
    assert.deepEqual([seqs(page), page.headSeq, page.lastSeq, page.hasMore], [[1, 2, 3], 3, 3, false]);
  });

  it('knows one message, and no image where there is none', async () => {
    const [message] = (await read({ limit: 1 })).messages;
    assert.ok(message);
    assert.deepEqual(await readMessage(timed.chat, ana, room, message.id), message);
    await refusal('not_found', readMessage(timed.chat, ana, large, message.id));
    await refusal('not_found', readMessage(timed.chat, ana, room, 'none'));
    await refusal('not_found', readImage(timed.chat, ana, room, message.id));
  });
});

describe('cutToBytes', () => {
  const messages = [1, 2, 3].map((seq) => ({ seq, message: 'x'.repeat(678) })) as unknown[] as Message[];

  it('keeps the beginning, and one at least', () => {
    for (const [bytes, kept] of [
      [3000, 3],
      [2999, 2],
      [2000, 2],
      [1999, 1],
      [0, 1],
      [-5, 1],
    ] as const) {
      assert.equal(cutToBytes(messages, bytes).length, kept, `${bytes}`);
    }
    assert.deepEqual(cutToBytes([], 0), []);
  });
});
