import { strict as assert } from 'node:assert';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { openTestApi, type TestApi } from '../support/test-api.ts';

const COUNT = 30;

describe('REST: erasing all messages of a user', () => {
  let api: TestApi;
  let tokens: Record<'ana' | 'ben' | 'root', string>;
  let rooms: string[];

  beforeAll(async () => {
    api = await openTestApi();
    const root = api.addAccount('root', { roles: ['user', 'admin'] });
    tokens = { ana: api.addAccount('ana'), ben: api.addAccount('ben'), root };
    rooms = [];
    for (const visibility of ['public', 'private']) {
      const made = await api.ok(201, 'POST /v1/chat/rooms', {
        token: tokens.ana,
        body: { name: visibility, visibility },
      });
      const room = `/v1/chat/rooms/${made.id}`;
      rooms.push(room);
      await api.ok(201, `PUT ${room}/members/ben`, { token: tokens.ana });
      for (let n = 0; n < COUNT; n += 1) {
        const token = n % 3 ? tokens.ben : tokens.ana;
        await api.ok(201, `POST ${room}/messages`, { token, body: { message: `text ${n}` } });
      }
      await api.ok(200, `DELETE ${room}/members/ben`, { token: tokens.ana });
    }
  });
  afterAll(() => api.close());

  const left = async (user: string) => {
    const pages = await Promise.all(rooms.map((room) => api.ok(200, `GET ${room}/messages`, { token: tokens.ana })));
    const all = pages.flatMap((it) => it.messages as { owner: string; message: string; deleted?: true }[]);
    const own = all.filter(({ owner }) => owner === user);
    for (const { message, deleted } of own) assert.equal(message === '', deleted === true);
    return own.filter(({ deleted }) => !deleted).length;
  };

  it('is refused without a token, for others, and with a cursor that was made up', async () => {
    await api.refused(401, 1000, 'DELETE /v1/chat/users/me/messages');
    await api.refused(403, 1002, 'DELETE /v1/chat/users/ana/messages', { token: tokens.ben });
    await api.refused(400, 704, 'DELETE /v1/chat/users/me/messages?cursor=x', { token: tokens.ben });
    assert.equal(await left('ben'), (2 * COUNT * 2) / 3);
  });

  it('deletes one’s own in rooms that were left or are closed by now', async () => {
    const answer = await api.ok(200, 'DELETE /v1/chat/users/me/messages', { token: tokens.ben });
    assert.deepEqual(answer, { deleted: (2 * COUNT * 2) / 3 });
    assert.deepEqual([await left('ben'), await left('ana')], [0, (2 * COUNT) / 3]);
    assert.deepEqual(await api.ok(200, 'DELETE /v1/chat/users/ben/messages', { token: tokens.ben }), { deleted: 0 });
  });

  it('is open to admins for everybody', async () => {
    const answer = await api.ok(200, 'DELETE /v1/chat/users/ana/messages', { token: tokens.root });
    assert.deepEqual(answer, { deleted: (2 * COUNT) / 3 });
    assert.equal(await left('ana'), 0);
  });
});
