import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { tokenHashOf } from '../../src/chat/authenticate.ts';
import { joinRoom } from '../../src/chat/manage-members.ts';
import { eventually } from '../support/eventually.ts';
import { openTestRealtime, type TestRealtime } from '../support/test-realtime.ts';

let test: TestRealtime;
beforeEach(async () => {
  test = await openTestRealtime({ realtime: { revalidateMs: 200 } });
});
afterEach(() => test.close());

describe('authenticate', () => {
  it('renews the token in place', async () => {
    const ann = await test.connect('ann', { facts: { expiresAt: Date.now() + 60_000 } });
    const expiresAt = Date.now() + 120_000;
    const token = test.addAccount('ann', { expiresAt, name: 'Ann' });
    assert.deepEqual(await ann.done('authenticate', { token }), { error: 0 });
    const told = await ann.push('authentication', (it) => it.name === 'Ann');
    assert.deepEqual([told.expiresAt, told.expired], [new Date(expiresAt).toISOString(), undefined]);
  });

  it('refuses the token of another user, a bad one, and one without the role', async () => {
    const ann = await test.connect('ann');
    await ann.refused(1001, 'authenticate', { token: test.addAccount('bob') });
    await ann.refused(1000, 'authenticate', { token: 'unknown' });
    await ann.refused(1002, 'authenticate', { token: test.addAccount('ann', { roles: [] }) });
    for (const token of [undefined, null, 5, '', {}, { $ne: '' }, 'x'.repeat(9000)]) {
      await ann.refused(704, 'authenticate', { token });
    }
    test.accountsAway(true);
    const away = await ann.refused(1003, 'authenticate', { token: 'x' });
    assert.deepEqual([away.retry, away.retryAfterMs], [true, 1500]);
    test.accountsAway(false);
    assert.equal(ann.pushes('authentication').length, 1);
    await ann.done('chatrooms');
  });

  it('holds no token of a socket that went meanwhile', async () => {
    const ann = await test.connect('ann');
    const { validate } = test.chat.accounts;
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    let asked = false;
    const token = test.addAccount('ann');
    test.chat.accounts.validate = async (it) => {
      asked = true;
      await gate;
      return validate(it);
    };
    ann.socket.emit('authenticate', { token });
    await eventually('the token is looked at', () => asked);
    ann.socket.disconnect();
    await eventually('the socket is gone', () => test.connections() === 0);
    go();
    await eventually('it is over', () => test.observed.some((it) => it.event === 'authenticate'));
    await test.assertReleased();
  });
});

describe('a token that ends', () => {
  it('is told of, allows nothing but its renewal, and is closed after 5 s', async () => {
    const room = await test.room('ann');
    const expiresAt = Date.now() + 300;
    const ann = await test.connect('ann', { facts: { expiresAt } });
    const tab = await test.connect('ann', { facts: { expiresAt } });
    const expired = await ann.push('authentication', (it) => it.expired === true);
    const told = Date.now();
    assert.ok(told - expiresAt < 1000);
    assert.equal(expired.expiresAt, new Date(expiresAt).toISOString());
    assert.equal((await ann.refused(1000, 'message', { chatroom: room, message: 'x' })).code, 'invalid_token');
    await tab.push('authentication', (it) => it.expired === true);
    await tab.done('authenticate', { token: test.addAccount('ann') });
    await tab.done('message', { chatroom: room, message: 'renewed' });
    // Below Socket.IO: the client may come back by itself with another token.
    assert.equal(await ann.gone(8000), 'transport close');
    const after = Date.now() - told;
    assert.ok(after > 4500 && after < 6500, `${after} ms`);
    await tab.done('chatrooms');
  }, 15_000);

  it.each(['user', 'tokenHash'])('is cut at once when its %s is revoked, by whatever worker', async (by) => {
    const room = await test.room('eve');
    await joinRoom(test.chat, test.account('ann'), room);
    const token = test.addAccount('ann');
    const sockets = [await test.connect('ann', { token }), await test.connect('ann', { token })];
    const other = await test.connect('ann');
    const bob = await test.connect('bob');
    if (by === 'user') test.elsewhere().onNode({ kind: 'revoked', user: 'ann' });
    else test.elsewhere().onNode({ kind: 'revoked', tokenHash: tokenHashOf(token) });
    for (const ann of sockets) {
      assert.equal(await ann.gone(), 'transport close');
      const [failure] = ann.pushes('failure').filter((it) => it.event === 'authenticate');
      assert.deepEqual([failure?.error, failure?.code], [1000, 'invalid_token']);
      assert.equal(ann.pushes('authentication').at(-1)?.expired, true);
    }
    if (by === 'user') await other.gone();
    else await other.done('chatrooms');
    await bob.done('chatrooms');
  });

  it('is cut when it is revoked while its socket is let in', async () => {
    const { store } = test.chat;
    const listRooms = store.listRooms.bind(store);
    store.listRooms = async (query) => {
      test.elsewhere().onNode({ kind: 'revoked', user: 'ann' });
      return listRooms(query);
    };
    const socket = test.open(test.addAccount('ann'));
    let gone = false;
    socket.once('disconnect', () => {
      gone = true;
    });
    socket.once('connect_error', () => {
      gone = true;
    });
    socket.connect();
    await eventually('it is cut', () => gone);
    await test.assertReleased();
  });

  it('is cut when the account service refuses it, and stays while that is away', async () => {
    const token = test.addAccount('ann');
    const ann = await test.connect('ann', { token });
    test.accountsAway(true);
    await eventually('it was asked', () => test.lines.some((it) => /could not be checked/.test(it.message)));
    await ann.done('chatrooms');
    test.accountsAway(false);
    const bobs = test.addAccount('bob');
    const bob = await test.connect('bob', { token: bobs });
    test.dropToken(bobs);
    await bob.gone();
    await ann.done('chatrooms');
  });
});
