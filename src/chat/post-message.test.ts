import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { settle } from '../../test/support/fake-clock.ts';
import { accountOf, openTimedChat, refusal, roomOf, type TimedChat } from '../../test/support/timed-chat.ts';
import { deleteMessage, editMessage } from './change-message.ts';
import { tryAgain } from './errors.ts';
import { putMember } from './manage-members.ts';
import { patchRoom } from './manage-rooms.ts';
import type { Message } from './model.ts';
import type { RoomEvent } from './ports/bus.ts';
import { type Posted, postMessage } from './post-message.ts';
import type { Draft } from './rules/draft.ts';

const ana = accountOf('ana');
const ben = accountOf('ben');
const RATE = { count: 3, windowMs: 10_000 };
const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex').toString('base64');

describe('postMessage', () => {
  let timed: TimedChat;
  let room: string;

  beforeEach(async () => {
    timed = await openTimedChat({ settings: { messages: RATE }, commands: ['stock'], nodes: 2 });
    room = await roomOf(timed.chat, ana, [ben]);
    timed.network.takeTold();
  });
  afterEach(() => timed.close());

  const post = (draft: Draft, caller = ana): Promise<Posted> => postMessage(timed.chat, caller, room, draft);
  const logOf = (): Promise<Message[]> =>
    timed.test.chat.store.messages(room, { from: 1, to: 1e9, order: 'asc', limit: 1e6 });
  const toldMessages = (): Message[] =>
    timed.network.takeTold().flatMap((it) => (it.kind === 'message' ? [it.message] : []));
  /** The store does `method` and its answer is lost, or it does it later. */
  const loseAnswerOf = (lost: string, inMs = 0): void => {
    timed.trouble = async (method, run) => {
      if (method !== lost) return run();
      timed.trouble = (_, it) => it();
      if (inMs > 0) timed.clock.after(inMs, () => void run());
      else await run();
      throw tryAgain('the store');
    };
  };

  it('stores, tells as it was stored, and gives the receipt', async () => {
    const posted = await post({ message: 'https://a.b', clientId: 'c1', meta: { a: 1 } });
    const [stored] = await logOf();
    assert.ok(stored && posted.kind === 'message');
    assert.deepEqual(posted, {
      kind: 'message',
      id: stored.id,
      seq: 1,
      createdAt: stored.createdAt,
      replayed: false,
    });
    assert.deepEqual(toldMessages(), [stored]);
    assert.equal(stored.type, 2);
    assert.deepEqual(stored.meta, { a: 1 });
    const answer = await post({ message: 'answer', inReplyTo: stored.id }, ben);
    assert.equal(answer.kind === 'message' && answer.seq, 2);
    assert.deepEqual(toldMessages(), (await logOf()).slice(1));
  });

  it('tells an image by the path that serves it, and never its bytes', async () => {
    const posted = await post({ image: PNG });
    const [told] = toldMessages();
    assert.deepEqual(told, (await logOf())[0]);
    assert.equal(told?.message, `/v1/chat/rooms/${room}/messages/${posted.id}/image`);
    assert.equal((await timed.chat.store.image(room, posted.id))?.contentType, 'image/png');
  });

  it('reaches followers on every node in one order', async () => {
    const heard: string[][] = timed.nodes.map(() => []);
    for (const [at, node] of timed.nodes.entries()) {
      const onRoom = (_: string, it: RoomEvent): void => {
        if (it.kind === 'message') heard[at]?.push(`${it.message.seq} ${it.message.message}`);
      };
      node.hub.listen({ onRoom, onNode: () => {} });
      await node.hub.feeds.follow([room]);
    }
    const [one, two] = timed.nodes;
    await Promise.all([
      postMessage(one, ana, room, { message: 'a' }),
      postMessage(two ?? one, ben, room, { message: 'b' }),
      postMessage(one, ana, room, { message: 'c' }),
    ]);
    await timed.clock.advance(1000);
    const log = (await logOf()).map((it) => `${it.seq} ${it.message}`);
    assert.deepEqual(heard, [log, log]);
  });

  describe('the limit', () => {
    const say = (text: string, clientId = text) => post({ message: text, clientId });

    it('holds for the user, and says when there is room again', async () => {
      for (const text of ['1', '2', '3']) await say(text);
      const { retryAfterMs } = await refusal('rate_limited', say('4'));
      assert.equal(retryAfterMs, RATE.windowMs);
      await post({ message: 'another user' }, ben);
      await timed.clock.advance(RATE.windowMs - 1);
      await refusal('rate_limited', say('4'));
      await timed.clock.advance(1);
      await say('4');
      assert.equal((await logOf()).length, 5);
    });

    it('counts no replay, before or after it is reached', async () => {
      const first = await say('1');
      for (let n = 0; n < 10; n += 1) assert.deepEqual(await say('1'), { ...first, replayed: true });
      await say('2');
      await say('3');
      for (let n = 0; n < 10; n += 1) assert.deepEqual(await say('1'), { ...first, replayed: true });
      await refusal('rate_limited', say('4'));
    });

    it('still tells a conflict when it is reached', async () => {
      for (const text of ['1', '2', '3']) await say(text);
      await refusal('idempotency_conflict', say('other', '1'));
    });

    it('counts nothing that was refused', async () => {
      await say('1');
      for (let n = 0; n < 10; n += 1) {
        await refusal('idempotency_conflict', say('other', '1'));
        await refusal('bot_unavailable', say('/nobody'));
        await refusal('too_large', say('x'.repeat(20_000)));
        await refusal('invalid_fields', post({ image: 'x' }));
        await refusal('invalid_fields', post({ message: 'x', inReplyTo: 'nothing' }));
        await refusal('not_a_member', post({ message: 'x' }, accountOf('eve')));
      }
      await say('2');
      await say('3');
      await refusal('rate_limited', say('4'));
    });

    it('counts commands, and what may have been stored', async () => {
      await say('/stock a');
      loseAnswerOf('append');
      await refusal('try_again', say('1'));
      await say('2');
      await refusal('rate_limited', say('3'));
      assert.equal((await say('1')).replayed, true);
    });
  });

  describe('slow mode', () => {
    beforeEach(async () => {
      await patchRoom(timed.chat, ana, room, { slowModeMs: 5000 });
    });

    it('holds a member to one message in the while, and moderators to none', async () => {
      await post({ message: '1' }, ben);
      const { retryAfterMs } = await refusal('slow_mode', post({ message: '2' }, ben));
      assert.equal(retryAfterMs, 5000);
      for (const text of ['a', 'b', 'c']) await post({ message: text }, ana);
      await timed.clock.advance(5000);
      await post({ message: '2' }, ben);
      await putMember(timed.chat, ana, room, 'ben', { role: 'moderator' });
      await post({ message: '3' }, ben);
    });

    it('is of one room only', async () => {
      const other = await roomOf(timed.chat, ana, [ben]);
      await patchRoom(timed.chat, ana, other, { slowModeMs: 5000 });
      await post({ message: '1' }, ben);
      await postMessage(timed.chat, ben, other, { message: '1' });
    });

    it('counts no refusal against the other limit, and no replay at all', async () => {
      const first = await post({ message: '1', clientId: 'c1' }, ben);
      for (let n = 0; n < 10; n += 1) {
        await refusal('slow_mode', post({ message: '2' }, ben));
        assert.deepEqual(await post({ message: '1', clientId: 'c1' }, ben), { ...first, replayed: true });
      }
      await patchRoom(timed.chat, ana, room, { slowModeMs: 0 });
      await post({ message: '2' }, ben);
      await post({ message: '3' }, ben);
      await refusal('rate_limited', post({ message: '4' }, ben));
    });

    it('gives the place back when the message was refused', async () => {
      await post({ message: '1', clientId: 'c1' }, ben);
      await timed.clock.advance(5000);
      await refusal('idempotency_conflict', post({ message: 'other', clientId: 'c1' }, ben));
      await post({ message: '2' }, ben);
    });
  });

  describe('a replay', () => {
    it('tells the message again: the first answer was lost, and perhaps the announcement', async () => {
      await post({ message: '1', clientId: 'c1' });
      toldMessages();
      await post({ message: '1', clientId: 'c1' });
      await settle();
      assert.deepEqual(toldMessages(), await logOf());
    });

    it('is told by what was sent first, and tells what is there now', async () => {
      const first = await post({ message: '1', clientId: 'c1' });
      await editMessage(timed.chat, ana, room, first.id, 'edited');
      toldMessages();
      assert.equal((await post({ message: '1', clientId: 'c1' })).id, first.id);
      await settle();
      assert.equal(toldMessages()[0]?.message, 'edited');
      await deleteMessage(timed.chat, ana, room, first.id);
      assert.equal((await post({ message: '1', clientId: 'c1' })).id, first.id);
      await settle();
      assert.deepEqual(toldMessages(), []);
    });

    it('by several at once is stored once', async () => {
      const all = await Promise.all(
        timed.nodes.map((node) => postMessage(node, ana, room, { message: '1', clientId: 'c' })),
      );
      assert.equal(new Set(all.map((it) => it.id)).size, 1);
      assert.deepEqual(all.map((it) => it.replayed).sort(), [false, true]);
      assert.equal((await logOf()).length, 1);
    });

    it('does no harm when what it tells cannot be read', async () => {
      await post({ message: '1', clientId: 'c1' });
      timed.trouble = (method, run) => (method === 'message' ? Promise.reject(tryAgain('the store')) : run());
      assert.equal((await post({ message: '1', clientId: 'c1' })).replayed, true);
      await settle();
      assert.ok(timed.test.lines.some((it) => it.level === 'warn'));
    });
  });

  describe('an unknown outcome', () => {
    const send = () => post({ message: '1', clientId: 'c1' });

    it('is told as such, and what was stored is announced without being sent again', async () => {
      loseAnswerOf('append');
      const { retry } = await refusal('try_again', send());
      assert.equal(retry, true);
      assert.deepEqual(toldMessages(), []);
      await timed.clock.advance(1000);
      assert.deepEqual(toldMessages(), await logOf());
      await timed.clock.advance(120_000);
      assert.deepEqual(toldMessages(), []);
      assert.equal((await send()).replayed, true);
    });

    it('is announced also when it is committed only seconds later', async () => {
      loseAnswerOf('append', 4000);
      await refusal('try_again', send());
      await timed.clock.advance(3900);
      assert.deepEqual(toldMessages(), []);
      await timed.clock.advance(5000);
      assert.equal(toldMessages().length, 1);
    });

    it('is announced when the store answers again', async () => {
      loseAnswerOf('append');
      await refusal('try_again', send());
      timed.trouble = () => Promise.reject(tryAgain('the store'));
      await timed.clock.advance(20_000);
      timed.trouble = (_, run) => run();
      await timed.clock.advance(20_000);
      assert.equal(toldMessages().length, 1);
    });

    it('of what was not stored comes to rest', async () => {
      timed.trouble = (method, run) => (method === 'append' ? Promise.reject(tryAgain('the store')) : run());
      await refusal('try_again', send());
      await timed.clock.advance(120_000);
      assert.deepEqual(toldMessages(), []);
      assert.deepEqual(await logOf(), []);
      assert.equal(timed.clock.waiting, 0);
    });
  });

  describe('who and where', () => {
    it('refuses services, who is no member, and unknown rooms', async () => {
      await refusal('role_required', post({ message: 'x' }, accountOf('s', { type: 2, roles: ['service'] })));
      await putMember(timed.chat, ana, room, 'svc', {});
      await refusal('cannot_send', post({ message: 'x' }, accountOf('svc', { type: 2 })));
      await refusal('not_a_member', post({ message: 'x' }, accountOf('eve')));
      await refusal('invalid_chatroom', postMessage(timed.chat, ana, 'nowhere', { message: 'x' }));
      assert.deepEqual(toldMessages(), []);
    });

    it('takes answers only to messages of the room', async () => {
      const other = await roomOf(timed.chat, ana);
      const { id } = await postMessage(timed.chat, ana, other, { message: 'there' });
      await refusal('invalid_fields', post({ message: 'x', inReplyTo: id }));
      const own = await post({ message: 'here' });
      await deleteMessage(timed.chat, ana, room, own.id);
      await post({ message: 'to a tombstone', inReplyTo: own.id });
    });
  });
});
