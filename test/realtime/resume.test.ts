import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { deleteMessage, editMessage } from '../../src/chat/change-message.ts';
import { PAGE_BYTES } from '../../src/chat/chat.ts';
import type { Message, RoomId } from '../../src/chat/model.ts';
import { openTestRealtime, type TestClient, type TestRealtime } from '../support/test-realtime.ts';

interface CaughtUp {
  readonly epoch: string;
  readonly rev: number;
  readonly messages: Message[];
  readonly changed?: Message[];
  readonly headSeq: number;
  readonly hasMore: boolean;
  readonly truncated?: true;
  readonly error?: number;
  readonly code?: string;
}

let test: TestRealtime;
let room: RoomId;
beforeEach(async () => {
  test = await openTestRealtime();
  room = await test.room('ann');
});
afterEach(() => test.close());

const seqsOf = (messages: readonly Message[] = []): number[] => messages.map((it) => it.seq);
const resume = async (client: TestClient, rooms: object, limit?: number): Promise<Record<string, CaughtUp>> => {
  const ack = await client.done('resume', { rooms, ...(limit === undefined ? {} : { limit }) });
  return ack.rooms as Record<string, CaughtUp>;
};
const post = async (count: number, text = 'x', where = room): Promise<void> => {
  await Promise.all(Array.from({ length: count }, () => test.post('ann', where, text)));
};
const bytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

describe('resume', () => {
  // The same answers from the live stream of a followed room and, for somebody else's public room, from the store.
  it.each(['ann', 'eve'])('gives %s what came since, in pages', async (user) => {
    await post(7);
    const client = await test.connect(user);
    const one = (await resume(client, { [room]: 2 }, 3))[room];
    assert.deepEqual([seqsOf(one?.messages), one?.headSeq, one?.hasMore], [[3, 4, 5], 7, true]);
    const two = (await resume(client, { [room]: 5 }, 3))[room];
    assert.deepEqual([seqsOf(two?.messages), two?.headSeq, two?.hasMore], [[6, 7], 7, false]);
    const none = (await resume(client, { [room]: 7 }))[room];
    assert.deepEqual([none?.messages, none?.headSeq, none?.hasMore, none?.changed], [[], 7, false, undefined]);
    const past = (await resume(client, { [room]: 99 }))[room];
    assert.deepEqual([past?.messages, past?.headSeq, past?.hasMore, past?.error], [[], 7, false, undefined]);
    assert.equal((await resume(client, { [room]: 0 }, 1_000_000))[room]?.messages.length, 7);
  });

  it.each(['ann', 'eve'])('gives %s at most 200 of a room, 50 when not asked otherwise', async (user) => {
    await post(250);
    const client = await test.connect(user);
    assert.equal((await resume(client, { [room]: 0 }))[room]?.messages.length, 50);
    assert.equal((await resume(client, { [room]: 0 }, 100_000))[room]?.messages.length, 200);
  });

  it.each(['ann', 'eve'])('tells %s what was edited or deleted since the rev', async (user) => {
    const ids: string[] = [];
    for (let n = 1; n <= 4; n += 1) await test.post('ann', room, `${n}`);
    for (const it of await test.chat.store.messages(room, { from: 1, to: 4, order: 'asc', limit: 4 })) ids.push(it.id);
    const change = async (seq: number, text?: string): Promise<void> => {
      const id = ids[seq - 1] ?? '';
      if (text === undefined) await deleteMessage(test.chat, test.account('ann'), room, id);
      else await editMessage(test.chat, test.account('ann'), room, id, text);
    };
    const client = await test.connect(user);
    await change(1, 'edited');
    await change(2);
    await change(4, 'edited too');
    const since = (await resume(client, { [room]: { seq: 3, rev: 0 } }))[room];
    assert.deepEqual(
      since?.changed?.map(({ seq, message, deleted, rev }) => [seq, message, deleted, rev]),
      [
        [1, 'edited', undefined, 1],
        [2, '', true, 2],
      ],
    );
    // What the client has not got yet comes as it is now.
    assert.deepEqual([since?.messages[0]?.message, since?.rev, since?.hasMore], ['edited too', 3, false]);
    const later = (await resume(client, { [room]: { seq: 4, rev: 2 } }))[room];
    assert.deepEqual([seqsOf(later?.changed), later?.rev], [[4], 3]);
    assert.equal((await resume(client, { [room]: { seq: 4, rev: 3 } }))[room]?.changed, undefined);
  });

  it('has an error in the place of a room that is unknown or closed, and succeeds', async () => {
    const secret = await test.room('bob', { visibility: 'private' });
    const ann = await test.connect('ann');
    const answer = await resume(ann, { [room]: 0, [secret]: 0, unknown: { seq: 1, rev: 2 }, constructor: 3 });
    for (const id of [secret, 'unknown', 'constructor']) {
      assert.equal(JSON.stringify(answer[id]), '{"error":600,"code":"invalid_chatroom"}');
    }
    assert.equal(answer[room]?.headSeq, 0);
  });

  it('is 512 KiB at most, over all rooms together, and comes to an end', async () => {
    const other = await test.room('ann');
    const others = await test.room('bob');
    const text = '語'.repeat(5000);
    for (const where of [room, other]) await post(30, text, where);
    await Promise.all(Array.from({ length: 30 }, () => test.post('bob', others, text)));
    const ann = await test.connect('ann');
    const cursors = new Map([room, other, others].map((id) => [id, 0]));
    let asked = 0;
    for (let more = true; more; asked += 1) {
      assert.ok(asked < 20);
      const answer = await resume(ann, Object.fromEntries(cursors), 200);
      assert.ok(bytes(answer) <= PAGE_BYTES + 64 * 1024, `${bytes(answer)} bytes`);
      for (const [id, { messages }] of Object.entries(answer))
        cursors.set(id, messages.at(-1)?.seq ?? cursors.get(id) ?? 0);
      more = Object.values(answer).some((it) => it.hasMore);
    }
    assert.deepEqual([...cursors.values()], [30, 30, 30]);
    assert.ok(asked >= 3);
  });

  it.each(['ann', 'eve'])('keeps to 512 KiB with edits too (%s)', async (user) => {
    await post(60);
    for (const { id } of await test.chat.store.messages(room, { from: 1, to: 60, order: 'asc', limit: 60 })) {
      await editMessage(test.chat, test.account('ann'), room, id, 'y'.repeat(16_000));
    }
    const client = await test.connect(user);
    const seen = new Set<number>();
    let rev = 0;
    for (let more = true; more; ) {
      const answer = (await resume(client, { [room]: { seq: 60, rev } }))[room];
      assert.ok(answer && bytes(answer) <= PAGE_BYTES + 64 * 1024, `${bytes(answer)} bytes`);
      assert.ok(answer.rev > rev);
      for (const seq of seqsOf(answer.changed)) seen.add(seq);
      ({ rev, hasMore: more } = answer);
    }
    assert.deepEqual([seen.size, rev], [60, 60]);
  });

  it.each([
    [{}],
    [{ rooms: [] }],
    [{ rooms: { a: -1 } }],
    [{ rooms: { a: 'x' } }],
    [{ rooms: { a: { seq: 1, rev: -1 } } }],
    [{ rooms: { a: { rev: 1 } } }],
    [{ rooms: { '': 1 } }],
    [{ rooms: { a: null } }],
    [{ rooms: {}, limit: 0 }],
    [{ rooms: Object.fromEntries(Array.from({ length: 501 }, (_, n) => [`r${n}`, 0])) }],
  ])('refuses what is no list of cursors (%#)', async (payload) => {
    const ann = await test.connect('ann');
    await ann.refused(704, 'resume', payload);
  });

  it('says where retention has cut the beginning', async () => {
    await post(3);
    const ann = await test.connect('ann');
    test.chat.hub.feeds.get(room)?.compare({ headSeq: 3, firstSeq: 3, rev: 0, epoch: '' });
    const answer = (await resume(ann, { [room]: 0 }))[room];
    assert.deepEqual([seqsOf(answer?.messages), answer?.truncated, answer?.hasMore], [[3], true, false]);
  });
});

describe('join with after', () => {
  it('answers what was missed', async () => {
    await post(5);
    const bob = await test.connect('bob');
    const ack = await bob.done('join', { chatroom: room, after: 2, limit: 2 });
    assert.deepEqual([seqsOf(ack.messages as Message[]), ack.headSeq, ack.hasMore, ack.id], [[3, 4], 5, true, room]);
    const rest = await bob.done('join', { chatroom: room, after: 4 });
    assert.deepEqual([seqsOf(rest.messages as Message[]), rest.hasMore], [[5], false]);
    await bob.refused(704, 'join', { chatroom: room, after: '2' });
  });
});

describe('switch under load', () => {
  it('always shows the newest messages up to the head it tells of', async () => {
    // As many as a room's feed keeps: every message that comes meanwhile pushes the oldest out of it.
    await post(300);
    const ann = await test.connect('ann');
    const { members } = test.chat.store;
    test.chat.store.members = async (id) => {
      await post(5);
      return members.call(test.chat.store, id);
    };
    for (let n = 0; n < 10; n += 1) {
      const { data } = await ann.done('switch', { chatroom: room, limit: 200 });
      const { messages, headSeq } = data as { messages: Message[]; headSeq: number };
      assert.deepEqual(
        seqsOf(messages),
        Array.from({ length: 200 }, (_, at) => headSeq - at),
      );
    }
  });
});
