import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { openTestApi, type TestApi } from '../support/test-api.ts';

describe('REST: accounts', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await openTestApi({ api: { guestRate: { count: 3, windowMs: 60_000 } } });
  });
  afterAll(() => api.close());

  const from = (address: string) => ({ 'x-forwarded-for': address });

  it('makes guests, each a new account, and tells whose a token is', async () => {
    const call = { body: { name: 'Zoë' }, headers: from('192.0.2.1') };
    const { token, ...account } = await api.ok(201, 'POST /v1/accounts/guest', call);
    const again = await api.ok(201, 'POST /v1/accounts/guest', call);
    assert.notEqual(again.user, account.user);
    assert.deepEqual(
      { ...account, user: '', expiresAt: '' },
      { user: '', type: 1, name: 'Zoë', roles: ['user'], expiresAt: '' },
    );
    assert.deepEqual(await api.ok(200, 'GET /v1/accounts/validate', { token: String(token) }), account);
    await api.ok(201, 'POST /v1/chat/rooms', { token: String(token), body: { name: 'of a guest' } });
  });

  it('limits guests per client address, as a trusted proxy tells it', async () => {
    const make = (address: string) => ({ body: { name: 'g' }, headers: from(address) });
    for (let n = 0; n < 3; n += 1) await api.ok(201, 'POST /v1/accounts/guest', make(`2001:db8::${n + 1}`));
    const refused = await api.refused(429, 429, 'POST /v1/accounts/guest', make('2001:db8::9'));
    assert.ok(Number(refused.headers['retry-after']) >= 1);
    await api.ok(201, 'POST /v1/accounts/guest', make('2001:db8:0:1::1'));
  });

  it('makes no guests without embedded accounts', async () => {
    const own = await openTestApi({ guests: false });
    try {
      await own.refused(404, 702, 'POST /v1/accounts/guest', { body: { name: 'x' } });
      const document = JSON.parse((await own.call('GET /openapi.json')).text) as { paths: object };
      assert.ok(!('/v1/accounts/guest' in document.paths));
    } finally {
      await own.close();
    }
  });

  it('gives no role and no expiry that the account has not', async () => {
    const token = api.addAccount('plain', { issuedAt: 1 });
    assert.deepEqual(await api.ok(200, 'GET /v1/accounts/validate', { token }), {
      user: 'plain',
      type: 1,
      name: 'Name of plain',
      roles: ['user'],
    });
  });

  it('takes revocations of users and of tokens from services only', async () => {
    const service = api.addAccount('billing', { type: 2, roles: ['service'] });
    const line = 'POST /v1/accounts/revocations';
    const user = api.addAccount('eve', { issuedAt: Date.now() - 1000 });
    const single = api.addAccount('max', { issuedAt: Date.now() - 1000 });
    const tokenHash = createHash('sha256').update(single).digest('hex');
    await api.refused(403, 1002, line, { token: user, body: { user: 'ana' } });
    await api.refused(401, 1000, line, { body: { user: 'ana' } });
    for (const body of [{}, { user: 'eve', tokenHash }, { tokenHash: 'AB' }, { user: '' }, { user: { $ne: '' } }]) {
      await api.refused(400, 704, line, { token: service, body });
    }
    await api.ok(204, line, { token: service, body: { user: 'eve' } });
    await api.refused(401, 1000, 'GET /v1/accounts/validate', { token: user });
    await api.ok(200, 'GET /v1/accounts/validate', { token: single });
    await api.ok(204, line, { token: service, body: { tokenHash } });
    await api.refused(401, 1000, 'GET /v1/accounts/validate', { token: single });
    const revoked = api.told.filter((it) => it.kind === 'revoked');
    assert.deepEqual(revoked, [
      { kind: 'revoked', user: 'eve' },
      { kind: 'revoked', tokenHash },
    ]);
  });

  it('never lets anybody in while tokens cannot be checked', async () => {
    const token = api.addAccount('ana');
    api.accountsAway(true);
    try {
      const answer = await api.refused(503, 1003, 'GET /v1/chat/rooms', { token });
      assert.equal(answer.headers['retry-after'], '2');
    } finally {
      api.accountsAway(false);
    }
  });

  it('refuses tokens that have run out or are none', async () => {
    const old = api.addAccount('old', { expiresAt: Date.now() - 1 });
    const good = api.addAccount('good');
    const line = 'GET /v1/accounts/validate';
    await api.refused(401, 1000, line, { token: old });
    await api.refused(401, 1000, line, { token: 'unknown' });
    const headers = [
      '',
      'Bearer',
      'Bearer ',
      'Basic abc',
      good,
      `Bearer ${good} ${good}`,
      `Bearer a,b`,
      `Bearer ${'x'.repeat(8193)}`,
    ];
    for (const authorization of headers) {
      const answer = await api.refused(401, 1000, line, { headers: { authorization } });
      assert.equal(answer.headers['www-authenticate'], 'Bearer');
    }
    await api.refused(401, 1000, line, { headers: { authorization: [`Bearer ${good}`, `Bearer ${good}`] } });
    await api.ok(200, line, { headers: { authorization: `bearer ${good}` } });
  });
});
