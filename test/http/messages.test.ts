import { strict as assert } from 'node:assert';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { tryAgain } from '../../src/chat/errors.ts';
import type { Store } from '../../src/chat/ports/store.ts';
import { type Answer, openTestApi, type TestApi } from '../support/test-api.ts';

const ROOMS = '/v1/chat/rooms';
const PNG = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(100, 7)]);

interface Sent {
  readonly id: string;
  readonly seq: number;
}

describe('REST: messages', () => {
  let api: TestApi;
  let ana: string;
  let ben: string;
  let made = 0;
  let storeAway = false;

  const wrapStore = (store: Store): Store =>
    new Proxy(store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          if (storeAway) return Promise.reject(tryAgain('the store'));
          return Reflect.apply(value, target, args);
        };
      },
    });

  beforeAll(async () => {
    api = await openTestApi({ commands: ['stock'], wrapStore });
    ana = api.addAccount('ana');
    ben = api.addAccount('ben');
  });
  afterAll(() => api.close());

  const newRoom = async (): Promise<string> => {
    made += 1;
    return String((await api.ok(201, `POST ${ROOMS}`, { token: ana, body: { name: `t${made}` } })).id);
  };
  const send = async (room: string, message: string, more: object = {}): Promise<Sent> => {
    const { id, seq } = await api.ok(201, `POST ${ROOMS}/${room}/messages`, { token: ana, body: { message, ...more } });
    return { id: String(id), seq: Number(seq) };
  };
  const textsOf = (messages: unknown): string[] => (messages as { message: string }[]).map((it) => it.message);
  const seqsOf = (page: Record<string, unknown>): number[] => (page.messages as Sent[]).map((it) => it.seq);

  for (const [name, line] of [
    ['POST messages', (id: string) => `POST ${ROOMS}/${id}/messages`],
    ['the seed’s POST message', (id: string) => `POST ${ROOMS}/message/${id}`],
  ] as const) {
    it(`sends by ${name}`, async () => {
      const room = await newRoom();
      const meta = { a: [1, { b: null }], $where: 'x' };
      const body = { message: '<b>hello</b> \u{1F600}', clientId: 'c1', meta };
      const answer = await api.call(line(room), { token: ana, body });
      assert.equal(answer.status, 201);
      assert.equal(answer.headers.location, `${ROOMS}/${room}/messages/${answer.json.id}`);
      assert.equal(answer.headers['idempotency-replayed'], undefined);
      assert.deepEqual(await api.ok(200, `GET ${answer.headers.location}`, { token: ben }), {
        ...answer.json,
        chatroom: room,
        owner: 'ana',
        ownerName: 'Name of ana',
        type: 1,
        message: body.message,
        clientId: 'c1',
        meta,
      });
      await api.refused(403, 605, line(room), { token: ben, body });
      await api.refused(404, 600, line('nowhere'), { token: ana, body });
    });
  }

  it('stores a message once, by header, field or both', async () => {
    const room = await newRoom();
    const line = `POST ${ROOMS}/${room}/messages`;
    const withKey = (message: string, key: string, clientId?: string): Promise<Answer> =>
      api.call(line, { token: ana, body: { message, clientId }, headers: { 'idempotency-key': key } });
    const first = await withKey('one', 'k1');
    assert.equal(first.status, 201);
    const replays = [
      await withKey('one', 'k1'),
      await withKey('one', 'k1', 'k1'),
      await api.call(line, { token: ana, body: { message: 'one', clientId: 'k1' } }),
    ];
    for (const replay of replays) {
      assert.deepEqual([replay.status, replay.json], [200, first.json]);
      assert.equal(replay.headers['idempotency-replayed'], 'true');
    }
    const conflict = await withKey('two', 'k1');
    assert.deepEqual([conflict.status, conflict.json.error], [422, 608]);
    const differing = await withKey('one', 'k1', 'k2');
    assert.deepEqual([differing.status, differing.json.error], [400, 704]);
    await api.refused(400, 704, line, {
      token: ana,
      body: { message: 'x' },
      headers: { 'idempotency-key': 'k'.repeat(129) },
    });
    assert.equal((await api.ok(200, `GET ${ROOMS}/${room}`, { token: ana })).headSeq, 1);
  });

  it('takes a command for a bot and stores no message', async () => {
    const room = await newRoom();
    const line = `POST ${ROOMS}/${room}/messages`;
    const body = { message: '/Stock=aapl.us', clientId: 'c' };
    const first = await api.call(line, { token: ana, body });
    assert.equal(first.status, 202);
    assert.deepEqual(first.json, { id: first.json.id, chatroom: room, command: 'stock' });
    assert.equal(api.commands.at(-1)?.args, 'aapl.us');
    const again = await api.call(line, { token: ana, body });
    assert.deepEqual([again.status, again.json, again.headers['idempotency-replayed']], [202, first.json, 'true']);
    await api.refused(404, 611, line, { token: ana, body: { message: '/nobody knows' } });
    await api.refused(422, 608, line, { token: ana, body: { message: 'text', clientId: 'c' } });
    assert.equal((await api.ok(200, `GET ${ROOMS}/${room}`, { token: ana })).headSeq, 0);
    const escaped = await send(room, '//stock');
    assert.equal((await api.ok(200, `GET ${ROOMS}/${room}/messages/${escaped.id}`, { token: ana })).message, '/stock');
  });

  it('serves pages by seq in every direction', async () => {
    const room = await newRoom();
    for (let n = 1; n <= 7; n += 1) await send(room, `m${n}`);
    const page = (query: string) => api.ok(200, `GET ${ROOMS}/${room}/messages${query}`, { token: ben });
    const newest = await page('');
    assert.deepEqual(seqsOf(newest), [7, 6, 5, 4, 3, 2, 1]);
    assert.deepEqual(
      [newest.chatroom, newest.firstSeq, newest.lastSeq, newest.headSeq, newest.hasMore, newest.limit],
      [room, 1, 7, 7, false, 50],
    );
    const expected: Record<string, [number[], boolean]> = {
      '?limit=2': [[7, 6], true],
      '?before=6&limit=2': [[5, 4], true],
      '?before=3': [[2, 1], false],
      '?before=1': [[], false],
      '?after=0&limit=3': [[1, 2, 3], true],
      '?after=5': [[6, 7], false],
      '?after=99': [[], false],
      '?order=asc&limit=2': [[1, 2], true],
      '?before=4&order=asc': [[1, 2, 3], false],
      '?skip=5': [[2, 1], false],
    };
    for (const [query, [seqs, hasMore]] of Object.entries(expected)) {
      const got = await page(query);
      assert.deepEqual([seqsOf(got), got.hasMore], [seqs, hasMore], query);
    }
    const around = await page('?around=4&limit=3');
    assert.deepEqual([seqsOf(around), around.hasMoreBefore, around.hasMoreAfter], [[5, 4, 3], true, true]);
    assert.equal((await page('?limit=100000')).limit, 200);
    const bad = [
      'limit=0',
      'limit=-1',
      'limit=abc',
      'before=x',
      'before=1&after=2',
      'around=1&before=3',
      'order=up',
      'limit=1&limit=2',
      'limit[]=1',
      'after=1e3',
      'skip=-1',
    ];
    for (const query of bad) await api.refused(400, 704, `GET ${ROOMS}/${room}/messages?${query}`, { token: ben });
    await api.refused(404, 600, `GET ${ROOMS}/nowhere/messages`, { token: ben });
  });

  it('edits and deletes; a tombstone keeps its seq', async () => {
    const room = await newRoom();
    const { id } = await send(room, 'frist', { meta: { a: 1 } });
    const path = `${ROOMS}/${room}/messages/${id}`;
    const edited = await api.ok(200, `PATCH ${path}`, { token: ana, body: { message: 'first' } });
    assert.deepEqual([edited.message, edited.rev, edited.seq], ['first', 1, 1]);
    await api.refused(413, 609, `PATCH ${path}`, { token: ana, body: { message: 'x'.repeat(16 * 1024 + 1) } });
    await api.refused(400, 704, `PATCH ${path}`, { token: ana, body: { message: ' \n' } });
    await api.ok(204, `DELETE ${path}`, { token: ana });
    await api.ok(204, `DELETE ${path}`, { token: ana });
    const left = await api.ok(200, `GET ${path}`, { token: ana });
    assert.deepEqual([left.message, left.deleted, left.rev, left.seq, left.meta], ['', true, 2, 1, undefined]);
    await api.refused(404, 702, `PATCH ${path}`, { token: ana, body: { message: 'x' } });
    for (const line of [`GET ${path}x`, `DELETE ${path}x`, `GET ${path}/image`]) {
      await api.refused(404, 702, line, { token: ana });
    }
    await api.refused(404, 702, `PATCH ${path}x`, { token: ana, body: { message: 'x' } });
    // The receipt outlives its message.
    assert.equal((await send(room, 'second')).seq, 2);
  });

  it('serves a picture by its content and nothing that could run', async () => {
    const room = await newRoom();
    const image = `data:image/gif;base64,${PNG.toString('base64')}`;
    const { id } = await api.ok(201, `POST ${ROOMS}/${room}/messages`, { token: ana, body: { image } });
    const message = await api.ok(200, `GET ${ROOMS}/${room}/messages/${id}`, { token: ben });
    assert.deepEqual([message.type, message.message], [3, `${ROOMS}/${room}/messages/${id}/image`]);
    const { status, headers, bytes } = await api.call(`GET ${message.message}`, { token: ben });
    assert.deepEqual(
      [status, headers['content-type'], headers['x-content-type-options']],
      [200, 'image/png', 'nosniff'],
    );
    assert.deepEqual(bytes, PNG);
    assert.match(headers['cache-control'] ?? '', /private/);
    assert.equal(headers['content-disposition'], 'inline');
    assert.equal(headers['content-security-policy'], "default-src 'none'; sandbox");
    for (const tag of [headers.etag ?? '', `W/${headers.etag}`, '*', `"x", ${headers.etag}`]) {
      const cached = await api.call(`GET ${message.message}`, { token: ben, headers: { 'if-none-match': tag } });
      assert.deepEqual([cached.status, cached.text, cached.headers.etag], [304, '', headers.etag]);
    }
    const other = await api.call(`GET ${message.message}`, { token: ben, headers: { 'if-none-match': '"x"' } });
    assert.equal(other.status, 200);
    await api.refused(401, 1000, `GET ${message.message}`);
    await api.refused(400, 701, `PATCH ${ROOMS}/${room}/messages/${id}`, { token: ana, body: { message: 'x' } });
    await api.ok(204, `DELETE ${ROOMS}/${room}/messages/${id}`, { token: ana });
    await api.refused(404, 702, `GET ${message.message}`, { token: ben });
  });

  it('refuses what is too large and what is no picture', async () => {
    const room = await newRoom();
    const line = `POST ${ROOMS}/${room}/messages`;
    const post = (body: unknown, status: number, error: number) =>
      api.refused(status, error, line, { token: ana, body });
    await post({ message: 'é'.repeat(8193) }, 413, 609);
    await api.ok(201, line, { token: ana, body: { message: 'é'.repeat(8192) } });
    await post({ image: Buffer.concat([PNG, Buffer.alloc(512 * 1024)]).toString('base64') }, 413, 609);
    await post({ message: 'x'.repeat(1024 * 1024) }, 413, 609);
    await post({ image: Buffer.from('<svg onload=alert(1)>').toString('base64') }, 400, 704);
    await post({ image: 'not base64!' }, 400, 704);
    await post({ image: 'data:text/html;base64,AAAA' }, 400, 704);
    await post({ message: 'x', image: PNG.toString('base64') }, 400, 704);
    await post({ message: 'x', inReplyTo: 'nothing' }, 400, 704);
    const { id } = await send(room, 'question');
    await send(room, 'answer', { inReplyTo: id });
  });

  it('limits how much one user sends; replays are free', async () => {
    const own = await openTestApi({ settings: { messages: { count: 2, windowMs: 10_000 } } });
    try {
      const token = own.addAccount('ana');
      const { id } = await own.ok(201, `POST ${ROOMS}`, { token, body: { name: 'r' } });
      const line = `POST ${ROOMS}/${id}/messages`;
      await own.ok(201, line, { token, body: { message: 'a', clientId: 'a' } });
      await own.ok(201, line, { token, body: { message: 'b', clientId: 'b' } });
      const refused = await own.refused(429, 429, line, { token, body: { message: 'c' } });
      assert.match(refused.headers['retry-after'] ?? '', /^([1-9]|10)$/);
      await own.ok(200, line, { token, body: { message: 'a', clientId: 'a' } });
      const member = own.addAccount('ben');
      await own.ok(201, `PUT ${ROOMS}/${id}/members/me`, { token: member });
      await own.ok(200, `PATCH ${ROOMS}/${id}`, { token, body: { slowModeMs: 60_000 } });
      await own.ok(201, line, { token: member, body: { message: 'a' } });
      const slow = await own.refused(429, 607, line, { token: member, body: { message: 'b' } });
      assert.ok(Number(slow.headers['retry-after']) > 10);
    } finally {
      await own.close();
    }
  });

  it('marks as read, never back and never by a reader', async () => {
    const room = await newRoom();
    await send(room, 'a');
    const line = `PUT ${ROOMS}/${room}/read`;
    await api.ok(204, line, { token: ana, body: { seq: 1 } });
    await api.ok(204, line, { token: ana, body: { seq: 0 } });
    assert.equal(await api.chat.store.readMark(room, 'ana'), 1);
    await api.refused(403, 605, line, { token: ben, body: { seq: 1 } });
    await api.refused(404, 600, `PUT ${ROOMS}/nowhere/read`, { token: ana, body: { seq: 1 } });
    for (const seq of [-1, 1.5, '1', null, 2 ** 53, { $gt: 0 }]) {
      await api.refused(400, 704, line, { token: ana, body: { seq } });
    }
  });

  it('catches up in many rooms, each from its own cursor', async () => {
    const [a, b] = [await newRoom(), await newRoom()];
    const first = await send(a, 'a1');
    await send(a, 'a2');
    await send(b, 'b1');
    await api.ok(200, `PATCH ${ROOMS}/${a}/messages/${first.id}`, { token: ana, body: { message: 'A1' } });
    const body = { rooms: { [a]: { seq: 1, rev: 0 }, [b]: 0, nowhere: 5, constructor: 1 }, limit: 10 };
    const { rooms } = await api.ok(200, 'POST /v1/chat/sync', { token: ben, body });
    const got = rooms as Record<string, Record<string, unknown>>;
    assert.deepEqual(Object.keys(got).sort(), [a, b, 'nowhere', 'constructor'].sort());
    const { messages, changed, ...facts } = got[a] ?? {};
    assert.deepEqual({ ...facts, epoch: '' }, { epoch: '', rev: 1, headSeq: 2, hasMore: false });
    assert.deepEqual([textsOf(messages), textsOf(changed)], [['a2'], ['A1']]);
    assert.deepEqual(textsOf(got[b]?.messages), ['b1']);
    assert.deepEqual(got.nowhere, { error: 600, code: 'invalid_chatroom' });
    const bad = [
      {},
      { rooms: [] },
      { rooms: { [a]: -1 } },
      { rooms: { [a]: '1' } },
      { rooms: { 'a\0': 1 } },
      { rooms: {}, limit: 0 },
      { rooms: Object.fromEntries(Array.from({ length: 501 }, (_, n) => [`r${n}`, 0])) },
    ];
    for (const it of bad) await api.refused(400, 704, 'POST /v1/chat/sync', { token: ben, body: it });
  });

  it('says when the store is away, and that it is worth another try', async () => {
    const room = await newRoom();
    storeAway = true;
    try {
      for (const line of [`POST ${ROOMS}/${room}/messages`, 'POST /v1/chat/sync', `GET ${ROOMS}/${room}`]) {
        const body = line.endsWith('sync') ? { rooms: { [room]: 0 } } : { message: 'x' };
        const answer = await api.refused(503, 612, line, { token: ana, body });
        assert.equal(answer.headers['retry-after'], '1');
      }
    } finally {
      storeAway = false;
    }
    await send(room, 'again');
  });
});
