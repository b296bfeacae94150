import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { joinRoom } from '../../src/chat/manage-members.ts';
import type { RoomId } from '../../src/chat/model.ts';
import { NAMESPACE } from '../../src/wire/socket.ts';
import { eventually } from '../support/eventually.ts';
import { openEngine } from '../support/raw-engine.ts';
import { around, openTestRealtime, type TestRealtime, type TestRealtimeOptions } from '../support/test-realtime.ts';

let test: TestRealtime;
const reopen = async (options: TestRealtimeOptions): Promise<void> => {
  await test.close();
  test = await openTestRealtime(options);
};
beforeEach(async () => {
  test = await openTestRealtime();
});
afterEach(() => test.close());

/** Connects and resolves with what `connect_error` says. */
const refusal = (token: string | undefined, options: Parameters<TestRealtime['open']>[1] = {}) =>
  new Promise<{ message: string; data?: Record<string, unknown> }>((resolve, reject) => {
    const socket = test.open(token, options);
    socket.on('connect', () => reject(new Error('it was let in')));
    socket.on('connect_error', resolve);
    socket.connect();
  });

describe('who is let in', () => {
  it('says who one is, on which worker, and what the limits are', async () => {
    const expiresAt = Date.now() + 60_000;
    const ann = await test.connect('ann', { facts: { roles: ['user', 'x'], expiresAt } });
    assert.equal(ann.heard[0]?.event, 'authentication');
    assert.deepEqual(ann.pushes('authentication'), [
      {
        user: 'ann',
        type: 1,
        name: 'Name of ann',
        roles: ['user', 'x'],
        expiresAt: new Date(expiresAt).toISOString(),
        node: '1',
        limits: { messageBytes: 16 * 1024, imageBytes: 512 * 1024, page: 50, rate: '20/10s' },
      },
    ]);
  });

  it('takes the token from the Authorization header too', async () => {
    const token = test.addAccount('bob');
    const socket = test.open(undefined, { extraHeaders: { authorization: `Bearer ${token}` }, auth: {} });
    const user = new Promise((resolve) => socket.on('authentication', ({ user }) => resolve(user)));
    socket.connect();
    assert.equal(await user, 'bob');
  });

  it.each([
    ['no token', undefined, 1000, 'invalid_token'],
    ['an empty token', '', 1000, 'invalid_token'],
    ['an unknown token', 'nobody', 1000, 'invalid_token'],
  ])('refuses %s', async (_what, token, error, code) => {
    const { data, message } = await refusal(token);
    assert.deepEqual({ ...data, detail: '' }, { error, code, detail: '' });
    assert.equal(data?.detail, message);
  });

  it.each([
    [{ token: 5 }],
    [{ token: { $ne: null } }],
    [{ token: ['x'] }],
    [{ token: 'x'.repeat(9000) }],
    [{ batch: 1 }],
  ])('refuses auth that is no token (%#)', async (auth) => {
    assert.equal((await refusal(undefined, { auth })).data?.error, 1000);
  });

  it('refuses an expired token and one without the role', async () => {
    const expired = test.addAccount('old', { expiresAt: Date.now() - 1 });
    assert.equal((await refusal(expired)).data?.error, 1000);
    const service = test.addAccount('svc', { roles: ['service'], type: 2 });
    const { data } = await refusal(service);
    assert.deepEqual([data?.error, data?.code, data?.retry], [1002, 'role_required', undefined]);
  });

  it('says that the account service is away, and when to try again', async () => {
    const token = test.addAccount('ann');
    test.accountsAway(true);
    const { data } = await refusal(token);
    assert.deepEqual([data?.error, data?.code, data?.retry, data?.retryAfterMs], [1003, 'account_service', true, 1500]);
    test.accountsAway(false);
    await test.connect('ann', { token });
  });

  it('refuses a token in the URL by name, unless it is allowed', async () => {
    const query = { token: test.addAccount('ann') };
    const { data } = await refusal(undefined, { query, auth: {} });
    assert.equal(data?.error, 1000);
    assert.match(String(data?.detail), /URL/);
    await reopen({ realtime: { allowQueryToken: true } });
    const socket = test.open(undefined, { query: { token: test.addAccount('ann') }, auth: {} });
    const user = new Promise((resolve) => socket.on('authentication', (it) => resolve(it.user)));
    socket.connect();
    assert.equal(await user, 'ann');
  });

  it.each(['polling', 'websocket'])('refuses clients of Socket.IO 2 clearly (%s)', async (transport) => {
    if (transport === 'polling') {
      const answer = await fetch(`${test.url}/socket.io/?EIO=3&transport=polling`);
      assert.equal(answer.status, 400);
      assert.equal(await answer.text(), '{"code":5,"message":"Unsupported protocol version"}');
    } else {
      const answer = await openEngine(test.port, '/socket.io/?EIO=3&transport=websocket').refusal();
      assert.match(answer, /^HTTP\/1\.1 400 .*clients of Socket\.IO 2 are not served/s);
    }
  });

  it('serves clients of Socket.IO 2 where that is allowed', async () => {
    await reopen({ realtime: { allowEio3: true, allowQueryToken: true, connectMs: 300 } });
    const token = test.addAccount('seed');
    const old = openEngine(test.port, '/socket.io/?EIO=3&transport=websocket');
    await old.packet((it) => it === '40');
    old.send(`40${NAMESPACE}?token=${token},`);
    await old.packet((it) => it.startsWith(`42${NAMESPACE},["authentication",{"user":"seed"`));
    old.send(`42${NAMESPACE},7["chatrooms",{}]`);
    await old.packet((it) => it.startsWith(`43${NAMESPACE},7[{"error":0,"rooms":[]`));
    // One that stays on the root namespace, where the protocol puts it, is not kept.
    const idle = openEngine(test.port, '/socket.io/?EIO=3&transport=websocket');
    await idle.closed();
    old.close();
  });

  it('serves nobody on another namespace', async () => {
    const raw = openEngine(test.port);
    await raw.opened();
    raw.send('40');
    assert.match(await raw.packet((it) => it.startsWith('44')), /"code":"invalid_operation"/);
    raw.send('40/other,');
    assert.match(await raw.packet((it) => it.startsWith('44/other')), /Invalid namespace/);
    raw.close();
  });
});

describe('the rooms one is told of', () => {
  it('tells of the visible rooms, the own ones first, and not of private ones of others', async () => {
    const open = await test.room('bob', { name: 'a public one' });
    await test.room('bob', { name: 'a private one', visibility: 'private' });
    const own = await test.room('ann', { name: 'z own', visibility: 'private' });
    await test.post('ann', own, 'one');
    const ann = await test.connect('ann');
    const told = ann.pushes('chatroom');
    assert.deepEqual(
      told.map(({ id, isUser }) => [id, isUser]),
      [
        [own, true],
        [open, false],
      ],
    );
    const { epoch, ...facts } = told[0] ?? { epoch: '' };
    assert.ok(epoch.length > 0);
    assert.deepEqual(facts, {
      id: own,
      name: 'z own',
      topic: '',
      visibility: 'private',
      owner: 'ann',
      slowModeMs: 0,
      count: 1,
      isUser: true,
      role: 'owner',
      headSeq: 1,
      rev: 0,
      version: told[0]?.version,
    });
  });

  it('tells of 200 at most, in one event when asked to, and where the rest is', async () => {
    const rooms: RoomId[] = [];
    for (let n = 0; n < 205; n += 1) rooms.push(await test.room('bob'));
    const last = rooms.at(-1) ?? '';
    await joinRoom(test.chat, test.account('ann'), last);
    const ann = await test.connect('ann');
    assert.equal(ann.pushes('chatroom').length, 200);
    assert.equal(ann.pushes('chatroom')[0]?.id, last);
    assert.equal(ann.pushes('chatrooms').length, 0);

    const batched = await test.connect('ann', { auth: { batch: true } });
    assert.equal(batched.pushes('chatroom').length, 0);
    const [batch] = batched.pushes('chatrooms');
    assert.equal(batched.pushes('chatrooms').length, 1);
    assert.deepEqual(batch?.rooms, ann.pushes('chatroom'));
    const rest = await batched.done('chatrooms', { cursor: batch?.next });
    assert.ok(Array.isArray(rest.rooms));
    const ids = [...(batch?.rooms ?? []), ...rest.rooms].map((it) => it.id);
    assert.equal(rest.next, undefined);
    assert.deepEqual(ids.sort(), rooms.sort());
  });

  it('pages with chatrooms, and refuses a cursor that is not its own', async () => {
    await test.room('bob');
    const ann = await test.connect('ann');
    const { rooms } = await ann.done('chatrooms', {});
    assert.ok(Array.isArray(rooms) && rooms.length === 1);
    await ann.done('chatrooms');
    for (const cursor of ['x', '', 'W10', Buffer.from('["mine","\\u0000",""]').toString('base64url')]) {
      assert.deepEqual((await ann.refused(704, 'chatrooms', { cursor })).data, { fields: ['cursor'] });
    }
  });

  it('hears live events from the moment of connection', async () => {
    const room = await test.room('bob');
    await joinRoom(test.chat, test.account('ann'), room);
    const ann = await test.connect('ann');
    const seq = await test.post('bob', room, 'hello');
    assert.equal((await ann.push('message')).seq, seq);
  });
});

describe('a connection that goes', () => {
  it('releases all it held, and the last one of a user makes them offline', async () => {
    const room = await test.room('ann');
    await joinRoom(test.chat, test.account('bob'), room);
    const open = await test.room('eve');
    const ann = await test.connect('ann');
    const [one, two] = [await test.connect('bob'), await test.connect('bob')];
    await ann.push('status', (it) => it.user === 'bob' && it.status === 1);
    await one.done('switch', { chatroom: open });
    await one.done('writing', { chatroom: room, status: 1 });
    one.socket.disconnect();
    await eventually('one is gone', () => test.connections() === 2);
    await ann.settled();
    assert.deepEqual(
      ann
        .pushes('status')
        .filter((it) => it.user === 'bob')
        .map((it) => it.status),
      [1],
    );
    two.socket.disconnect();
    await ann.push('status', (it) => it.user === 'bob' && it.status === 2);
    ann.socket.disconnect();
    await test.assertReleased();
  });

  it.each(['while its token is checked', 'while its rooms are read'])('is let go %s', async (when) => {
    let reached = false;
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const hold = async (): Promise<void> => {
      reached = true;
      await gate;
    };
    await reopen({
      wrapStore: (store) => {
        if (when !== 'while its rooms are read') return store;
        return around(store, {
          heads: async (rooms) => {
            await hold();
            return store.heads(rooms);
          },
        });
      },
    });
    const room = await test.room('ann');
    if (when === 'while its token is checked') {
      const { validate } = test.chat.accounts;
      test.chat.accounts.validate = async (token) => {
        const account = await validate(token);
        await hold();
        return account;
      };
    }
    const raw = openEngine(test.port);
    await raw.opened();
    raw.send(`40${NAMESPACE},${JSON.stringify({ token: test.addAccount('ann') })}`);
    await eventually('the handshake is under way', () => reached);
    raw.destroy();
    await raw.closed();
    // Its end must have been noticed before the handshake goes on: a fresh connection comes and goes after it.
    const fresh = openEngine(test.port);
    await fresh.opened();
    fresh.destroy();
    await fresh.closed();
    go();
    await test.assertReleased();
    // A session that was forgotten would still follow what its user joins.
    await joinRoom(test.chat, test.account('ann'), room);
    const other = await test.room('ann');
    assert.equal(test.chat.hub.feeds.get(other), undefined);
    await test.assertReleased();
  });

  it.each(['join', 'chatroom', 'switch'])('keeps nothing of a %s that was under way', async (event) => {
    const room = await test.room('bob');
    const raw = openEngine(test.port);
    await raw.opened();
    raw.send(`40${NAMESPACE},${JSON.stringify({ token: test.addAccount('ann') })}`);
    await raw.packet((it) => it.startsWith(`42${NAMESPACE},["chatroom"`));
    let reached = false;
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const { store } = test.chat;
    const { viewRoom, createRoom } = store;
    const held = async (): Promise<void> => {
      reached = true;
      await gate;
    };
    store.viewRoom = (...args) => held().then(() => viewRoom.apply(store, args));
    store.createRoom = (...args) => held().then(() => createRoom.apply(store, args));
    raw.send(`42${NAMESPACE},1${JSON.stringify([event, event === 'chatroom' ? { name: 'x' } : { chatroom: room }])}`);
    await eventually('it is under way', () => reached);
    raw.destroy();
    await eventually('the connection is gone', () => test.connections() === 0);
    go();
    await eventually('it is over', () => test.observed.some((it) => it.event === event));
    await test.assertReleased();
  });

  it('is closed when it leaves its only namespace', async () => {
    const raw = openEngine(test.port);
    await raw.opened();
    raw.send(`40${NAMESPACE},${JSON.stringify({ token: test.addAccount('ann') })}`);
    await raw.packet((it) => it.startsWith(`40${NAMESPACE}`));
    raw.send(`41${NAMESPACE},`);
    await raw.closed();
    await test.assertReleased();
  });

  it('is closed even when it does not take part in that', async () => {
    const raw = openEngine(test.port, undefined, {}, { answersClose: false });
    await raw.opened();
    raw.send(`40${NAMESPACE},${JSON.stringify({ token: test.addAccount('ann') })}`);
    await raw.packet((it) => it.startsWith(`40${NAMESPACE}`));
    raw.send(`41${NAMESPACE},`);
    await raw.closed(3000);
    await test.assertReleased();
  });

  it('is closed when it says nothing, and when it goes on being refused', async () => {
    await reopen({ realtime: { connectMs: 300 } });
    const silent = openEngine(test.port);
    const refused = openEngine(test.port);
    await refused.opened();
    refused.send(`40${NAMESPACE},${JSON.stringify({ token: 'nobody' })}`);
    await refused.packet((it) => it.startsWith(`44${NAMESPACE}`));
    await silent.closed();
    await refused.closed();
  });

  it('has one session, however often it asks for one', async () => {
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const { validate } = test.chat.accounts;
    test.chat.accounts.validate = (token) => gate.then(() => validate(token));
    const raw = openEngine(test.port);
    await raw.opened();
    const connect = `40${NAMESPACE},${JSON.stringify({ token: test.addAccount('ann') })}`;
    for (let n = 0; n < 50; n += 1) raw.send(connect);
    await eventually('the others are refused', () => raw.packets.filter((it) => it.startsWith('44')).length === 49);
    go();
    await raw.packet((it) => it.startsWith(`40${NAMESPACE}`));
    assert.equal(test.connections(), 1);
    raw.close();
    await test.assertReleased();
  });
});
