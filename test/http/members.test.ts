import { strict as assert } from 'node:assert';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { openTestApi, type TestApi } from '../support/test-api.ts';

const ROOMS = '/v1/chat/rooms';

describe('REST: members, bans and presence', () => {
  let api: TestApi;
  let owner: string;
  let user: string;
  let made = 0;

  beforeAll(async () => {
    api = await openTestApi();
    owner = api.addAccount('owner');
    user = api.addAccount('user');
  });
  afterAll(() => api.close());

  const newRoom = async (visibility = 'public'): Promise<string> => {
    made += 1;
    return String((await api.ok(201, `POST ${ROOMS}`, { token: owner, body: { name: `m${made}`, visibility } })).id);
  };
  const usersOf = async (id: string): Promise<unknown[]> =>
    (await api.ok(200, `GET ${ROOMS}/${id}/members`, { token: owner })).users as unknown[];

  const joins = {
    'PUT members/me': (id: string) => `PUT ${ROOMS}/${id}/members/me`,
    'the seed’s POST join': (id: string) => `POST ${ROOMS}/join/${id}`,
  };
  const leaves = {
    'DELETE members/me': (id: string) => `DELETE ${ROOMS}/${id}/members/me`,
    'the seed’s DELETE leave': (id: string) => `DELETE ${ROOMS}/leave/${id}`,
  };

  for (const [name, line] of Object.entries(joins)) {
    it(`joins by ${name}: 201, then 200`, async () => {
      const id = await newRoom();
      assert.deepEqual(await api.ok(201, line(id), { token: user }), { id });
      assert.deepEqual(await api.ok(200, line(id), { token: user, body: {} }), { id });
      await api.refused(404, 600, line('nowhere'), { token: user });
      await api.refused(404, 600, line(await newRoom('private')), { token: user });
      const banned = await newRoom();
      await api.ok(200, `PUT ${ROOMS}/${banned}/bans/user`, { token: owner });
      await api.refused(403, 606, line(banned), { token: user });
    });
  }

  for (const [name, line] of Object.entries(leaves)) {
    it(`leaves by ${name}`, async () => {
      const id = await newRoom();
      await api.ok(201, `PUT ${ROOMS}/${id}/members/me`, { token: user });
      assert.deepEqual(await api.ok(200, line(id), { token: user }), { id });
      await api.refused(404, 605, line(id), { token: user });
      await api.refused(404, 600, line('nowhere'), { token: user });
    });
  }

  it('lists members, oldest first, with role and presence', async () => {
    const id = await newRoom();
    await api.ok(201, `PUT ${ROOMS}/${id}/members/me`, { token: user });
    api.online.add('user');
    assert.deepEqual(await usersOf(id), [
      { user: 'owner', name: 'Name of owner', role: 'owner', online: false },
      { user: 'user', name: 'Name of user', role: 'member', online: true },
    ]);
    const path = `GET ${ROOMS}/${id}/presence`;
    assert.deepEqual(await api.ok(200, path, { token: owner }), { count: 1 });
    assert.deepEqual(await api.ok(200, `${path}?users=false`, { token: owner }), { count: 1 });
    const { users } = await api.ok(200, `${path}?users=true`, { token: owner });
    assert.deepEqual(users, [{ user: 'user', name: 'Name of user', role: 'member', online: true }]);
    await api.refused(400, 704, `${path}?users=1`, { token: owner });
    api.online.delete('user');
  });

  it('adds, promotes, hands over and removes', async () => {
    const id = await newRoom('private');
    const member = `${ROOMS}/${id}/members/user`;
    await api.refused(404, 605, `PUT ${member}`, { token: owner, body: { role: 'owner' } });
    assert.deepEqual(await api.ok(201, `PUT ${member}`, { token: owner }), { id, user: 'user', role: 'member' });
    assert.equal((await api.ok(200, `PUT ${member}`, { token: owner, body: {} })).role, 'member');
    assert.equal((await api.ok(200, `PUT ${member}`, { token: owner, body: { role: 'moderator' } })).role, 'moderator');
    await api.ok(200, `PUT ${member}`, { token: owner, body: { role: 'owner' } });
    assert.equal((await api.ok(200, `GET ${ROOMS}/${id}`, { token: user })).owner, 'user');
    await api.refused(403, 1002, `DELETE ${member}`, { token: owner });
    assert.deepEqual(await api.ok(200, `DELETE ${ROOMS}/${id}/members/owner`, { token: user }), { id });
    await api.refused(404, 605, `DELETE ${ROOMS}/${id}/members/owner`, { token: user });
    await api.refused(400, 701, `PUT ${member}`, { token: user, body: { role: 'member' } });
  });

  it('shows an added member under the given name', async () => {
    const id = await newRoom();
    await api.ok(201, `PUT ${ROOMS}/${id}/members/zoe`, { token: owner, body: { name: 'Zoë' } });
    await api.ok(201, `PUT ${ROOMS}/${id}/members/max`, { token: owner });
    assert.deepEqual((await usersOf(id)).slice(1), [
      { user: 'zoe', name: 'Zoë', role: 'member', online: false },
      { user: 'max', name: 'max', role: 'member', online: false },
    ]);
  });

  it('bans, also who is no member, until it is over or lifted', async () => {
    const id = await newRoom();
    const ban = `${ROOMS}/${id}/bans/user`;
    await api.ok(201, `PUT ${ROOMS}/${id}/members/me`, { token: user });
    assert.deepEqual(await api.ok(200, `PUT ${ban}`, { token: owner, body: { reason: 'spam' } }), { id });
    assert.equal((await usersOf(id)).length, 1);
    for (const line of [`GET ${ROOMS}/${id}/messages`, `GET ${ROOMS}/${id}/presence`, `GET ${ROOMS}/${id}/members`]) {
      await api.refused(403, 606, line, { token: user });
    }
    await api.refused(403, 606, `PUT ${ROOMS}/${id}/members/user`, { token: owner });
    await api.ok(204, `DELETE ${ban}`, { token: owner });
    await api.ok(204, `DELETE ${ban}`, { token: owner });
    await api.ok(201, `PUT ${ROOMS}/${id}/members/me`, { token: user });
    const admin = api.addAccount('admin', { roles: ['admin'] });
    await api.refused(400, 701, `PUT ${ROOMS}/${id}/bans/admin`, { token: admin });
    await api.refused(400, 704, `PUT ${ban}`, { token: owner, body: { until: '2001-01-01T00:00:00Z' } });
    await api.refused(400, 704, `PUT ${ban}`, { token: owner, body: { until: 'tomorrow' } });
    await api.refused(403, 1002, `PUT ${ROOMS}/${id}/bans/owner`, { token: admin });
  });

  it('knows no literal of the path as a room', async () => {
    const id = await newRoom();
    for (const line of [`GET ${ROOMS}/join`, `GET ${ROOMS}/leave/messages`, `PUT ${ROOMS}/message/read`]) {
      await api.refused(404, 600, line, { token: user, ...(line.startsWith('PUT') ? { body: { seq: 1 } } : {}) });
    }
    const refused = await api.refused(405, 701, `GET ${ROOMS}/join/${id}`, { token: user });
    assert.equal(refused.headers.allow, 'POST');
    const me = await api.refused(405, 701, `POST ${ROOMS}/${id}/members/me`, { token: user });
    assert.deepEqual(new Set(me.headers.allow?.split(', ')), new Set(['PUT', 'DELETE']));
  });
});
