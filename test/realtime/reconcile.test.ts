import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { tryAgain } from '../../src/chat/errors.ts';
import { eventually } from '../support/eventually.ts';
import { openTestRealtime, type TestClient, type TestRealtime } from '../support/test-realtime.ts';

let test: TestRealtime;
beforeEach(async () => {
  test = await openTestRealtime();
});
afterEach(() => test.close());

const member = (user: string) => ({ user, name: user, at: new Date().toISOString(), role: 'member' as const });
/** What another worker stored before it died, without telling anybody. */
const join = (user: string, room: string) => test.chat.store.addMember(room, member(user), 500);
const suspect = (): void => test.elsewhere().onSuspect();
const texts = (client: TestClient): string[] => client.pushes('message').map((it) => it.message);

describe('after events may have been lost', () => {
  it('follows a room that was joined and not told of, on all sockets of the user', async () => {
    const room = await test.room('eve', { visibility: 'private' });
    const sockets = [await test.connect('ann'), await test.connect('ann')];
    const bob = await test.connect('bob');
    await join('ann', room);
    suspect();
    for (const ann of sockets) {
      const push = await ann.push('chatroom', (it) => it.id === room);
      assert.deepEqual([push.isUser, push.role, push.count], [true, 'member', 2]);
    }
    await test.post('eve', room, 'hello');
    for (const ann of sockets) await ann.push('message');
    await bob.settled();
    assert.deepEqual([bob.pushes('message'), bob.pushes('chatroom')], [[], []]);
  });

  it('reads no further in a room whose removal, ban or deletion was not told of', async () => {
    const rooms = {
      removed: await test.room('eve', { visibility: 'private' }),
      banned: await test.room('eve', { visibility: 'private' }),
      deleted: await test.room('eve'),
    };
    for (const room of Object.values(rooms)) await join('ann', room);
    const ann = await test.connect('ann');
    await test.chat.store.removeMember(rooms.removed, 'ann');
    await test.chat.store.ban(rooms.banned, { user: 'ann', by: 'eve', at: new Date().toISOString() });
    await test.chat.store.deleteRoom(rooms.deleted);
    suspect();
    for (const [reason, room] of Object.entries(rooms)) {
      assert.equal((await ann.push('removed', (it) => it.chatroom === room)).reason, reason);
    }
    for (const room of [rooms.removed, rooms.banned]) await test.post('eve', room, 'not for ann');
    await ann.settled();
    assert.deepEqual(texts(ann), []);
  });

  it('reads no further along where a room was closed to readers', async () => {
    const room = await test.room('eve');
    const ann = await test.connect('ann');
    await ann.done('switch', { chatroom: room });
    await test.post('eve', room, 'public');
    await test.chat.store.patchRoom(room, { visibility: 'private' });
    suspect();
    await ann.push('removed', (it) => it.chatroom === room);
    await test.post('eve', room, 'private');
    await ann.settled();
    assert.deepEqual(texts(ann), ['public']);
  });

  it('changes and tells nothing where nothing was lost', async () => {
    const room = await test.room('ann');
    const open = await test.room('eve');
    const ann = await test.connect('ann');
    await ann.done('switch', { chatroom: open });
    const heard = ann.heard.length;
    suspect();
    suspect();
    await ann.settled();
    assert.equal(ann.heard.length, heard);
    for (const it of [room, open]) await test.post(it === room ? 'ann' : 'eve', it, 'on');
    await eventually('both rooms go on', () => texts(ann).length === 2);
    ann.socket.disconnect();
    await test.assertReleased();
  });

  it('tries again while the store is away', async () => {
    const room = await test.room('eve');
    const ann = await test.connect('ann');
    const { store } = test.chat;
    const roomIdsOf = store.roomIdsOf.bind(store);
    let asked = 0;
    store.roomIdsOf = async (user) => {
      asked += 1;
      if (asked === 1) throw tryAgain('the store');
      return roomIdsOf(user);
    };
    await join('ann', room);
    suspect();
    await eventually('it was asked', () => asked === 1);
    test.skipWaits();
    await ann.push('chatroom', (it) => it.id === room && it.isUser);
  });
});
