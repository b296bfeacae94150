import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { deleteMessage, editMessage } from '../../src/chat/change-message.ts';
import { banUser, joinRoom } from '../../src/chat/manage-members.ts';
import { patchRoom } from '../../src/chat/manage-rooms.ts';
import type { RoomId } from '../../src/chat/model.ts';
import {
  openTestRealtime,
  type TestClient,
  type TestRealtime,
  type TestRealtimeOptions,
} from '../support/test-realtime.ts';

let test: TestRealtime;
let room: RoomId;
const reopen = async (options: TestRealtimeOptions): Promise<void> => {
  await test.close();
  test = await openTestRealtime(options);
  room = await test.room('ann');
};
beforeEach(async () => {
  test = await openTestRealtime();
  room = await test.room('ann');
});
afterEach(() => test.close());

const PNG = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(16)]).toString('base64');
const text = (message: string, more: object = {}) => ({ chatroom: room, message, ...more });
const joined = async (user: string): Promise<TestClient> => {
  await joinRoom(test.chat, test.account(user), room);
  return test.connect(user);
};

describe('message', () => {
  it('is acknowledged and pushed to all sockets of the room, the other tabs of the sender included', async () => {
    const [ann, tab, bob] = [await test.connect('ann'), await test.connect('ann'), await joined('bob')];
    const eve = await test.connect('eve');
    const ack = await ann.done('message', text('héllo', { clientId: 'c1', meta: { a: { b: [1, null] } } }));
    assert.deepEqual(Object.keys(ack).sort(), ['createdAt', 'error', 'id', 'seq']);
    const { id, seq, createdAt } = ack;
    for (const client of [ann, tab, bob]) {
      assert.deepEqual(await client.push('message'), {
        id,
        chatroom: room,
        seq,
        owner: 'ann',
        ownerName: 'Name of ann',
        type: 1,
        message: 'héllo',
        createdAt,
        clientId: 'c1',
        meta: { a: { b: [1, null] } },
      });
    }
    const reply = await bob.done('message', text('https://example.org/', { inReplyTo: id }));
    const push = await ann.push('message', (it) => it.id === reply.id);
    assert.deepEqual([push.seq, push.type, push.inReplyTo], [2, 2, id]);
    await eve.settled();
    assert.deepEqual(eve.pushes('message'), []);
  });

  it('answers a replay with the first receipt, and a conflict', async () => {
    const ann = await test.connect('ann');
    const first = await ann.done('message', text('one', { clientId: 'c' }));
    assert.deepEqual(await ann.done('message', text('one', { clientId: 'c' })), { ...first, replayed: true });
    assert.equal((await ann.refused(608, 'message', text('two', { clientId: 'c' }))).code, 'idempotency_conflict');
    await ann.settled();
    assert.equal(ann.pushes('message').length, 1);
  });

  it('refuses who may not send', async () => {
    const eve = await test.connect('eve');
    assert.equal((await eve.refused(605, 'message', text('x'))).code, 'not_a_member');
    await joinRoom(test.chat, test.account('svc'), room);
    const service = await test.connect('svc', { facts: { type: 2, roles: ['user'] } });
    assert.equal((await service.refused(602, 'message', text('x'))).code, 'cannot_send');
    await banUser(test.chat, test.account('ann'), room, 'eve', {});
    assert.equal((await eve.refused(606, 'message', text('x'))).code, 'banned');
  });

  it('keeps to the limits', async () => {
    await reopen({ settings: { messages: { count: 2, windowMs: 60_000 } } });
    const [ann, bob] = [await test.connect('ann'), await joined('bob')];
    assert.equal((await ann.refused(609, 'message', text('x'.repeat(16 * 1024 + 1)))).code, 'too_large');
    assert.equal((await ann.refused(609, 'message', text('é'.repeat(8 * 1024 + 1)))).code, 'too_large');
    await ann.done('message', text('x'.repeat(16 * 1024), { clientId: 'c' }));
    await ann.done('message', text('2'));
    const limited = await ann.refused(429, 'message', text('3'));
    assert.deepEqual([limited.code, limited.retry], ['rate_limited', true]);
    assert.ok(Number(limited.retryAfterMs) > 50_000 && Number(limited.retryAfterMs) <= 60_000);
    await ann.done('message', text('x'.repeat(16 * 1024), { clientId: 'c' })); // a replay counts for nothing
    await patchRoom(test.chat, test.account('ann'), room, { slowModeMs: 30_000 });
    await bob.done('message', text('1'));
    const slow = await bob.refused(607, 'message', text('2'));
    assert.deepEqual([slow.code, slow.retry], ['slow_mode', true]);
    assert.ok(Number(slow.retryAfterMs) > 20_000 && Number(slow.retryAfterMs) <= 30_000);
  });

  it.each([
    ['nothing', {}],
    ['text and image', { message: 'x', image: PNG }],
    ['only white space', { message: ' \n\t ' }],
    ['NUL', { message: 'a\0b' }],
    ['a lone surrogate', { message: 'a\ud800b' }],
    ['a number', { message: 5 }],
    ['an operator', { message: { $gt: '' } }],
    ['an empty clientId', { message: 'x', clientId: '' }],
    ['a long clientId', { message: 'x', clientId: 'x'.repeat(129) }],
    ['a reply to nothing', { message: 'x', inReplyTo: 'unknown' }],
    ['deep meta', { message: 'x', meta: JSON.parse(`${'{"a":'.repeat(50)}1${'}'.repeat(50)}`) }],
    ['large meta', { message: 'x', meta: { a: 'x'.repeat(5000) } }],
    ['meta that is a list', { message: 'x', meta: [] }],
    ['no image', { image: Buffer.from('hello').toString('base64') }],
    ['no base64', { image: '%%%%' }],
    ['another data: URL', { image: 'data:text/html;base64,AAAA' }],
    ['bytes', { message: Buffer.from('x') }],
    ['bytes in meta', { message: 'x', meta: { a: Buffer.from('x') } }],
  ])('refuses %s', async (_what, draft) => {
    const ann = await test.connect('ann');
    const ack = await ann.refused(704, 'message', { chatroom: room, ...draft });
    assert.equal(ack.code, 'invalid_fields');
    await ann.settled();
    assert.deepEqual(ann.pushes('message'), []);
  });

  it('shows an image by its path', async () => {
    const ann = await test.connect('ann');
    const { id } = await ann.done('message', { chatroom: room, image: `data:image/png;base64,${PNG}` });
    const push = await ann.push('message');
    assert.deepEqual([push.type, push.message], [3, `/v1/chat/rooms/${room}/messages/${String(id)}/image`]);
    await ann.refused(609, 'message', { chatroom: room, image: PNG + 'A'.repeat(700_004) });
  });

  it('tells by a failure what fails without an ack', async () => {
    const eve = await test.connect('eve');
    eve.socket.emit('message', text('x'));
    const { detail, ...failure } = await eve.push('failure');
    assert.deepEqual(failure, { event: 'message', error: 605, code: 'not_a_member' });
    assert.ok(detail);
    eve.socket.emit('no such event at all', 1, 2);
    await eve.push('failure', (it) => it.event === 'no such event at all' && it.error === 701);
  });

  it('says when the store is away, and stores nothing', async () => {
    const ann = await test.connect('ann');
    const { append } = test.chat.store;
    test.chat.store.append = () => Promise.reject(new Error('broken'));
    assert.equal((await ann.refused(500, 'message', text('x'))).code, 'internal');
    assert.ok(test.lines.some((it) => it.level === 'error'));
    test.chat.store.append = append;
    assert.equal((await ann.done('message', text('y'))).seq, 1);
  });
});

describe('commands', () => {
  it('are acknowledged without a seq, and are no messages', async () => {
    await reopen({ commands: ['stock'], settings: { replyTimeoutMs: 150 } });
    const [ann, tab, bob] = [await test.connect('ann'), await test.connect('ann'), await joined('bob')];
    const ack = await ann.done('message', text('/Stock=aapl.us', { clientId: 'c' }));
    assert.deepEqual(ack, { error: 0, id: ack.id, command: 'stock' });
    assert.deepEqual(await ann.done('message', text('/Stock=aapl.us', { clientId: 'c' })), ack);
    assert.deepEqual(test.commands.map(({ id, command, args }) => [id, command, args])[0], [
      ack.id,
      'stock',
      'aapl.us',
    ]);
    assert.equal(new Set(test.commands.map((it) => it.id)).size, 1); // a job by its id, however often it is queued
    assert.equal((await ann.refused(611, 'message', text('/nobody knows'))).code, 'bot_unavailable');
    for (const client of [ann, tab]) {
      const { detail: _detail, ...failure } = await client.push('failure');
      assert.deepEqual(failure, { event: 'message', error: 611, code: 'bot_unavailable', id: ack.id });
    }
    assert.equal((await ann.done('message', text('//stock'))).seq, 1);
    assert.equal((await ann.push('message')).message, '/stock');
    await bob.settled();
    assert.deepEqual([bob.pushes('failure'), bob.pushes('message').length, bob.pushes('command')], [[], 1, []]);
  });

  it.each([
    ['sender', false],
    ['room', true],
  ] as const)('are shown to the %s when so set', async (commandEcho, toBob) => {
    await reopen({ commands: ['stock'], settings: { commandEcho } });
    const [ann, bob] = [await test.connect('ann'), await joined('bob')];
    const { id } = await ann.done('message', text('/stock x'));
    const push = await ann.push('command');
    assert.deepEqual(push, { id, chatroom: room, user: 'ann', name: 'Name of ann', message: '/stock x', at: push.at });
    await bob.settled();
    assert.equal(bob.pushes('command').length, toBob ? 1 : 0);
  });
});

describe('history', () => {
  const seqs = async (client: TestClient, query: object): Promise<[number[], boolean]> => {
    const ack = await client.done('history', { chatroom: room, ...query });
    return [(ack.messages as { seq: number }[]).map((it) => it.seq), Boolean(ack.hasMore)];
  };

  it('gives pages before, after, and past some of the newest', async () => {
    const ann = await test.connect('ann');
    for (let n = 1; n <= 10; n += 1) await test.post('ann', room, `${n}`);
    const { messages: _messages, ...facts } = await ann.done('history', { chatroom: room, limit: 3 });
    assert.deepEqual(
      { ...facts, epoch: '' },
      { error: 0, epoch: '', firstSeq: 1, headSeq: 10, hasMore: true, limit: 3 },
    );
    assert.deepEqual(await seqs(ann, { limit: 3 }), [[10, 9, 8], true]);
    assert.deepEqual(await seqs(ann, { limit: 3, before: 4 }), [[3, 2, 1], false]);
    assert.deepEqual(await seqs(ann, { limit: 3, after: 4 }), [[5, 6, 7], true]);
    assert.deepEqual(await seqs(ann, { limit: 3, after: 7 }), [[8, 9, 10], false]);
    assert.deepEqual(await seqs(ann, { limit: 3, skip: 4 }), [[6, 5, 4], true]);
    assert.deepEqual(await seqs(ann, { after: 99 }), [[], false]);
    assert.deepEqual(await seqs(ann, { skip: 99 }), [[], false]);
    assert.equal((await ann.done('history', { chatroom: room, limit: 100_000 })).limit, 200);
    const eve = await test.connect('eve');
    assert.deepEqual(await seqs(eve, { limit: 1 }), [[10], true]); // any reader of a public room
  });

  it.each([
    [{ before: 3, after: 1 }, ['before', 'after']],
    [{ limit: 0 }, ['limit']],
    [{ limit: -1 }, ['limit']],
    [{ limit: 1.5 }, ['limit']],
    [{ limit: '5' }, ['limit']],
    [{ limit: null }, ['limit']],
    [{ before: -1 }, ['before']],
    [{ after: { $gt: 0 } }, ['after']],
    [{ skip: 2 ** 60 }, ['skip']],
    [{ chatroom: '' }, ['chatroom']],
    [{ chatroom: { $ne: '' } }, ['chatroom']],
    [{ chatroom: 'x'.repeat(129) }, ['chatroom']],
  ])('refuses %j', async (query, fields) => {
    const ann = await test.connect('ann');
    assert.deepEqual((await ann.refused(704, 'history', { chatroom: room, ...query })).data, { fields });
  });
});

describe('what follows a message', () => {
  it('tells of edits, deletions and read marks', async () => {
    const [ann, bob] = [await test.connect('ann'), await joined('bob')];
    const eve = await test.connect('eve');
    await eve.done('switch', { chatroom: room });
    const { id } = await ann.done('message', text('one'));
    assert.ok(typeof id === 'string');
    await editMessage(test.chat, test.account('ann'), room, id, 'two');
    await deleteMessage(test.chat, test.account('ann'), room, id);
    for (const client of [ann, bob, eve]) {
      const updated: object = { chatroom: room, id, seq: 1, rev: 1, message: 'two' };
      assert.deepEqual(await client.push('message:updated'), updated);
      assert.deepEqual(await client.push('message:deleted'), { chatroom: room, id, seq: 1, rev: 2 });
    }
    assert.deepEqual(await bob.done('read', { chatroom: room, seq: 99 }), { error: 0 });
    for (const client of [ann, bob]) {
      assert.deepEqual(await client.push('read'), { chatroom: room, user: 'bob', seq: 1 });
    }
    await bob.done('read', { chatroom: room, seq: 0 }); // never goes back
    await eve.refused(605, 'read', { chatroom: room, seq: 1 });
    await ann.settled();
    await eve.settled();
    assert.deepEqual([ann.pushes('read').length, eve.pushes('read').length], [1, 0]);
  });

  it('tells who is typing, but not the own sockets, and whom', async () => {
    await reopen({ settings: { typing: { count: 1, windowMs: 60_000 }, typingMs: 300 } });
    const [ann, tab, bob] = [await test.connect('ann'), await test.connect('ann'), await joined('bob')];
    const names = ['writing', 'writting', 'typing'];
    for (const name of names) assert.deepEqual(await ann.ask(name, { chatroom: room, status: 1 }), { error: 0 });
    const on = { chatroom: room, user: 'ann', name: 'Name of ann', status: 1 };
    assert.deepEqual(await bob.push('writing'), on);
    await bob.settled();
    assert.equal(bob.pushes('writing').length, 1); // throttled, acked and dropped
    await bob.push('writing', (it) => it.status === 0); // by itself
    for (const name of names) assert.deepEqual(await ann.ask(name, { chatroom: room, status: 0 }), { error: 0 });
    await bob.settled();
    assert.deepEqual(
      bob.pushes('writing').map((it) => it.status),
      [1, 0, 0, 0, 0],
    );
    await ann.settled();
    await tab.settled();
    assert.deepEqual([...ann.pushes('writing'), ...tab.pushes('writing')], []);
    for (const status of [2, '1', true, null, undefined]) {
      await ann.refused(704, 'writing', { chatroom: room, status });
    }
    const eve = await test.connect('eve');
    await eve.refused(605, 'writing', { chatroom: room, status: 1 });
  });

  it('never loses that typing has ended, even behind a message in the same turn', async () => {
    const [ann, bob] = [await test.connect('ann'), await joined('bob')];
    for (let n = 0; n < 50; n += 1) {
      ann.socket.emit('message', text('x'.repeat(10_000)));
      ann.socket.emit('writing', { chatroom: room, status: 0 });
    }
    await ann.settled();
    await bob.settled();
    assert.equal(bob.pushes('writing').length, 50);
  });
});
