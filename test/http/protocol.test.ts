import { strict as assert } from 'node:assert';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import type { Account } from '../../src/chat/model.ts';
import { openTestApi, type TestApi } from '../support/test-api.ts';

const SECRET = 'broken-on-purpose';

describe('REST: protocol', () => {
  let api: TestApi;
  let token: string;

  beforeAll(async () => {
    api = await openTestApi({
      wrapStore: (store) =>
        new Proxy(store, {
          get: (target, name) => {
            const value: unknown = Reflect.get(target, name);
            if (typeof value !== 'function') return value;
            return (...args: unknown[]): unknown => {
              if (args[0] === 'broken') return Promise.reject(new Error(SECRET));
              return Reflect.apply(value, target, args);
            };
          },
        }),
    });
    token = api.addAccount('ana');
  });
  afterAll(() => api.close());

  it('answers other methods with those that are documented', async () => {
    const allowed: Record<string, string[]> = {
      '/v1/chat/rooms': ['POST', 'GET'],
      '/v1/chat/rooms/x': ['GET', 'PATCH', 'DELETE'],
      '/v1/chat/rooms/x/': ['GET', 'PATCH', 'DELETE'],
      '/v1/chat/rooms/leave/x': ['DELETE'],
      '/v1/chat/rooms/x/messages/y': ['GET', 'PATCH', 'DELETE'],
      '/v1/chat/rooms/x/bans/y': ['PUT', 'DELETE'],
      '/v1/chat/sync': ['POST'],
      '/livez': ['GET'],
    };
    for (const [path, methods] of Object.entries(allowed)) {
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'].filter(
        (it) => !methods.includes(it),
      )) {
        const answer = await api.refused(405, 701, `${method} ${path}`, { token });
        assert.deepEqual(new Set(answer.headers.allow?.split(', ')), new Set(methods), `${method} ${path}`);
      }
      const options = await api.call(`OPTIONS ${path}`);
      assert.deepEqual([options.status, options.text], [204, '']);
      assert.deepEqual(new Set(options.headers.allow?.split(', ')), new Set(methods));
    }
    assert.equal((await api.call('HEAD /v1/chat/sync', { token })).status, 405);
  });

  it('knows no other paths', async () => {
    for (const path of [
      '/v1/chat',
      '/v1',
      '/V1/chat/rooms',
      '/v1/chat/rooms/a/b/c/d',
      '/.env',
      '/docs/package.json',
      '//x',
    ]) {
      await api.refused(404, 702, `GET ${path}`, { token });
    }
    await api.refused(404, 702, 'OPTIONS /nowhere');
    await api.refused(404, 702, 'POST /');
  });

  it('takes JSON only', async () => {
    const types = [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonx',
      '',
    ];
    for (const type of types) {
      const call = { token, body: '{"name":"x"}', headers: { 'content-type': type } };
      const answer = await api.refused(415, 704, 'POST /v1/chat/rooms', call);
      assert.deepEqual(answer.json.data, { fields: ['content-type'] });
    }
    const call = { token, body: '{"name":"x"}', headers: { 'content-type': 'application/json; charset=latin1' } };
    await api.refused(415, 704, 'POST /v1/chat/rooms', call);
    await api.ok(201, 'POST /v1/chat/rooms', {
      token,
      body: '{"name":"typed"}',
      headers: { 'content-type': 'Application/JSON; charset=UTF-8' },
    });
  });

  it('bounds bodies, unpacked ones too', async () => {
    const big = JSON.stringify({ name: 'x'.repeat(1024 * 1024) });
    await api.refused(413, 609, 'POST /v1/chat/rooms', { token, body: big });
    const packed = { token, body: gzipSync(big), headers: { 'content-encoding': 'gzip' } };
    await api.refused(413, 609, 'POST /v1/chat/rooms', packed);
    await api.refused(415, 704, 'POST /v1/chat/rooms', { ...packed, headers: { 'content-encoding': 'zstd' } });
    const small = { token, body: gzipSync('{"name":"packed"}'), headers: { 'content-encoding': 'gzip' } };
    await api.ok(201, 'POST /v1/chat/rooms', small);
    await api.refused(400, 704, 'POST /v1/chat/rooms', { ...small, body: 'no gzip' });
  });

  it('asks who calls before it reads a body', async () => {
    await api.refused(401, 1000, 'POST /v1/chat/rooms', { body: '{' });
    await api.refused(401, 1000, 'POST /v1/chat/rooms', { body: 'x', headers: { 'content-type': 'text/plain' } });
  });

  it('refuses tokens in URLs, says why and repeats none', async () => {
    for (const name of ['token', 'access_token']) {
      for (const line of [`GET /v1/chat/rooms?${name}=${token}`, `POST /v1/accounts/guest?a=b&${name}=${token}`]) {
        const answer = await api.refused(400, 704, line, { token });
        assert.match(String(answer.json.detail), /logs/);
        assert.ok(!answer.text.includes(token));
      }
    }
  });

  it('keeps a well-formed request id and makes one otherwise', async () => {
    const ask = async (id: string) =>
      (await api.call('GET /v1/chat/rooms', { headers: { 'x-request-id': id } })).headers['x-request-id'];
    assert.equal(await ask('my-id_1.2'), 'my-id_1.2');
    for (const id of ['', 'a b', 'x'.repeat(65), '<script>', 'ü'])
      assert.match((await ask(id)) ?? '', /^[\da-f-]{36}$/);
  });

  it('says of its own faults only where to find them', async () => {
    const answer = await api.refused(500, 500, 'GET /v1/chat/rooms/broken', { token });
    assert.ok(!answer.text.includes(SECRET) && !answer.text.includes('.ts'));
    const line = api.lines.find((it) => it.level === 'error' && it.fields.requestId === answer.json.requestId);
    assert.ok(line?.fields.cause instanceof Error && line.fields.cause.message === SECRET);
    assert.equal(answer.json.type, '/docs/errors#internal');
  });

  it('logs a line per request, without paths, queries and tokens, and measures it', async () => {
    const user = api.addAccount('log', { roles: ['user'] } satisfies Partial<Account>);
    await api.ok(200, 'GET /v1/chat/rooms?q=very-private', { token: user, headers: { 'x-request-id': 'logged-1' } });
    await api.refused(404, 600, 'GET /v1/chat/rooms/some-room-id', {
      token: user,
      headers: { 'x-request-id': 'logged-2' },
    });
    await api.refused(404, 702, 'GET /secret-path', { headers: { 'x-request-id': 'logged-3' } });
    const lineOf = (id: string) =>
      api.lines.find((it) => it.level === 'http' && it.fields.requestId === id)?.fields ?? {};
    const { ms, bytes, ...facts } = lineOf('logged-1');
    assert.deepEqual(facts, {
      method: 'GET',
      route: '/v1/chat/rooms',
      status: 200,
      requestId: 'logged-1',
      user: 'log',
    });
    assert.ok(Number(ms) >= 0 && Number(bytes) > 0);
    assert.deepEqual(
      [lineOf('logged-2').route, lineOf('logged-2').status, lineOf('logged-2').code, lineOf('logged-3').route],
      ['/v1/chat/rooms/{id}', 404, 'invalid_chatroom', 'none'],
    );
    const written = JSON.stringify(api.lines.filter((it) => it.level === 'http'));
    for (const secret of ['very-private', 'some-room-id', 'secret-path', user, token])
      assert.ok(!written.includes(secret), secret);
    const seen = api.observed.find((it) => it.route === '/v1/chat/rooms/{id}' && it.status === 404);
    assert.ok(seen && seen.seconds >= 0 && seen.code === 'invalid_chatroom');
    assert.ok(api.observed.every((it) => !/secret-path|some-room/.test(it.route)));
  });

  it('survives clients that go away in the middle of a body', async () => {
    const before = api.observed.length;
    await new Promise<void>((resolve, reject) => {
      const socket = connect(api.port, '127.0.0.1', () => {
        socket.write(
          `POST /v1/chat/rooms HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n` +
            'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"name"',
          () => socket.destroy(),
        );
      });
      socket.on('error', reject);
      socket.on('close', () => resolve());
    });
    const deadline = Date.now() + 5000;
    while (api.observed.length === before && Date.now() < deadline)
      await new Promise((resolve) => setImmediate(resolve));
    assert.equal(api.observed.length, before + 1);
    await api.ok(200, 'GET /livez');
  });
});

describe('REST: headers', () => {
  const withApi = async (corsOrigin: '*' | readonly string[], run: (api: TestApi) => Promise<void>): Promise<void> => {
    const api = await openTestApi({ api: { corsOrigin } });
    try {
      await run(api);
    } finally {
      await api.close();
    }
  };
  const origin = 'https://chat.example.org';
  const preflight = {
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization',
  };

  it('lets no other origin call by default', () =>
    withApi([], async (api) => {
      for (const line of ['GET /livez', 'OPTIONS /v1/chat/rooms']) {
        const { headers } = await api.call(line, { headers: preflight });
        assert.deepEqual(
          Object.keys(headers).filter((it) => it.startsWith('access-control')),
          [],
        );
      }
    }));

  it('lets the origins of the setting call, exactly, and without credentials', () =>
    withApi([origin, 'https://b.example.org'], async (api) => {
      const { status, headers } = await api.call('OPTIONS /v1/chat/rooms', { headers: preflight });
      assert.equal(status, 204);
      assert.equal(headers['access-control-allow-origin'], origin);
      assert.match(headers.vary ?? '', /Origin/);
      assert.match(headers['access-control-allow-methods'] ?? '', /POST/);
      for (const name of ['Authorization', 'Content-Type', 'Idempotency-Key', 'If-Match']) {
        assert.ok(headers['access-control-allow-headers']?.includes(name), name);
      }
      assert.equal(headers['access-control-allow-credentials'], undefined);
      const refused = await api.call('GET /v1/chat/rooms', { headers: { origin } });
      assert.deepEqual([refused.status, refused.headers['access-control-allow-origin']], [401, origin]);
      assert.match(refused.headers['access-control-expose-headers'] ?? '', /Retry-After/);
      for (const other of ['https://evil.example.org', `${origin}.evil.org`, 'http://chat.example.org', 'null']) {
        const answer = await api.call('GET /livez', { headers: { origin: other } });
        assert.equal(answer.headers['access-control-allow-origin'], undefined, other);
        assert.match(answer.headers.vary ?? '', /Origin/);
      }
    }));

  it('lets everybody call with *', () =>
    withApi('*', async (api) => {
      const { headers } = await api.call('GET /livez', { headers: { origin } });
      assert.deepEqual(
        [headers['access-control-allow-origin'], headers['access-control-allow-credentials']],
        ['*', undefined],
      );
    }));

  it('protects the page, and promises https only over https', () =>
    withApi([], async (api) => {
      const plain = (await api.call('GET /docs')).headers;
      const policy = new Map(
        (plain['content-security-policy'] ?? '').split(';').map((it) => {
          const [name = '', ...values] = it.trim().split(' ');
          return [name, values.join(' ')] as const;
        }),
      );
      assert.equal(policy.get('default-src'), "'self'");
      assert.equal(policy.get('script-src'), "'self'");
      assert.equal(policy.get('style-src'), "'self'");
      assert.equal(policy.get('img-src'), "'self' blob: data:");
      assert.equal(policy.get('connect-src'), "'self' ws: wss:");
      assert.equal(policy.get('frame-ancestors'), "'none'");
      assert.equal(policy.has('upgrade-insecure-requests'), false);
      assert.equal(plain['strict-transport-security'], undefined);
      assert.equal(plain['x-powered-by'], undefined);
      assert.deepEqual([plain['x-content-type-options'], plain['x-frame-options']], ['nosniff', 'DENY']);
      const secure = (await api.call('GET /docs', { headers: { 'x-forwarded-proto': 'https' } })).headers;
      assert.match(secure['content-security-policy'] ?? '', /upgrade-insecure-requests/);
      assert.match(secure['strict-transport-security'] ?? '', /max-age/);
    }));

  it('believes no proxy that is not trusted', async () => {
    const api = await openTestApi({ api: { trustProxy: false } });
    try {
      const { headers } = await api.call('GET /livez', { headers: { 'x-forwarded-proto': 'https' } });
      assert.equal(headers['strict-transport-security'], undefined);
    } finally {
      await api.close();
    }
  });
});
