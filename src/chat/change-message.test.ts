import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { accountOf, openTimedChat, refusal, roomOf, type TimedChat } from '../../test/support/timed-chat.ts';
import { deleteMessage, editMessage } from './change-message.ts';
import { leaveRoom } from './manage-members.ts';
import { postMessage } from './post-message.ts';

const ana = accountOf('ana');
const ben = accountOf('ben');
const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex').toString('base64');

describe('changing messages', () => {
  let timed: TimedChat;
  let room: string;
  let id: string;

  beforeEach(async () => {
    timed = await openTimedChat();
    room = await roomOf(timed.chat, ana, [ben]);
    ({ id } = await postMessage(timed.chat, ben, room, { message: 'text', meta: { a: 1 } }));
    timed.network.takeTold();
  });
  afterEach(() => timed.close());

  it('tells the room each edit with its rev, and the deletion without a text', async () => {
    const edited = await editMessage(timed.chat, ben, room, id, 'https://a.b');
    assert.deepEqual([edited.type, edited.rev], [2, 1]);
    await deleteMessage(timed.chat, ben, room, id);
    const change = { id, chatroom: room, seq: 1 };
    assert.deepEqual(timed.network.takeTold(), [
      { kind: 'changed', change: { ...change, rev: 1, message: 'https://a.b' } },
      { kind: 'changed', change: { ...change, rev: 2 } },
    ]);
  });

  it('changes and tells nothing that is gone or was refused', async () => {
    const image = await postMessage(timed.chat, ben, room, { image: PNG });
    timed.network.takeTold();
    await refusal('invalid_operation', editMessage(timed.chat, ben, room, image.id, 'text'));
    await refusal('role_required', editMessage(timed.chat, ana, room, id, 'by the owner'));
    await refusal('too_large', editMessage(timed.chat, ben, room, id, 'x'.repeat(20_000)));
    await refusal('not_found', editMessage(timed.chat, ben, room, 'none', 'x'));
    await refusal('not_found', deleteMessage(timed.chat, ben, room, 'none'));
    assert.deepEqual(timed.network.takeTold(), []);
    await deleteMessage(timed.chat, ana, room, id);
    await deleteMessage(timed.chat, ben, room, id);
    await refusal('not_found', editMessage(timed.chat, ben, room, id, 'too late'));
    assert.equal(timed.network.takeTold().length, 1);
  });

  it('is for members: who left does neither', async () => {
    await leaveRoom(timed.chat, ben, room);
    await refusal('not_a_member', editMessage(timed.chat, ben, room, id, 'x'));
    await refusal('role_required', deleteMessage(timed.chat, ben, room, id));
  });

  it('is decided by the store when an edit and a deletion come at once', async () => {
    const both = await Promise.allSettled([
      deleteMessage(timed.chat, ana, room, id),
      editMessage(timed.chat, ben, room, id, 'edit'),
    ]);
    const told = timed.network.takeTold().map((it) => (it.kind === 'changed' ? it.change.rev : 0));
    assert.deepEqual(
      told,
      both.flatMap((it) => (it.status === 'fulfilled' ? [0] : [])).map((_, n) => n + 1),
    );
    assert.equal((await timed.chat.store.message(room, id))?.deleted, true);
  });
});
