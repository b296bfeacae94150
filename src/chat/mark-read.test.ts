import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { accountOf, openTimedChat, refusal, roomOf, type TimedChat } from '../../test/support/timed-chat.ts';
import { markRead } from './mark-read.ts';
import { postMessage } from './post-message.ts';

const ana = accountOf('ana');
const ben = accountOf('ben');

describe('markRead', () => {
  let timed: TimedChat;
  let room: string;

  beforeEach(async () => {
    timed = await openTimedChat();
    room = await roomOf(timed.chat, ana, [ben]);
    for (const message of ['1', '2', '3']) await postMessage(timed.chat, ana, room, { message });
    timed.network.takeTold();
  });
  afterEach(() => timed.close());

  const markOf = (user: string): Promise<number> => timed.chat.store.readMark(room, user);

  it('tells the room when the mark has moved', async () => {
    await markRead(timed.chat, ben, room, 2);
    assert.deepEqual(timed.network.takeTold(), [{ kind: 'read', user: 'ben', seq: 2 }]);
    assert.deepEqual([await markOf('ben'), await markOf('ana')], [2, 0]);
  });

  it('never goes back, and tells nothing where nothing moves', async () => {
    await markRead(timed.chat, ben, room, 2);
    timed.network.takeTold();
    for (const seq of [2, 1, 0]) await markRead(timed.chat, ben, room, seq);
    assert.deepEqual(timed.network.takeTold(), []);
    assert.equal(await markOf('ben'), 2);
  });

  it('never goes past the head', async () => {
    await markRead(timed.chat, ben, room, 9999);
    assert.deepEqual(timed.network.takeTold(), [{ kind: 'read', user: 'ben', seq: 3 }]);
    await postMessage(timed.chat, ana, room, { message: '4' });
    assert.equal(await markOf('ben'), 3);
  });

  it('tells the mark in force when several move it at once', async () => {
    await Promise.all([3, 1, 2].map((seq) => markRead(timed.chat, ben, room, seq)));
    assert.equal(await markOf('ben'), 3);
    for (const event of timed.network.takeTold()) assert.deepEqual(event, { kind: 'read', user: 'ben', seq: 3 });
  });

  it('is for members only', async () => {
    await refusal('not_a_member', markRead(timed.chat, accountOf('eve'), room, 1));
    await refusal('invalid_chatroom', markRead(timed.chat, ben, 'nowhere', 1));
    assert.deepEqual(timed.network.takeTold(), []);
  });
});
