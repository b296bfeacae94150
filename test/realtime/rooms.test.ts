import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { banUser, joinRoom, leaveRoom, putMember, removeMember } from '../../src/chat/manage-members.ts';
import { deleteRoom, patchRoom } from '../../src/chat/manage-rooms.ts';
import type { RoomId } from '../../src/chat/model.ts';
import { openTestRealtime, type TestClient, type TestRealtime } from '../support/test-realtime.ts';

let test: TestRealtime;
beforeEach(async () => {
  test = await openTestRealtime();
});
afterEach(() => test.close());

const texts = (client: TestClient): string[] => client.pushes('message').map((it) => it.message);
const joins = (client: TestClient): string[] => client.pushes('join').map((it) => it.user);
const as = (user: string) => test.account(user);
/** Posts, and resolves when `witness`, who follows the room, has it: everybody else has, too, after a round trip. */
const say = async (room: RoomId, text: string, witness: TestClient, ...others: TestClient[]): Promise<void> => {
  await test.post('owner', room, text);
  await witness.push('message', (it) => it.message === text);
  for (const other of others) await other.settled();
};

describe('switch', () => {
  it('answers a member with the room, its members, the newest messages and the read mark', async () => {
    const room = await test.room('owner', { name: 'The room' });
    await joinRoom(test.chat, as('ann'), room);
    const ann = await test.connect('ann');
    for (const text of ['one', 'two', 'three']) await test.post('owner', room, text);
    await ann.done('read', { chatroom: room, seq: 2 });
    const { data } = await ann.done('switch', { chatroom: room, limit: 2 });
    const { messages, epoch, ...facts } = data as { messages: { seq: number; message: string }[]; epoch: string };
    assert.deepEqual(
      messages.map(({ seq, message }) => [seq, message]),
      [
        [3, 'three'],
        [2, 'two'],
      ],
    );
    assert.equal(ann.pushes('chatroom')[0]?.epoch, epoch);
    assert.deepEqual(facts, {
      id: room,
      name: 'The room',
      topic: '',
      owner: 'owner',
      visibility: 'public',
      slowModeMs: 0,
      role: 'member',
      count: 2,
      rev: 0,
      users: [
        { user: 'owner', name: 'Name of owner', role: 'owner', online: false },
        { user: 'ann', name: 'Name of ann', role: 'member', online: true },
      ],
      present: ['ann'],
      firstSeq: 1,
      headSeq: 3,
      readSeq: 2,
    });
  });

  it('subscribes the reader of a public room until the next switch', async () => {
    const [one, two] = [await test.room('owner'), await test.room('owner')];
    const [eve, owner] = [await test.connect('eve'), await test.connect('owner')];
    await say(one, 'before', owner);
    const ack = await eve.done('switch', { chatroom: one });
    assert.ok(!('role' in (ack.data as object)));
    await say(one, 'a', owner, eve);
    await eve.done('switch', { chatroom: two });
    await say(one, 'b', owner, eve);
    await say(two, 'c', owner, eve);
    assert.deepEqual(texts(eve), ['a', 'c']);
    assert.equal(test.chat.hub.feeds.get(one)?.headSeq, 3);
    // Of several at once the last one counts.
    await Promise.all([one, two, one, two, one].map((chatroom) => eve.done('switch', { chatroom })));
    await say(two, 'd', owner, eve);
    await say(one, 'e', owner, eve);
    assert.deepEqual(texts(eve), ['a', 'c', 'e']);
  });

  it('does not find a private room of others, an unknown one, or one that is closed to the user', async () => {
    const secret = await test.room('owner', { visibility: 'private' });
    const open = await test.room('owner');
    await banUser(test.chat, as('owner'), open, 'eve', {});
    const eve = await test.connect('eve');
    for (const event of ['switch', 'history', 'join', 'leave', 'writing', 'message', 'read']) {
      for (const chatroom of [secret, 'unknown', '__proto__', 'constructor', 'x'.repeat(128)]) {
        const ack = await eve.refused(600, event, { chatroom, status: 1, message: 'x', seq: 1 });
        assert.equal(ack.code, 'invalid_chatroom');
      }
    }
    for (const event of ['switch', 'history', 'join']) await eve.refused(606, event, { chatroom: open });
    assert.equal(test.chat.hub.feeds.size, 0);
  });

  it('leaves nobody reading in a room that is closed while they come', async () => {
    const room = await test.room('owner');
    const eve = await test.connect('eve');
    const { heads } = test.chat.store;
    // The room becomes private after the first look at it, and the announcement is still on its way.
    let closing: Promise<unknown> | undefined;
    test.chat.store.heads = async (rooms) => {
      closing ??= test.chat.store.patchRoom(room, { visibility: 'private' });
      await closing;
      return heads.call(test.chat.store, rooms);
    };
    await eve.refused(600, 'switch', { chatroom: room });
    await test.post('owner', room, 'secret');
    await eve.settled();
    assert.deepEqual(texts(eve), []);
  });
});

describe('members come and go', () => {
  it('tells all sockets of the members, the own included, and follows in every tab', async () => {
    const room = await test.room('owner');
    const owner = await test.connect('owner');
    const tabs = [await test.connect('ann'), await test.connect('ann')];
    const [one, two] = tabs;
    assert.ok(one && two);
    const eve = await test.connect('eve');
    const ack = await one.done('join', { chatroom: room });
    assert.deepEqual([ack.id, ack.headSeq, ack.messages, ack.hasMore], [room, 0, undefined, undefined]);
    for (const client of [owner, one, two]) {
      const join = await client.push('join');
      assert.deepEqual(join, { user: 'ann', name: 'Name of ann', chatroom: room, count: 2, at: join.at });
    }
    for (const tab of tabs) await tab.push('chatroom', (it) => it.id === room && it.isUser && it.role === 'member');
    await say(room, 'hello', owner, one, two, eve);
    assert.deepEqual([texts(one), texts(two), texts(eve), joins(eve)], [['hello'], ['hello'], [], []]);

    assert.equal((await two.done('join', { chatroom: room })).headSeq, 1);
    await owner.settled();
    assert.deepEqual(joins(owner), ['ann']);

    assert.deepEqual(await one.done('leave', { chatroom: room }), { error: 0, id: room });
    for (const client of [owner, one, two]) {
      const leave = await client.push('leave');
      assert.deepEqual(leave, { user: 'ann', name: 'Name of ann', chatroom: room, count: 1, at: leave.at });
    }
    for (const tab of tabs) assert.deepEqual(await tab.push('removed'), { chatroom: room, reason: 'left' });
    await say(room, 'alone', owner, one, two);
    assert.deepEqual([texts(one), texts(two)], [['hello'], ['hello']]);
    await one.refused(605, 'leave', { chatroom: room });
  });

  it('follows what another worker tells', async () => {
    const room = await test.room('owner');
    const ann = await test.connect('ann');
    await joinRoom(test.chat, as('ann'), room);
    await ann.push('join');
    const view = await test.chat.store.viewRoom(room, 'ann');
    assert.ok(view);
    const at = new Date().toISOString();
    const left = { user: 'ann', name: 'Name of ann', chatroom: room, count: 1, at } as const;
    await test.chat.store.removeMember(room, 'ann');
    test.elsewhere().onNode({ kind: 'left', ...left, reason: 'removed', wasMember: true });
    assert.deepEqual(await ann.push('removed'), { chatroom: room, reason: 'removed' });
    // Known to the store before the announcement: the answer follows at once.
    await test.chat.store.addMember(room, { user: 'ann', name: 'Name of ann', at, role: 'member' }, 500);
    assert.equal((await ann.done('join', { chatroom: room })).headSeq, 0);
    await test.post('owner', room, 'back');
    await ann.push('message');
    test.elsewhere().onNode({ kind: 'joined', user: 'ann', name: 'A', role: 'member', room: view.room, at });
    await ann.push('join', (it) => it.name === 'A');
    assert.deepEqual(texts(ann), ['back']);
  });

  it('says why one was removed: removed, banned, deleted', async () => {
    const room = await test.room('owner');
    const owner = await test.connect('owner');
    const [ann, bob, eve] = [await test.connect('ann'), await test.connect('bob'), await test.connect('eve')];
    for (const user of ['ann', 'bob', 'cid']) await joinRoom(test.chat, as(user), room);
    await eve.done('switch', { chatroom: room });
    await say(room, 'one', owner, ann, bob, eve);
    await removeMember(test.chat, as('owner'), room, 'ann');
    assert.deepEqual(await ann.push('removed'), { chatroom: room, reason: 'removed' });
    for (const [user, client] of [['bob', bob] as const, ['eve', eve] as const]) {
      await banUser(test.chat, as('owner'), room, user, {});
      assert.deepEqual(await client.push('removed'), { chatroom: room, reason: 'banned' });
    }
    await say(room, 'two', owner, ann, bob, eve);
    assert.deepEqual([texts(ann), texts(bob), texts(eve)], [['one'], ['one'], ['one']]);
    // A ban of somebody who was no member is nobody's leaving.
    assert.deepEqual(
      owner.pushes('leave').map((it) => it.user),
      ['ann', 'bob'],
    );
    await bob.refused(606, 'join', { chatroom: room });
    await deleteRoom(test.chat, as('owner'), room);
    for (const client of [owner, ann]) await client.push('removed', (it) => it.reason === 'deleted');
    await owner.refused(600, 'switch', { chatroom: room });
    await owner.refused(600, 'message', { chatroom: room, message: 'x' });
    assert.equal(test.chat.hub.feeds.get(room), undefined);
  });

  it('cuts the readers when a public room becomes private, and shows it again when it is public', async () => {
    const room = await test.room('owner');
    const [owner, ann, eve] = [await test.connect('owner'), await test.connect('ann'), await test.connect('eve')];
    await joinRoom(test.chat, as('ann'), room);
    await eve.done('switch', { chatroom: room });
    await patchRoom(test.chat, as('owner'), room, { visibility: 'private' });
    assert.deepEqual(await eve.push('removed'), { chatroom: room, reason: 'removed' });
    await ann.push('chatroom', (it) => it.visibility === 'private' && it.isUser);
    await say(room, 'among us', owner, ann, eve);
    assert.deepEqual([texts(ann), texts(eve), ann.pushes('removed')], [['among us'], [], []]);
    await patchRoom(test.chat, as('owner'), room, { visibility: 'public', topic: 'open again' });
    const shown = await eve.push('chatroom', (it) => it.topic === 'open again');
    assert.equal(shown.isUser, false);
  });

  it('gives the room to the oldest member when the owner leaves', async () => {
    const room = await test.room('owner');
    const ann = await test.connect('ann');
    await ann.done('join', { chatroom: room });
    await leaveRoom(test.chat, as('owner'), room);
    await ann.push('chatroom', (it) => it.owner === 'ann');
  });

  it('follows a private room one was added to', async () => {
    const room = await test.room('owner', { visibility: 'private' });
    const [owner, ann] = [await test.connect('owner'), await test.connect('ann')];
    assert.equal(ann.pushes('chatroom').length, 0);
    await putMember(test.chat, as('owner'), room, 'ann', { name: 'Ann' });
    assert.equal((await ann.push('chatroom')).id, room);
    await say(room, 'welcome', owner, ann);
    assert.deepEqual(texts(ann), ['welcome']);
  });
});

describe('chatroom', () => {
  it('creates a room, tells everybody who may see it, and follows it', async () => {
    const [ann, tab, eve] = [await test.connect('ann'), await test.connect('ann'), await test.connect('eve')];
    const ack = await ann.done('chatroom', { name: '  Fresh ', topic: 't', visibility: 'public' });
    assert.deepEqual(
      [ack.name, ack.topic, ack.owner, ack.isUser, ack.role, ack.count, ack.headSeq],
      ['Fresh', 't', 'ann', true, 'owner', 1, 0],
    );
    for (const client of [ann, tab]) await client.push('chatroom', (it) => it.id === ack.id && it.isUser);
    await eve.push('chatroom', (it) => it.id === ack.id && !it.isUser);
    await ann.done('message', { chatroom: ack.id, message: 'first' });
    for (const client of [ann, tab]) await client.push('message');
    assert.deepEqual(
      [ann, tab].map((it) => it.pushes('chatroom').length),
      [1, 1],
    );
    await eve.refused(703, 'chatroom', { name: 'FRESH' });
    for (const name of ['', '   ', 'x'.repeat(81), 'a\nb', 5, null]) {
      await eve.refused(704, 'chatroom', { name });
    }
    const secret = await ann.done('chatroom', { name: 'Secret', visibility: 'private' });
    await eve.settled();
    assert.ok(!eve.pushes('chatroom').some((it) => it.id === secret.id));
  });
});
