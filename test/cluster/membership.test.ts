import assert from 'node:assert/strict';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import type { ChatClient } from '../support/chat-client.ts';
import { eventually } from '../support/eventually.ts';
import { createGuest, createRoom, expectStatus, type Guest, joinRoom, rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';

const SEEN_MS = 1000;
const ROUNDS = 6;

describe('membership and presence on three workers', () => {
  const bed = new TestBed();
  let server: SpawnedServer;
  let watcher: Guest;
  let watchers: ChatClient[];
  let room: string;

  const statusesOf = (client: ChatClient, user: string) =>
    client.pushesOf('status').flatMap((it) => (it.user === user ? [it.status] : []));
  const clear = () => {
    for (const client of watchers) client.pushes.length = 0;
  };
  const presence = async () => {
    const line = `GET /v1/chat/rooms/${room}/presence?users=true`;
    const call = rest<{ count: number; users: { user: string }[] }>(server.url, line, { token: watcher.token });
    return (await expectStatus(200, call)).body;
  };

  beforeAll(async () => {
    server = await bed.server({ INSTANCES: '3' });
    watcher = await createGuest(server.url, 'Watcher');
    room = await createRoom(server.url, watcher.token, 'Membership');
    watchers = await bed.clientsOnAllWorkers(server, watcher.token, 3);
  }, 60_000);
  afterAll(() => bed.close(), 30_000);

  for (const [joins, leaves] of [
    ['rest', 'socket'],
    ['socket', 'rest'],
  ] as const) {
    it(`applies a join over ${joins} and a leave over ${leaves} to all sockets of the user`, async () => {
      clear();
      const guest = await createGuest(server.url, `Joiner over ${joins}`);
      const own = await bed.clientsOnAllWorkers(server, guest.token, 5);
      const [first, second] = own;
      assert.ok(first && second);

      if (joins === 'rest') await joinRoom(server.url, guest.token, room);
      else assert.equal((await first.call('join', { chatroom: room })).error, 0);
      const everybody = [...own, ...watchers];
      await eventually('all sockets hear of the join', () =>
        everybody.every((it) => it.pushesOf('join', room).some((push) => push.user === guest.user)),
      );
      for (const client of everybody) {
        const joined = client.pushesOf('join', room);
        assert.deepEqual(
          joined.map(({ user, count, name }) => ({ user, count, name })),
          [{ user: guest.user, count: 2, name: guest.name }],
        );
      }
      const before = await watchers[0]?.send(room, 'you are in');
      await eventually('all sockets get the message', () =>
        own.every((it) => it.pushesOf('message', room).some((push) => push.id === before?.id)),
      );

      if (leaves === 'rest')
        await expectStatus(200, rest(server.url, `DELETE /v1/chat/rooms/${room}/members/me`, { token: guest.token }));
      else assert.equal((await second.call('leave', { chatroom: room })).error, 0);
      await eventually(
        'all sockets hear of the leave',
        () =>
          own.every((it) => it.pushesOf('removed', room).length > 0) &&
          watchers.every((it) => it.pushesOf('leave', room).length > 0),
      );
      for (const client of own)
        assert.deepEqual(client.pushesOf('removed', room), [{ chatroom: room, reason: 'left' }]);
      for (const client of watchers)
        assert.deepEqual(
          client.pushesOf('leave', room).map(({ user, count }) => [user, count]),
          [[guest.user, 1]],
        );

      // Something every socket hears later proves the silence before it.
      const after = await watchers[0]?.send(room, 'you are out');
      await eventually('the watchers have it', () =>
        watchers.every((it) => it.pushesOf('message', room).some((push) => push.id === after?.id)),
      );
      const marker = await createRoom(server.url, watcher.token, `Marker ${joins}`);
      await eventually('all sockets hear of the new room', () =>
        own.every((it) => it.pushesOf('chatroom', marker).length > 0),
      );
      for (const client of own)
        assert.equal(client.pushesOf('message', room).filter((it) => it.id === after?.id).length, 0);
      for (const client of own) client.close();
    }, 40_000);
  }

  it('tells once that a user came and went, however many tabs on however many workers', async () => {
    const guest = await createGuest(server.url, 'Many tabs');
    await joinRoom(server.url, guest.token, room);
    clear();
    const tabs = await bed.clientsOnAllWorkers(server, guest.token, 6);
    await eventually('online everywhere', () => watchers.every((it) => statusesOf(it, guest.user).length > 0), SEEN_MS);
    for (let i = 0; i < ROUNDS; i += 1) {
      const { count, users } = await presence();
      assert.deepEqual(
        { count, users: new Set(users.map((it) => it.user)) },
        { count: 2, users: new Set([watcher.user, guest.user]) },
      );
    }
    const last = tabs.pop();
    for (const tab of tabs) tab.close();
    const marker = await createRoom(server.url, watcher.token, 'Marker of tabs');
    await eventually('the watchers hear of the new room', () =>
      watchers.every((it) => it.pushesOf('chatroom', marker).length > 0),
    );
    for (const client of watchers) assert.deepEqual(statusesOf(client, guest.user), [1]);
    assert.equal((await presence()).count, 2);

    last?.close();
    await eventually(
      'offline everywhere',
      () => watchers.every((it) => statusesOf(it, guest.user).length > 1),
      SEEN_MS,
    );
    for (const client of watchers) assert.deepEqual(statusesOf(client, guest.user), [1, 2]);
    for (let i = 0; i < ROUNDS; i += 1) assert.equal((await presence()).count, 1);
  }, 40_000);

  it('tells that the users of a killed worker are offline, and nobody else', async () => {
    const workers = await server.workers();
    const guests = await Promise.all(
      Array.from({ length: 9 }, async (_, n) => {
        const guest = await createGuest(server.url, `Lost ${n}`);
        await joinRoom(server.url, guest.token, room);
        const client = bed.client(server.url, guest.token, { reconnection: false, transports: ['websocket'] });
        return { guest, client: await client.online() };
      }),
    );
    // On the killed worker and on another one: stays online.
    const both = await createGuest(server.url, 'On two workers');
    await joinRoom(server.url, both.token, room);
    const lost = guests[0]?.client.node ?? '';
    await bed.clientsOnAllWorkers(server, both.token, 3, { reconnection: false, transports: ['websocket'] });
    const gone = guests.filter((it) => it.client.node === lost);
    const stay = guests.filter((it) => it.client.node !== lost);
    assert.ok(gone.length > 0 && stay.length > 0);
    const others = watchers.filter((it) => it.node !== lost);
    assert.ok(others.length > 0);
    await eventually('all are online', async () => (await presence()).count === guests.length + 2);
    clear();

    process.kill(workers.get(lost) ?? 0, 'SIGKILL');
    await eventually(
      'offline for the others',
      () => others.every((watcher) => gone.every(({ guest }) => statusesOf(watcher, guest.user).length > 0)),
      SEEN_MS,
    );
    for (const watcher of others) {
      for (const { guest } of gone) assert.deepEqual(statusesOf(watcher, guest.user), [2]);
      for (const { guest } of stay) assert.deepEqual(statusesOf(watcher, guest.user), []);
      assert.deepEqual(statusesOf(watcher, both.user), []);
    }
    assert.ok(gone.every(({ client }) => client.cuts.length === 1));
    assert.ok(stay.every(({ client }) => client.cuts.length === 0));
    await eventually('the count is right', async () => (await presence()).count === stay.length + 2);
  }, 40_000);
});
