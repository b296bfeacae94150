import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CompactSign, type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';
import { JwtAccounts } from '../../src/drivers/accounts/jwt/jwt-accounts.ts';
import { eventually } from '../support/eventually.ts';
import { accountsContract, hashOf, rejectionOf } from './accounts-contract.ts';

interface Key {
  readonly alg: string;
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  /** As the issuer publishes it. */
  readonly jwk: JWK;
}

async function newKey(kid: string, alg = 'ES256'): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

type Answer = (response: ServerResponse) => void;

const json =
  (body: unknown, status = 200): Answer =>
  (response) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const keySet = (...keys: readonly Key[]): Answer => json({ keys: keys.map((it) => it.jwk) });
const silence: Answer = () => {};

interface Issuer {
  readonly url: URL;
  answer: Answer;
  /** Paths asked for, in order. */
  readonly asked: string[];
  close(): Promise<void>;
}

/** The address of a key set, of which a test says what it answers. `port` takes that of one that is gone. */
async function startIssuer(answer: Answer, port = 0): Promise<Issuer> {
  const server = createServer((request, response) => {
    issuer.asked.push(request.url ?? '');
    issuer.answer(response);
  });
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening));
  const issuer: Issuer = {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/keys?tenant=t`),
    answer,
    asked: [],
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
  return issuer;
}

const seconds = (ms: number): number => Math.floor(ms / 1000);
const ISSUER = 'https://login.example.org/';
const AUDIENCE = 'parley';

/** A good token, but for what a test changes; what is `undefined` is left out. */
function sign(key: Key, claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) {
  const iat = seconds(Date.now());
  const all = { sub: 'u-1', iss: ISSUER, aud: AUDIENCE, iat, exp: iat + 600, name: 'One', ...claims };
  return new SignJWT(all).setProtectedHeader({ alg: key.alg, kid: key.kid, ...header }).sign(key.privateKey);
}

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

accountsContract('jwt', async () => {
  let passedMs = 0;
  const key = await newKey('k-1');
  const issuer = await startIssuer(keySet(key));
  const now = () => Date.now() + passedMs;
  const accounts = new JwtAccounts({ jwksUrl: issuer.url, cacheMs: 30_000, timeoutMs: 1000, now });
  return {
    accounts,
    issue: ({ user, name, type, roles }, lifetimeMs) =>
      sign(key, { sub: user, name, type, roles, iat: seconds(now()), exp: seconds(now() + lifetimeMs) }),
    passMs: (ms) => {
      passedMs += ms;
    },
    close: async () => {
      await accounts.close();
      await issuer.close();
    },
  };
});

describe('JwtAccounts', () => {
  let key: Key;
  let nextKey: Key;
  let rsa: Key;
  let stranger: Key;
  beforeAll(async () => {
    key = await newKey('k-1');
    nextKey = await newKey('k-2');
    rsa = await newKey('k-rsa', 'RS256');
    stranger = await newKey('k-1');
  });

  let issuer: Issuer;
  let accounts: JwtAccounts;
  let passedMs = 0;
  const logged: string[] = [];
  const log = {
    info: (message: string) => void logged.push(`info ${message}`),
    warn: (message: string) => void logged.push(`warn ${message}`),
  };

  const connect = (options: Partial<ConstructorParameters<typeof JwtAccounts>[0]> = {}) =>
    new JwtAccounts({
      jwksUrl: issuer.url,
      issuer: ISSUER,
      audience: AUDIENCE,
      cacheMs: 30_000,
      timeoutMs: 300,
      retryMs: 50,
      cooldownMs: 0,
      now: () => Date.now() + passedMs,
      log,
      ...options,
    });
  const reconnect = async (options?: Parameters<typeof connect>[0]) => {
    await accounts.close();
    logged.length = 0;
    accounts = connect(options);
  };
  const codeOf = (token: string, options?: { fresh?: boolean }) =>
    rejectionOf(accounts.validate(token, options), token);
  const isReached = () => eventually('the keys are here', () => accounts.reach === 'here');

  beforeEach(async () => {
    passedMs = 0;
    logged.length = 0;
    issuer = await startIssuer(keySet(key, rsa));
    accounts = connect();
  });
  afterEach(async () => {
    await accounts.close();
    await issuer.close();
  });

  describe('claims', () => {
    it('become an account', async () => {
      const [iat, exp] = [seconds(Date.now()) - 10, seconds(Date.now()) + 60];
      const token = await sign(key, { sub: 'u-ana', name: 'Ana Μαρία', type: 2, roles: ['user', 'admin'], iat, exp });
      expect(await accounts.validate(token)).toEqual({
        user: 'u-ana',
        name: 'Ana Μαρία',
        type: 2,
        roles: ['user', 'admin'],
        issuedAt: iat * 1000,
        expiresAt: exp * 1000,
      });
    });

    it('may be few: a user, nothing but role user, and older than any revocation', async () => {
      const token = await sign(key, { name: undefined, iat: undefined });
      const { expiresAt, ...account } = await accounts.validate(token);
      expect(account).toEqual({ user: 'u-1', name: 'u-1', type: 1, roles: ['user'], issuedAt: 0 });
      expect(expiresAt).toBeGreaterThan(Date.now());
    });

    it.each([
      ['name', { name: 'Ana', preferred_username: 'ana' }, 'Ana'],
      ['preferred_username without a name', { name: undefined, preferred_username: 'ana' }, 'ana'],
      ['preferred_username when the name shows nothing', { name: ' ', preferred_username: 'ana' }, 'ana'],
      ['sub when both are none', { name: 7, preferred_username: null }, 'u-1'],
      ['a long name, cut between characters', { name: `${'x'.repeat(79)}😀` }, `${'x'.repeat(79)}\ufffd`],
      ['a long sub, cut', { sub: 's'.repeat(128), name: undefined }, 's'.repeat(80)],
    ])('give the name: %s', async (_what, claims, name) => {
      expect((await accounts.validate(await sign(key, claims))).name).toBe(name);
    });

    it.each([
      ['no sub', { sub: undefined }],
      ['an empty sub', { sub: '' }],
      ['a blank sub', { sub: '  ', name: undefined }],
      ['a sub that is no text', { sub: 7 }],
      ['a sub with NUL', { sub: 'a\0b' }],
      ['a sub that is too long', { sub: 's'.repeat(129) }],
      ['no exp', { exp: undefined }],
      ['an exp that is no number', { exp: '2099-01-01' }],
      ['an exp past all dates', { exp: 1e300 }],
      ['an exp of now', { exp: seconds(Date.now()) }],
      ['an exp long ago', { exp: 1 }],
      ['an iat in the future', { iat: seconds(Date.now()) + 60 }],
      ['an iat that is no number', { iat: 'yesterday' }],
      ['an nbf in the future', { nbf: seconds(Date.now()) + 60 }],
      ['another issuer', { iss: 'https://elsewhere.example.org/' }],
      ['no issuer', { iss: undefined }],
      ['another audience', { aud: 'mail' }],
      ['other audiences', { aud: ['mail', 'calendar'] }],
      ['no audience', { aud: undefined }],
      ['an unknown type', { type: 4 }],
      ['a type that is no number', { type: '1' }],
      ['roles that are no list', { roles: 'admin' }],
      ['roles that are no texts', { roles: [{ name: 'admin' }] }],
      ['too many roles', { roles: Array.from({ length: 65 }, (_, n) => `r${n}`) }],
    ])('are refused with %s', async (_what, claims) => {
      await isReached();
      expect(await codeOf(await sign(key, claims))).toBe('invalid_token');
      expect(accounts.reach).toBe('here');
    });

    it('of an issuer whose clock is ahead a little are accepted', async () => {
      const ahead = seconds(Date.now()) + 3;
      const token = await sign(key, { iat: ahead, nbf: ahead, aud: ['mail', AUDIENCE] });
      expect(await accounts.validate(token)).toMatchObject({ user: 'u-1' });
    });

    it('of any issuer and audience are accepted when none is set', async () => {
      await accounts.close();
      accounts = new JwtAccounts({ jwksUrl: issuer.url, cacheMs: 1000, timeoutMs: 300 });
      for (const claims of [
        { iss: undefined, aud: undefined },
        { iss: 'x', aud: 'y' },
      ]) {
        expect(await accounts.validate(await sign(key, claims))).toMatchObject({ user: 'u-1' });
      }
    });

    it('that do not fit are named, and not quoted', async () => {
      const refusal = await accounts.validate(await sign(key, { aud: 'hunter2' })).catch((error: unknown) => error);
      expect(refusal).toMatchObject({ message: 'the token has a claim that does not fit: aud; get a new one' });
      expect(refusal).not.toHaveProperty('cause');
    });
  });

  describe('signatures', () => {
    it.each(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'])(
      'of %s are accepted',
      async (alg) => {
        const own = await newKey(alg, alg);
        issuer.answer = keySet(own, key);
        await reconnect();
        expect(await accounts.validate(await sign(own))).toMatchObject({ user: 'u-1' });
      },
    );

    it('of a stranger who uses the name of a known key are refused', async () => {
      expect(await codeOf(await sign(stranger))).toBe('invalid_token');
    });

    it('of a key that the token brings along are refused, and nothing is fetched from where it points', async () => {
      const elsewhere = await startIssuer(keySet(stranger));
      try {
        await isReached();
        for (const header of [
          { jwk: stranger.jwk },
          { jku: elsewhere.url.href },
          { x5u: elsewhere.url.href },
          { jwk: stranger.jwk, kid: 'own' },
        ]) {
          expect(await codeOf(await sign(stranger, {}, header))).toBe('invalid_token');
        }
        expect(elsewhere.asked).toEqual([]);
      } finally {
        await elsewhere.close();
      }
    });

    it('are not made with the public key as a shared secret', async () => {
      await isReached();
      const secrets = [await exportSPKI(rsa.publicKey), JSON.stringify(rsa.jwk), rsa.jwk.n ?? ''].map((it) =>
        Buffer.from(it),
      );
      const claims = { sub: 'eve', iss: ISSUER, aud: AUDIENCE, exp: seconds(Date.now()) + 600 };
      for (const secret of secrets) {
        for (const alg of ['HS256', 'HS384', 'HS512']) {
          const token = await new SignJWT(claims).setProtectedHeader({ alg, kid: rsa.kid }).sign(secret);
          expect(await codeOf(token)).toBe('invalid_token');
        }
      }
    });

    it('of a shared secret that stands among the keys are refused', async () => {
      const secret = Buffer.alloc(32, 7);
      issuer.answer = json({ keys: [{ kty: 'oct', kid: 'oct', alg: 'HS256', k: secret.toString('base64url') }] });
      await reconnect();
      const claims = { sub: 'eve', iss: ISSUER, aud: AUDIENCE, exp: seconds(Date.now()) + 600 };
      const token = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'oct' }).sign(secret);
      expect(await codeOf(token)).toBe('invalid_token');
    });

    it('are not left out', async () => {
      await isReached();
      const claims = { sub: 'eve', iss: ISSUER, aud: AUDIENCE, exp: seconds(Date.now()) + 600 };
      const [head = '', body = '', signature = ''] = (await sign(key)).split('.');
      for (const token of [
        `${part({ alg: 'none' })}.${part(claims)}.`,
        `${part({ alg: 'none', kid: key.kid })}.${part(claims)}.${signature}`,
        `${part({ alg: 'None' })}.${part(claims)}.AAAA`,
        `${part({ kid: key.kid })}.${part(claims)}.${signature}`,
        `${head}.${body}.`,
        `${head}.${body}`,
        `${head}.${part(claims)}.${signature}`,
        `${part({ alg: 'ES256', kid: key.kid, crit: ['b64'], b64: false })}.${body}.${signature}`,
        `${head}.${body}.${signature}.AAAA.AAAA`,
      ]) {
        expect(await codeOf(token)).toBe('invalid_token');
      }
    });

    it('of the wrong algorithm for their key are refused', async () => {
      const pss = await new SignJWT({ sub: 'u-1', iss: ISSUER, aud: AUDIENCE, exp: seconds(Date.now()) + 600 })
        .setProtectedHeader({ alg: 'ES256', kid: rsa.kid })
        .sign(key.privateKey);
      expect(await codeOf(pss)).toBe('invalid_token');
    });

    it('over something that is no set of claims are refused', async () => {
      for (const payload of ['[]', 'null', '"text"', 'no JSON']) {
        const token = await new CompactSign(Buffer.from(payload))
          .setProtectedHeader({ alg: key.alg, kid: key.kid })
          .sign(key.privateKey);
        expect(await codeOf(token)).toBe('invalid_token');
      }
    });

    it('that name no key are tried with all that would do', async () => {
      issuer.answer = keySet(nextKey, key, rsa);
      await reconnect();
      for (const it of [key, nextKey, rsa]) {
        expect(await accounts.validate(await sign(it, { sub: it.kid }, { kid: undefined }))).toMatchObject({
          user: it.kid,
        });
      }
      expect(await codeOf(await sign(stranger, {}, { kid: undefined }))).toBe('invalid_token');
      expect(await codeOf(await sign(key, { exp: 1 }, { kid: undefined }))).toBe('invalid_token');
    });

    it('of more than 8 KiB are refused before anything else', async () => {
      await isReached();
      const huge = await sign(key, { padding: 'x'.repeat(8192) });
      expect(await codeOf(huge)).toBe('invalid_token');
      expect(await accounts.validate(await sign(key, { padding: 'x'.repeat(4000) }))).toMatchObject({ user: 'u-1' });
      const startedAt = performance.now();
      expect(await codeOf(`${'a'.repeat(5_000_000)}.b.c`)).toBe('invalid_token');
      expect(performance.now() - startedAt).toBeLessThan(200);
    });
  });

  describe('keys', () => {
    it('are fetched at once, from the address with its query, and once for many callers', async () => {
      const tokens = await Promise.all(Array.from({ length: 100 }, (_, n) => sign(key, { sub: `u-${n}` })));
      await reconnect();
      issuer.asked.length = 0;
      const found = await Promise.all(tokens.map((it) => accounts.validate(it)));
      expect(found.map((it) => it.user)).toEqual(tokens.map((_, n) => `u-${n}`));
      expect(new Set(issuer.asked)).toEqual(new Set(['/keys?tenant=t']));
      expect(issuer.asked.length).toBeLessThanOrEqual(1);
    });

    it('that are new are fetched when a token names them, and withdrawn ones are gone then', async () => {
      const old = await sign(key);
      await accounts.validate(old);
      issuer.answer = keySet(nextKey);
      expect(await accounts.validate(await sign(nextKey, { sub: 'u-2' }))).toMatchObject({ user: 'u-2' });
      expect(await codeOf(old, { fresh: true })).toBe('invalid_token');
      expect(await codeOf(old)).toBe('invalid_token');
    });

    it('that nobody has make us fetch once per cooldown only', async () => {
      await reconnect({ cooldownMs: 60_000 });
      await isReached();
      issuer.asked.length = 0;
      const tokens = await Promise.all(Array.from({ length: 50 }, (_, n) => sign(stranger, {}, { kid: `guess-${n}` })));
      const codes = await Promise.all(tokens.map((it) => codeOf(it)));
      expect(new Set(codes)).toEqual(new Set(['invalid_token']));
      expect(issuer.asked).toEqual([]);

      await reconnect({ cooldownMs: 300 });
      await isReached();
      issuer.asked.length = 0;
      issuer.answer = keySet(key, nextKey);
      const token = await sign(nextKey);
      await eventually('the cooldown is over', async () => (await codeOf(token)) === 'none');
      expect(issuer.asked).toHaveLength(1);
    });

    it('are fetched anew every while, so that a withdrawn one ends', async () => {
      await reconnect({ refreshMs: 50, cooldownMs: 60_000 });
      const token = await sign(key);
      await accounts.validate(token);
      issuer.answer = keySet(nextKey);
      await eventually('refused', async () => (await codeOf(token, { fresh: true })) === 'invalid_token');
    });

    it('of which none is left accept nobody', async () => {
      issuer.answer = json({ keys: [] });
      await reconnect();
      expect(await codeOf(await sign(key))).toBe('invalid_token');
    });

    it.each([
      [
        'too short',
        async () => ({ kty: 'RSA', kid: 'k-1', e: 'AQAB', n: Buffer.alloc(128, 255).toString('base64url') }),
      ],
      ['damaged', async () => ({ ...key.jwk, x: 'AAAA' })],
      ['private', async () => ({ ...(await exportJWK(key.privateKey)), kid: 'k-1' })],
    ])('that are %s accept nobody', async (_what, jwk) => {
      issuer.answer = json({ keys: [await jwk()] });
      await reconnect();
      const token = await sign(key);
      expect(['account_service', 'invalid_token']).toContain(await codeOf(token));
      expect(await codeOf(await sign(rsa, {}, { kid: 'k-1' }))).not.toBe('none');
    });
  });

  describe('an issuer that is away', () => {
    const broken: [string, Answer][] = [
      ['500', json({}, 500)],
      ['404', json({}, 404)],
      ['204', (response) => response.writeHead(204).end()],
      ['keys with another status', (response) => json({ keys: [key.jwk] }, 201)(response)],
      ['no JSON', (response) => response.end('<html>')],
      ['JSON that is no key set', json({ hello: 'world' })],
      ['JSON null', json(null)],
      ['keys that are no list', json({ keys: 'all' })],
      ['keys that are no objects', json({ keys: [1, null] })],
      ['a redirect', (response) => response.writeHead(302, { location: '/other' }).end()],
      ['a reset', (response) => response.socket?.resetAndDestroy()],
      ['half an answer', (response) => response.writeHead(200, { 'content-length': '1000' }).write('{"keys":[')],
      ['silence', silence],
      ['too much', (response) => json({ keys: [key.jwk], padding: 'x'.repeat(1_000_000) })(response)],
    ];

    it.each(broken)('from the start (%s): nobody is accepted, and all are once it is back', async (_what, answer) => {
      issuer.answer = answer;
      await reconnect();
      const token = await sign(key);
      const startedAt = performance.now();
      expect(await codeOf(token)).toBe('account_service');
      expect(await codeOf(token)).toBe('account_service');
      expect(performance.now() - startedAt).toBeLessThan(1500);
      expect(accounts.reach).toBe('never');
      expect(await codeOf('nonsense')).toBe('invalid_token');
      issuer.answer = keySet(key);
      await isReached();
      expect(await accounts.validate(token)).toMatchObject({ user: 'u-1' });
      expect(logged.map((it) => it.split(' ')[0])).toEqual(['warn', 'info']);
      expect(logged.join()).not.toContain('tenant');
    });

    it.each(broken)('later (%s): known keys go on, unknown ones are account_service', async (_what, answer) => {
      await reconnect({ refreshMs: 50 });
      const token = await sign(key, { exp: seconds(Date.now()) + 100 });
      await accounts.validate(token);
      issuer.answer = answer;
      await eventually('it is said to be away', () => accounts.reach === 'away');
      passedMs = 40_000;
      expect(await accounts.validate(token)).toMatchObject({ user: 'u-1' });
      expect(await accounts.validate(token, { fresh: true })).toMatchObject({ user: 'u-1' });
      expect(await accounts.validate(await sign(rsa, { sub: 'u-3' }))).toMatchObject({ user: 'u-3' });
      expect(await codeOf(await sign(stranger))).toBe('invalid_token');
      const unknown = await sign(nextKey);
      expect(await codeOf(unknown)).toBe('account_service');
      passedMs = 101_000;
      expect(await codeOf(token)).toBe('invalid_token');
      passedMs = 0;
      issuer.answer = keySet(nextKey);
      await eventually('the new key is known', async () => (await codeOf(unknown)) === 'none');
      expect(logged.map((it) => it.split(' ')[0])).toEqual(['info', 'warn', 'info']);
    });

    it('answers 500 tokens of unknown keys within 2 s, and asks little', async () => {
      await reconnect({ timeoutMs: 10_000, retryMs: 1000 });
      const tokens = await Promise.all(
        Array.from({ length: 500 }, (_, n) => sign(nextKey, {}, { kid: `unknown-${n}` })),
      );
      await isReached();
      issuer.answer = silence;
      issuer.asked.length = 0;
      const startedAt = performance.now();
      const settled = await Promise.allSettled(tokens.map((it) => accounts.validate(it)));
      expect(performance.now() - startedAt).toBeLessThan(2000);
      const codes = settled.map((it) => (it.status === 'rejected' ? it.reason.code : 'accepted'));
      expect(new Set(codes)).toEqual(new Set(['account_service']));
      expect(issuer.asked.length).toBeLessThanOrEqual(2);
    });

    it('is found again after nothing listened', async () => {
      const { url } = issuer;
      await issuer.close();
      await reconnect();
      expect(await codeOf(await sign(key))).toBe('account_service');
      issuer = await startIssuer(keySet(key), Number(url.port));
      await isReached();
    });
  });

  describe('cache', () => {
    it('believes a proof for cacheMs, and no longer than the token lives', async () => {
      const token = await sign(key, { exp: seconds(Date.now()) + 20 });
      const account = await accounts.validate(token);
      expect(await accounts.validate(token)).toBe(account);
      expect(await accounts.validate(token, { fresh: true })).not.toBe(account);
      passedMs = 21_000;
      expect(await codeOf(token)).toBe('invalid_token');
    });

    it('forgets a token by its hash, a user with all tokens, and nobody else', async () => {
      const tokens = await Promise.all([
        sign(key, { sub: 'a', n: 1 }),
        sign(key, { sub: 'a', n: 2 }),
        sign(key, { sub: 'b' }),
      ]);
      const all = () => Promise.all(tokens.map((it) => accounts.validate(it)));
      const areKept = async (before: readonly unknown[]) => (await all()).map((it, n) => it === before[n]);
      const first = await all();
      expect(await areKept(first)).toEqual([true, true, true]);
      accounts.forget({ tokenHash: hashOf(tokens[1]) });
      expect(await areKept(first)).toEqual([true, false, true]);
      const second = await all();
      accounts.forget({ user: 'a' });
      expect(await areKept(second)).toEqual([false, false, true]);
    });

    it('of 0 ms keeps nothing', async () => {
      await reconnect({ cacheMs: 0 });
      const token = await sign(key);
      expect(await accounts.validate(token)).not.toBe(await accounts.validate(token));
    });
  });

  it('tells callers under way when it is closed, says nothing in the log, and fetches no more', async () => {
    issuer.answer = silence;
    await reconnect({ timeoutMs: 1500 });
    const token = await sign(key);
    const code = codeOf(token);
    issuer.asked.length = 0;
    await accounts.close();
    expect(await code).toBe('account_service');
    expect(await codeOf(token)).toBe('account_service');
    expect(logged).toEqual([]);
    await new Promise((later) => setTimeout(later, 200));
    expect(issuer.asked.length).toBeLessThanOrEqual(1);
  });
});
