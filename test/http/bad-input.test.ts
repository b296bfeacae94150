import { strict as assert } from 'node:assert';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { openTestApi, type TestApi } from '../support/test-api.ts';

/** What no field of text takes. */
const NOT_TEXT: readonly unknown[] = [
  { $gt: '' },
  { $ne: null },
  { $where: 'sleep(1000)' },
  ['a'],
  [],
  {},
  1,
  true,
  null,
  'nul\0inside',
  'lone \ud800 surrogate',
];

describe('REST: bad input', () => {
  let api: TestApi;
  let token: string;
  let room: string;
  let message: string;

  beforeAll(async () => {
    api = await openTestApi();
    token = api.addAccount('ana');
    room = `/v1/chat/rooms/${(await api.ok(201, 'POST /v1/chat/rooms', { token, body: { name: 'r' } })).id}`;
    message = `${room}/messages/${(await api.ok(201, `POST ${room}/messages`, { token, body: { message: 'm' } })).id}`;
  });
  afterAll(async () => {
    const broken = api.lines.filter((it) => it.level === 'error');
    assert.deepEqual(broken, [], 'nothing of this may break the server');
    await api.close();
  });

  const fields: readonly { line: () => string; field: string; others?: object }[] = [
    { line: () => 'POST /v1/chat/rooms', field: 'name' },
    { line: () => 'POST /v1/chat/rooms', field: 'topic', others: { name: 'x' } },
    { line: () => 'POST /v1/chat/rooms', field: 'visibility', others: { name: 'x' } },
    { line: () => `PATCH ${room}`, field: 'name' },
    { line: () => `PATCH ${room}`, field: 'topic' },
    { line: () => `PUT ${room}/members/x`, field: 'role' },
    { line: () => `PUT ${room}/members/x`, field: 'name' },
    { line: () => `PUT ${room}/bans/x`, field: 'until' },
    { line: () => `PUT ${room}/bans/x`, field: 'reason' },
    { line: () => `POST ${room}/messages`, field: 'message' },
    { line: () => `POST ${room}/messages`, field: 'image' },
    { line: () => `POST ${room}/messages`, field: 'clientId', others: { message: 'x' } },
    { line: () => `POST ${room}/messages`, field: 'inReplyTo', others: { message: 'x' } },
    { line: () => `PATCH ${message}`, field: 'message' },
    { line: () => 'POST /v1/accounts/guest', field: 'name' },
  ];
  for (const { line, field, others } of fields) {
    it(`takes only text as ${field}, case ${fields.findIndex((it) => it.line === line) + 1}`, async () => {
      for (const value of NOT_TEXT) {
        const answer = await api.refused(400, 704, line(), { token, body: { ...others, [field]: value } });
        const { fields: named } = answer.json.data as { fields: string[] };
        assert.ok(
          named.some((it) => it === field || it === 'message'),
          `${JSON.stringify(value)}: ${named}`,
        );
        assert.match(String(answer.json.detail), /\w/);
      }
    });
  }

  it('refuses what is empty or too long', async () => {
    const cases: [string, unknown][] = [
      ['POST /v1/chat/rooms', { name: '' }],
      ['POST /v1/chat/rooms', { name: '   ' }],
      ['POST /v1/chat/rooms', { name: 'x'.repeat(81) }],
      ['POST /v1/chat/rooms', { name: 'a\nb' }],
      ['POST /v1/chat/rooms', { name: 'x', topic: 'x'.repeat(501) }],
      [`PATCH ${room}`, { slowModeMs: -1 }],
      [`PATCH ${room}`, { slowModeMs: 3_600_001 }],
      [`POST ${room}/messages`, { message: '' }],
      [`POST ${room}/messages`, { message: ' \t\n' }],
      [`POST ${room}/messages`, {}],
      [`POST ${room}/messages`, { message: 'x', clientId: '' }],
      [`POST ${room}/messages`, { message: 'x', clientId: 'x'.repeat(129) }],
      [`POST ${room}/messages`, { message: 'x', meta: [] }],
      [`POST ${room}/messages`, { message: 'x', meta: 'x' }],
      [`POST ${room}/messages`, { message: 'x', meta: { a: 'x'.repeat(4096) } }],
    ];
    for (const [line, body] of cases) await api.refused(400, 704, line, { token, body });
  });

  it('refuses bodies that are no JSON object', async () => {
    const line = `POST ${room}/messages`;
    for (const body of [
      '{',
      '',
      '"text"',
      'null',
      '[1,2]',
      '{"message":"x"}}',
      "{'message':'x'}",
      'message=x',
      '{"a":NaN}',
    ]) {
      const answer = await api.refused(400, 704, line, { token, body });
      assert.ok(!answer.text.includes("'message'"), 'an answer repeats nothing of a body');
    }
    const bytes = Buffer.concat([Buffer.from('{"message":"'), Buffer.from([0xff, 0xc0]), Buffer.from('"}')]);
    await api.refused(400, 704, line, { token, body: bytes });
  });

  it('refuses deep nesting without walking it', async () => {
    const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
    for (const depth of [9, 100, 5000, 200_000]) {
      await api.refused(400, 704, `POST ${room}/messages`, {
        token,
        body: `{"message":"x","meta":{"a":${nested(depth)}}}`,
      });
      await api.refused(400, 704, 'POST /v1/chat/rooms', { token, body: `{"name":${nested(depth)}}` });
    }
    await api.ok(201, `POST ${room}/messages`, { token, body: `{"message":"x","meta":{"a":${nested(7)}}}` });
  });

  it('lets no key reach the prototype of anything', async () => {
    const raw =
      '{"message":"x","__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"meta":{"__proto__":{"admin":true},"ok":1}}';
    const { id } = await api.ok(201, `POST ${room}/messages`, { token, body: raw });
    const stored = await api.ok(200, `GET ${room}/messages/${id}`, { token });
    assert.deepEqual(stored.meta, { ok: 1 });
    assert.equal(Reflect.get({}, 'admin'), undefined);
    await api.ok(200, 'POST /v1/chat/sync', { token, body: '{"rooms":{"__proto__":1}}' });
    await api.ok(200, 'GET /v1/chat/rooms?__proto__=x&constructor=y', { token });
  });

  it('takes any text as an id and knows none of them', async () => {
    const odd = [
      '%27%20OR%201=1',
      '..%2F..%2Fetc%2Fpasswd',
      '%7B%22%24gt%22:%22%22%7D',
      '__proto__',
      'constructor',
      '%F0%9F%98%80',
      '%25',
    ];
    for (const id of odd) {
      await api.refused(404, 600, `GET /v1/chat/rooms/${id}`, { token });
      await api.refused(404, 702, `GET ${room}/messages/${id}`, { token });
      await api.refused(404, 605, `DELETE ${room}/members/${id}`, { token });
    }
  });

  it('refuses ids that no store could hold', async () => {
    for (const id of ['%00', 'a%00b', 'x'.repeat(129), '%', '%zz', '%ff', '%ED%A0%80']) {
      await api.refused(400, 704, `GET /v1/chat/rooms/${id}`, { token });
      await api.refused(400, 704, `GET ${room}/messages/${id}`, { token });
      await api.refused(400, 704, `PUT ${room}/bans/${id}`, { token });
    }
  });
});
