import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { accountOf, openTimedChat, refusal, roomOf, type TimedChat } from '../../test/support/timed-chat.ts';
import { Typing } from './typing.ts';

const TYPING_MS = 6000;
const ana = accountOf('ana');
const ben = accountOf('ben');

describe('Typing', () => {
  let timed: TimedChat;
  let typing: Typing;
  let room: string;
  let shown: [string, 0 | 1][];

  beforeEach(async () => {
    timed = await openTimedChat({ settings: { typingMs: TYPING_MS, typing: { count: 1, windowMs: 2000 } } });
    typing = new Typing(timed.chat);
    room = await roomOf(timed.chat, ana, [ben]);
    shown = [];
    await timed.chat.hub.feeds.follow([room]);
    timed.chat.hub.listen({
      onRoom: (_room, event) => {
        if (event.kind === 'writing') shown.push([event.user, event.status]);
      },
      onNode: () => {},
    });
    timed.network.takeTold();
  });
  afterEach(() => timed.close());

  it('is told here and elsewhere, with the name', async () => {
    await typing.show(ana, room, 1);
    assert.deepEqual(shown, [['ana', 1]]);
    assert.deepEqual(timed.network.takeTold(), [{ kind: 'writing', user: 'ana', name: ana.name, status: 1 }]);
  });

  it('goes off by itself, and later when it is heard again', async () => {
    await typing.show(ana, room, 1);
    await timed.clock.advance(TYPING_MS - 1);
    await typing.show(ana, room, 1);
    await timed.clock.advance(TYPING_MS - 1);
    assert.deepEqual(shown, [
      ['ana', 1],
      ['ana', 1],
    ]);
    await timed.clock.advance(1);
    assert.deepEqual(shown.at(-1), ['ana', 0]);
    await timed.clock.advance(10 * TYPING_MS);
    assert.equal(shown.length, 3);
  });

  it('is throttled per user and room', async () => {
    const other = await roomOf(timed.chat, ana);
    await timed.chat.hub.feeds.follow([other]);
    for (let n = 0; n < 10; n += 1) await typing.show(ana, room, 1);
    await typing.show(ben, room, 1);
    await typing.show(ana, other, 1);
    assert.equal(shown.length, 3);
    await timed.clock.advance(2000);
    await typing.show(ana, room, 1);
    assert.equal(shown.length, 4);
  });

  it('is never throttled when it ends, and then does not end again', async () => {
    await typing.show(ana, room, 1);
    for (let n = 0; n < 3; n += 1) await typing.show(ana, room, 0);
    assert.deepEqual(
      shown.map(([, status]) => status),
      [1, 0, 0, 0],
    );
    await timed.clock.advance(10 * TYPING_MS);
    assert.equal(shown.length, 4);
  });

  it('is for members only', async () => {
    await refusal('not_a_member', typing.show(accountOf('eve'), room, 1));
    await refusal('invalid_chatroom', typing.show(ana, 'nowhere', 1));
    assert.deepEqual(shown, []);
  });

  it('still throttles after a long time', async () => {
    for (let n = 0; n < 5; n += 1) {
      await timed.clock.advance(60_000);
      shown = [];
      await typing.show(ana, room, 1);
      await typing.show(ana, room, 1);
      assert.equal(shown.length, 1);
    }
  });
});
