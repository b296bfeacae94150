import { strict as assert } from 'node:assert';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { accountOf, adminOf, openTimedChat, refusal, roomOf, type TimedChat } from '../../test/support/timed-chat.ts';
import { eraseMessages } from './erase-messages.ts';
import { leaveRoom } from './manage-members.ts';
import type { Account } from './model.ts';
import { postMessage } from './post-message.ts';
import { readHistory } from './read-history.ts';

const ana = accountOf('ana');
const ben = accountOf('ben');

describe('eraseMessages', () => {
  let timed: TimedChat;
  let rooms: string[];

  beforeAll(async () => {
    timed = await openTimedChat();
    const { chat } = timed;
    rooms = [await roomOf(chat, ana, [ben]), await roomOf(chat, ana, [ben], { visibility: 'public' })];
    for (const room of rooms) {
      for (let n = 0; n < 120; n += 1) await postMessage(chat, n % 2 ? ana : ben, room, { message: `${n}` });
    }
    await leaveRoom(chat, ben, rooms[1] ?? '');
  });
  afterAll(() => timed.close());

  const eraseAll = async (caller: Account, user: string): Promise<number> => {
    let deleted = 0;
    let cursor: string | undefined;
    do {
      const answer = await eraseMessages(timed.chat, caller, user, cursor);
      deleted += answer.deleted;
      cursor = answer.next;
    } while (cursor !== undefined);
    return deleted;
  };

  it('is for oneself and for admins', async () => {
    await refusal('role_required', eraseMessages(timed.chat, ana, 'ben'));
  });

  it('refuses a cursor that was made up', async () => {
    await refusal('invalid_fields', eraseMessages(timed.chat, ben, 'ben', 'nowhere'));
  });

  it('leaves tombstones in every room, those that were left too, and tells each', async () => {
    const told: number[] = [];
    const [first = ''] = rooms;
    await timed.chat.hub.feeds.follow(rooms);
    timed.chat.hub.listen({
      onRoom: (room, event) => void (room === first && event.kind === 'changed' && told.push(event.change.seq)),
      onNode: () => {},
    });
    assert.equal(await eraseAll(ben, 'ben'), 120);
    for (const room of rooms) {
      const { messages } = await readHistory(timed.chat, ana, room, { limit: 200, order: 'asc' });
      assert.equal(messages.length, 120);
      for (const { owner, message, deleted } of messages) {
        assert.deepEqual([message === '', deleted], owner === 'ben' ? [true, true] : [false, undefined]);
      }
    }
    assert.deepEqual(
      told.sort((a, b) => a - b),
      Array.from({ length: 60 }, (_, n) => 2 * n + 1),
    );
    assert.equal(await eraseAll(ben, 'ben'), 0);
  });

  it('lets an admin erase anybody', async () => {
    assert.equal(await eraseAll(adminOf('root'), 'ana'), 120);
  });
});
