import { strict as assert } from 'node:assert';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { openTestApi, type TestApi } from '../support/test-api.ts';

const ROOMS = '/v1/chat/rooms';

describe('REST: rooms', () => {
  let api: TestApi;
  let ana: string;
  let ben: string;

  beforeAll(async () => {
    api = await openTestApi({ settings: { rooms: { count: 1000, windowMs: 1000 } } });
    ana = api.addAccount('ana');
    ben = api.addAccount('ben');
  });
  afterAll(() => api.close());

  const newRoom = async (name: string, more: object = {}): Promise<string> =>
    String((await api.ok(201, `POST ${ROOMS}`, { token: ana, body: { name, ...more } })).id);

  it('creates a room and says where it is', async () => {
    const answer = await api.call(`POST ${ROOMS}`, { token: ana, body: { name: '  Café  ', topic: 'tea' } });
    assert.equal(answer.status, 201);
    const { id, createdAt, epoch, ...rest } = answer.json;
    assert.deepEqual(rest, {
      name: 'Café',
      topic: 'tea',
      visibility: 'public',
      owner: 'ana',
      slowModeMs: 0,
      count: 1,
      isUser: true,
      role: 'owner',
      headSeq: 0,
      firstSeq: 1,
      rev: 0,
      version: 1,
    });
    assert.match(String(createdAt), /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/);
    assert.equal(typeof epoch, 'string');
    assert.equal(answer.headers.location, `${ROOMS}/${id}`);
    assert.equal(answer.headers.etag, '"1"');
    assert.equal(answer.headers['cache-control'], 'no-store');
    const read = await api.call(`GET ${answer.headers.location}`, { token: ana });
    assert.deepEqual([read.status, read.headers.etag, read.json], [200, '"1"', answer.json]);
    const seen = await api.ok(200, `GET ${answer.headers.location}`, { token: ben });
    assert.deepEqual([seen.isUser, 'role' in seen], [false, false]);
  });

  it('refuses a taken public name and tells nothing of private ones', async () => {
    await newRoom('Taken');
    await api.refused(409, 703, `POST ${ROOMS}`, { token: ben, body: { name: 'tAKEN' } });
    await newRoom('Hidden', { visibility: 'private' });
    await api.ok(201, `POST ${ROOMS}`, { token: ben, body: { name: 'Hidden' } });
    await api.ok(201, `POST ${ROOMS}`, { token: ben, body: { name: 'Hidden', visibility: 'private' } });
    await api.refused(409, 703, `POST ${ROOMS}`, { token: ana, body: { name: 'hidden', visibility: 'private' } });
  });

  it('limits how many rooms one user makes', async () => {
    const own = await openTestApi({ settings: { rooms: { count: 2, windowMs: 60_000 } } });
    try {
      const token = own.addAccount('ana');
      await own.ok(201, `POST ${ROOMS}`, { token, body: { name: 'a' } });
      await own.refused(409, 703, `POST ${ROOMS}`, { token, body: { name: 'A' } });
      await own.ok(201, `POST ${ROOMS}`, { token, body: { name: 'b' } });
      const answer = await own.refused(429, 429, `POST ${ROOMS}`, { token, body: { name: 'c' } });
      const seconds = Number(answer.headers['retry-after']);
      assert.ok(Number.isInteger(seconds) && seconds >= 1 && seconds <= 60, answer.headers['retry-after']);
    } finally {
      await own.close();
    }
  });

  it('pages through the list by next and by Link', async () => {
    const token = api.addAccount('pia');
    for (const name of ['page 1', 'page 2', 'page 3', 'page 4', 'page 5']) await newRoom(name);
    const mine = String((await api.ok(201, `POST ${ROOMS}`, { token, body: { name: 'page 9' } })).id);
    const seen: string[] = [];
    let path: string | undefined = `${ROOMS}?q=PAGE&limit=2`;
    let pages = 0;
    while (path !== undefined && pages < 10) {
      const { status, json, headers } = await api.call(`GET ${path}`, { token });
      assert.equal(status, 200);
      for (const room of json.rooms as { name: string }[]) seen.push(room.name);
      pages += 1;
      path = /^<(.+)>; rel="next"$/.exec(headers.link ?? '')?.[1];
      assert.equal(path === undefined, json.next === undefined);
      if (path) assert.equal(new URL(path, 'http://a').searchParams.get('cursor'), json.next);
    }
    assert.deepEqual(seen, ['page 9', 'page 1', 'page 2', 'page 3', 'page 4', 'page 5']);
    assert.equal(pages, 3);
    const own = await api.ok(200, `GET ${ROOMS}?mine=true&limit=1000`, { token });
    assert.deepEqual(
      (own.rooms as { id: string }[]).map((it) => it.id),
      [mine],
    );
    const { next } = await api.ok(200, `GET ${ROOMS}?limit=2`, { token });
    await api.refused(400, 704, `GET ${ROOMS}?mine=true&cursor=${next}`, { token });
    for (const query of [
      'limit=0',
      'limit=-1',
      'limit=x',
      'limit=',
      'limit=1.5',
      'mine=maybe',
      'cursor=abc',
      'q=%00',
    ]) {
      const { json } = await api.refused(400, 704, `GET ${ROOMS}?${query}`, { token });
      assert.deepEqual((json.data as { fields: string[] }).fields, [query.split('=')[0]]);
    }
  });

  it('changes a room only from the version that was seen', async () => {
    const id = await newRoom('versions');
    const patch = (topic: string, tag?: string) =>
      api.call(`PATCH ${ROOMS}/${id}`, {
        token: ana,
        body: { topic },
        headers: tag === undefined ? {} : { 'if-match': tag },
      });
    const first = await patch('one', '"1"');
    assert.deepEqual([first.status, first.headers.etag, first.json.version], [200, '"2"', 2]);
    for (const tag of ['"1"', 'W/"2"', '2', '"x"', '']) {
      const stale = await patch('lost', tag);
      assert.deepEqual([stale.status, stale.json.error], [412, 701], tag);
    }
    assert.equal((await patch('two', '*')).status, 200);
    assert.equal((await patch('three')).json.topic, 'three');
    await api.refused(412, 701, `DELETE ${ROOMS}/${id}`, { token: ana, headers: { 'if-match': '"1"' } });
    await api.ok(204, `DELETE ${ROOMS}/${id}`, { token: ana, headers: { 'if-match': '"4"' } });
    await api.refused(404, 600, `GET ${ROOMS}/${id}`, { token: ana });
    await api.refused(404, 600, `DELETE ${ROOMS}/${id}`, { token: ana });
  });

  it('never answers a room from a cache: its ETag does not name its messages', async () => {
    const id = await newRoom('cached');
    await api.ok(200, `GET ${ROOMS}/${id}`, { token: ana, headers: { 'if-none-match': '"1"' } });
  });

  it('patches every field and refuses an empty patch', async () => {
    const id = await newRoom('fields');
    const body = { name: 'fields 2', topic: 't', visibility: 'private', slowModeMs: 5000 };
    const after = await api.ok(200, `PATCH ${ROOMS}/${id}`, { token: ana, body });
    for (const [name, value] of Object.entries(body)) assert.equal(after[name], value);
    await api.refused(400, 704, `PATCH ${ROOMS}/${id}`, { token: ana, body: {} });
    await api.refused(400, 704, `PATCH ${ROOMS}/${id}`, { token: ana });
    await newRoom('fields 3');
    await api.refused(409, 703, `PATCH ${ROOMS}/${id}`, {
      token: ana,
      body: { name: 'FIELDS 3', visibility: 'public' },
    });
  });

  it('answers HEAD like GET, without the body', async () => {
    const id = await newRoom('head');
    const answer = await api.call(`HEAD ${ROOMS}/${id}`, { token: ana });
    assert.deepEqual([answer.status, answer.text, answer.headers.etag], [200, '', '"1"']);
    assert.ok(Number(answer.headers['content-length']) > 0);
  });
});
