import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RemoteAccounts } from '../../src/drivers/accounts/remote/remote-accounts.ts';
import { accountsContract, hashOf, rejectionOf } from './accounts-contract.ts';

const PATH = '/v1/accounts/validate';

type Answer = (token: string, response: ServerResponse, request: IncomingMessage) => void;

interface Service {
  readonly url: URL;
  answer: Answer;
  /** Tokens asked about, in order. */
  readonly asked: string[];
  /** Questions open at a time, at most so far. */
  most: number;
  close(): Promise<void>;
}

/** An account service of which a test says what it answers. */
async function startService(answer: Answer): Promise<Service> {
  let open = 0;
  const server = createServer((request, response) => {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    service.asked.push(token);
    open += 1;
    service.most = Math.max(service.most, open);
    response.once('close', () => {
      open -= 1;
    });
    service.answer(token, response, request);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  const service: Service = {
    url: new URL(`http://127.0.0.1:${port}`),
    answer,
    asked: [],
    most: 0,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
  return service;
}

const json =
  (body: unknown, status = 200): Answer =>
  (_token, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };

/** Every token is its own user. */
const everybody: Answer = (token, response, request) =>
  json({ user: token, name: token, type: 1, roles: ['user'] })(token, response, request);

const silence: Answer = () => {};

accountsContract('remote', async () => {
  let passedMs = 0;
  const known = new Map<string, { expiresAt: string }>();
  const service = await startService((token, response, request) => {
    const found = known.get(token);
    if (found === undefined) json({ error: 'unknown' }, 401)(token, response, request);
    else json(found)(token, response, request);
  });
  const accounts = new RemoteAccounts({
    server: service.url,
    path: PATH,
    cacheMs: 30_000,
    timeoutMs: 1000,
    now: () => Date.now() + passedMs,
  });
  return {
    accounts,
    issue: async (facts, lifetimeMs) => {
      const token = `opaque-${known.size}-token`;
      known.set(token, { ...facts, expiresAt: new Date(Date.now() + passedMs + lifetimeMs).toISOString() });
      return token;
    },
    passMs: (ms) => {
      passedMs += ms;
    },
    close: async () => {
      await accounts.close();
      await service.close();
    },
  };
});

describe('RemoteAccounts', () => {
  let service: Service;
  let accounts: RemoteAccounts;
  let passedMs = 0;

  const connect = (options: { server?: URL; timeoutMs?: number; cacheMs?: number; openMs?: number } = {}) =>
    new RemoteAccounts({
      server: service.url,
      path: PATH,
      cacheMs: 30_000,
      timeoutMs: 300,
      now: () => Date.now() + passedMs,
      ...options,
    });
  const codeOf = (token: string, options?: { fresh?: boolean }) =>
    rejectionOf(accounts.validate(token, options), token);

  beforeEach(async () => {
    passedMs = 0;
    service = await startService(everybody);
    accounts = connect();
  });
  afterEach(async () => {
    await accounts.close();
    await service.close();
  });

  it('asks with the bearer at the path below the server', async () => {
    const seen: string[] = [];
    service.answer = (token, response, request) => {
      seen.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      everybody(token, response, request);
    };
    await accounts.close();
    accounts = connect({ server: new URL('/base/', service.url) });
    await accounts.validate('secret-1');
    expect(seen).toEqual([`GET /base${PATH} Bearer secret-1`]);
  });

  it('believes an answer for cacheMs, and no longer than the token lives', async () => {
    await accounts.validate('a');
    passedMs = 29_000;
    await accounts.validate('a');
    expect(service.asked).toHaveLength(1);
    passedMs = 30_500;
    await accounts.validate('a');
    expect(service.asked).toHaveLength(2);

    const expiresAt = new Date(Date.now() + passedMs + 2000).toISOString();
    service.answer = json({ user: 'b', name: 'b', type: 1, roles: [], expiresAt });
    await accounts.validate('b');
    passedMs += 2500;
    expect(await codeOf('b')).toBe('invalid_token');
    expect(service.asked).toHaveLength(4);
  });

  it('asks past the cache when told to, and drops what was revoked', async () => {
    await accounts.validate('a');
    await accounts.validate('a', { fresh: true });
    expect(service.asked).toHaveLength(2);
    service.answer = json({}, 401);
    expect(await codeOf('a', { fresh: true })).toBe('invalid_token');
    expect(await codeOf('a')).toBe('invalid_token');
  });

  it('forgets a token by its hash, a user with all tokens, and nobody else', async () => {
    service.answer = (token, response, request) =>
      json({ user: token.slice(0, 1), name: 'n', type: 1, roles: [] })(token, response, request);
    const all = ['a1', 'a2', 'b1'];
    const askedAgain = async () => {
      service.asked.length = 0;
      for (const it of all) await accounts.validate(it);
      return [...service.asked];
    };
    expect(await askedAgain()).toEqual(all);
    expect(await askedAgain()).toEqual([]);
    accounts.forget({ tokenHash: hashOf('a2') });
    expect(await askedAgain()).toEqual(['a2']);
    accounts.forget({ user: 'a' });
    expect(await askedAgain()).toEqual(['a1', 'a2']);
  });

  it.each([
    ['user', { user: 'a' }],
    ['token', { tokenHash: hashOf('a') }],
  ])('does not keep an answer that was under way when its %s was forgotten', async (_what, subject) => {
    const waiting: (() => void)[] = [];
    service.answer = (token, response, request) => waiting.push(() => everybody(token, response, request));
    await accounts.close();
    accounts = connect({ timeoutMs: 1500 });
    const first = accounts.validate('a');
    await until(() => waiting.length === 1);
    accounts.forget(subject);
    service.answer = json({}, 401);
    expect(await codeOf('a')).toBe('invalid_token');
    waiting[0]?.();
    expect(await first).toMatchObject({ user: 'a' });
    expect(await codeOf('a')).toBe('invalid_token');
  });

  it.each([
    ['401', json({}, 401)],
    ['403', json({}, 403)],
    ['401 without JSON', ((_t, response) => response.writeHead(401).end('<html>')) satisfies Answer],
    ['200 with an error', json({ error: { code: 1000 } })],
    ['200 with an error and an account', json({ error: 'revoked', user: 'a', name: 'a', type: 1, roles: [] })],
    ['an expired account', json({ user: 'a', name: 'a', type: 1, roles: [], expiresAt: '2020-01-01T00:00:00Z' })],
  ] as [string, Answer][])('refuses on %s, and goes on asking', async (_name, answer) => {
    service.answer = answer;
    for (let n = 0; n < 8; n += 1) expect(await codeOf(`secret-${n}`)).toBe('invalid_token');
    expect(service.asked).toHaveLength(8);
    service.answer = everybody;
    expect(await accounts.validate('secret-0')).toMatchObject({ user: 'secret-0' });
  });

  it.each([
    ['500', json({}, 500)],
    ['503', json({ user: 'a', name: 'a', type: 1, roles: [] }, 503)],
    ['404', json({}, 404)],
    ['204', ((_t, response) => response.writeHead(204).end()) satisfies Answer],
    ['201 with an account', json({ user: 'a', name: 'a', type: 1, roles: [] }, 201)],
    ['no JSON', ((_t, response) => response.end('<html>hello</html>')) satisfies Answer],
    ['JSON null', json(null)],
    ['an account without a user', json({ name: 'a', type: 1, roles: [] })],
    ['an account of an unknown type', json({ user: 'a', name: 'a', type: 9, roles: [] })],
    ['roles that are none', json({ user: 'a', name: 'a', type: 1, roles: 'admin' })],
    ['a connection reset', ((_t, _response, request) => request.socket.resetAndDestroy()) satisfies Answer],
    [
      'half an answer',
      ((_t, response, request) => {
        response.writeHead(200, { 'content-length': '100' }).write('{"user"');
        setImmediate(() => request.socket.destroy());
      }) satisfies Answer,
    ],
    ['no answer', silence],
    [
      'an answer that never ends',
      ((_t, response) => {
        response.writeHead(200).write('{');
      }) satisfies Answer,
    ],
  ] as [string, Answer][])('takes %s for away, and never for an account', async (_name, answer) => {
    service.answer = answer;
    expect(await codeOf('a-secret-1')).toBe('account_service');
    service.answer = everybody;
    expect(await accounts.validate('a-secret-1')).toMatchObject({ user: 'a-secret-1' });
  });

  it('follows no redirect, so that no one else gets the token', async () => {
    const other = await startService(everybody);
    try {
      service.answer = (_token, response) => response.writeHead(302, { location: `${other.url.href}x` }).end();
      expect(await codeOf('a')).toBe('account_service');
      expect(other.asked).toEqual([]);
    } finally {
      await other.close();
    }
  });

  it('reads no more than 64 KiB', async () => {
    let sent = 0;
    service.answer = (_token, response) => {
      const more = () => {
        while (!response.destroyed && sent < 50_000_000) {
          sent += 16_384;
          if (!response.write(Buffer.alloc(16_384, 32))) return;
        }
      };
      response.on('drain', more);
      more();
    };
    await accounts.close();
    accounts = connect({ timeoutMs: 1500 });
    expect(await codeOf('a')).toBe('account_service');
    expect(sent).toBeLessThan(20_000_000);
  });

  it('is away when nothing listens', async () => {
    const gone = await startService(everybody);
    await gone.close();
    await accounts.close();
    accounts = connect({ server: gone.url });
    expect(await codeOf('a')).toBe('account_service');
  });

  it('serves cached tokens while the service is away', async () => {
    await accounts.validate('a');
    service.answer = silence;
    const startedAt = performance.now();
    expect(await accounts.validate('a')).toMatchObject({ user: 'a' });
    expect(performance.now() - startedAt).toBeLessThan(100);
    expect(await codeOf('a', { fresh: true })).toBe('account_service');
    expect(await accounts.validate('a')).toMatchObject({ user: 'a' });
  });

  it('asks once for 500 callers with one token', async () => {
    const found = await Promise.all(Array.from({ length: 500 }, () => accounts.validate('a')));
    expect(new Set(found.map((it) => it.user))).toEqual(new Set(['a']));
    expect(service.asked).toEqual(['a']);
  });

  it('asks for 500 different tokens, 50 at a time', async () => {
    await accounts.close();
    accounts = connect({ timeoutMs: 600 });
    service.answer = (token, response, request) => setTimeout(() => everybody(token, response, request), 5);
    const tokens = Array.from({ length: 500 }, (_, n) => `t${n}`);
    const found = await Promise.all(tokens.map((it) => accounts.validate(it)));
    expect(found.map((it) => it.user)).toEqual(tokens);
    expect(service.most).toBeGreaterThan(10);
    expect(service.most).toBeLessThanOrEqual(50);
  });

  it('answers 500 unknown tokens within 2 s when the service hangs, and accepts none', async () => {
    await accounts.close();
    accounts = connect({ timeoutMs: 1000 });
    service.answer = silence;
    const startedAt = performance.now();
    const codes = await Promise.all(Array.from({ length: 500 }, (_, n) => codeOf(`secret-${n}-x`)));
    expect(performance.now() - startedAt).toBeLessThan(2000);
    expect(new Set(codes)).toEqual(new Set(['account_service']));
    expect(service.most).toBeLessThanOrEqual(50);
    expect(service.asked.length).toBeLessThan(100);
  });

  it('stops asking after 5 failures in a row, and tries again after a while', async () => {
    await accounts.close();
    accounts = connect({ openMs: 150 });
    service.answer = json({}, 500);
    for (let n = 0; n < 5; n += 1) expect(await codeOf(`t${n}`)).toBe('account_service');
    const openedAt = performance.now();
    service.answer = everybody;
    expect(await codeOf('t5')).toBe('account_service');
    expect(service.asked).toHaveLength(5);
    await until(async () => (await codeOf('t6')) === 'none');
    expect(performance.now() - openedAt).toBeGreaterThanOrEqual(145);
    expect(service.asked).toHaveLength(6);
  });

  it('does not blame the service for callers that found no turn', async () => {
    await accounts.close();
    accounts = connect({ timeoutMs: 1500 });
    service.answer = (token, response, request) => setTimeout(() => everybody(token, response, request), 500);
    const codes = await Promise.all(Array.from({ length: 200 }, (_, n) => codeOf(`t${n}`)));
    expect(codes.filter((it) => it === 'none').length).toBeGreaterThanOrEqual(50);
    expect(codes).toContain('account_service');
    service.answer = everybody;
    expect(await codeOf('late')).toBe('none');
  });

  it('tells callers under way when it is closed', async () => {
    service.answer = silence;
    const code = codeOf('a');
    await until(() => service.asked.length === 1);
    await accounts.close();
    expect(await code).toBe('account_service');
  });
});

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error('did not come true within 5 s');
    await new Promise((next) => setTimeout(next, 5));
  }
}
