import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { type AccountServer, startAccountServer } from '../support/account-server.ts';
import type { ChatClient } from '../support/chat-client.ts';
import { eventually } from '../support/eventually.ts';
import { createRoom, expectStatus, rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';

const REVOCATIONS = 'POST /v1/accounts/revocations';
const CUT_MS = 5000;
const REVALIDATE_MS = 1500;
const EXPIRED_GRACE_MS = 5000;

describe('tokens of live sockets on three workers', () => {
  const bed = new TestBed();
  let accounts: AccountServer;
  let server: SpawnedServer;

  beforeAll(async () => {
    accounts = await startAccountServer();
    bed.own(accounts, (it) => it.close());
    accounts.put('service', { user: 'svc', name: 'Service', type: 2, roles: ['service'] });
    server = await bed.server({ INSTANCES: '3', AUTH_SERVER: accounts.url });
  }, 60_000);
  afterAll(() => bed.close(), 30_000);

  const sockets = (token: string): Promise<ChatClient[]> =>
    bed.clientsOnAllWorkers(server, token, 6, { reconnection: false });
  const told = (client: ChatClient) => client.pushesOf('authentication').filter((it) => it.expired === true);

  it('cuts every socket of a revoked user on every worker, and nobody else', async () => {
    accounts.put('a-1', { user: 'alice', name: 'Alice' });
    accounts.put('a-2', { user: 'alice', name: 'Alice' });
    accounts.put('b-1', { user: 'bob', name: 'Bob' });
    const alice = [...(await sockets('a-1')), ...(await sockets('a-2'))];
    const bob = await sockets('b-1');
    await expectStatus(403, rest(server.url, REVOCATIONS, { token: 'b-1', body: { user: 'alice' } }));
    await expectStatus(401, rest(server.url, REVOCATIONS, { body: { user: 'alice' } }));
    assert.equal(alice.filter((it) => it.socket.connected).length, alice.length);

    accounts.revoke('a-1');
    accounts.revoke('a-2');
    await expectStatus(204, rest(server.url, REVOCATIONS, { token: 'service', body: { user: 'alice' } }));
    await eventually('all are cut', () => alice.every((it) => it.cuts.length === 1), CUT_MS);
    for (const client of alice) {
      assert.equal(told(client).length, 1);
      assert.equal(client.pushesOf('failure')[0]?.code, 'invalid_token');
    }
    // No worker believes what it had cached.
    for (let i = 0; i < 6; i += 1) await expectStatus(401, rest(server.url, 'GET /v1/chat/rooms', { token: 'a-1' }));
    const again = bed.client(server.url, 'a-2');
    await eventually('refused', () => again.refusals.length > 0);
    assert.equal(Reflect.get(again.refusals[0] ?? {}, 'data')?.error, 1000);
    assert.ok(bob.every((it) => it.socket.connected && it.cuts.length === 0));
  }, 40_000);

  it('cuts the sockets of one token by its hash', async () => {
    accounts.put('c-1', { user: 'carol', name: 'Carol' });
    accounts.put('c-2', { user: 'carol', name: 'Carol' });
    const lost = await sockets('c-1');
    const kept = await sockets('c-2');
    accounts.revoke('c-1');
    const tokenHash = createHash('sha256').update('c-1').digest('hex');
    await expectStatus(204, rest(server.url, REVOCATIONS, { token: 'service', body: { tokenHash } }));
    await eventually('all are cut', () => lost.every((it) => it.cuts.length === 1), CUT_MS);
    assert.ok(kept.every((it) => it.cuts.length === 0));
  }, 40_000);

  it('tells that a token has run out, closes 5 s later, and lets others renew it in place', async () => {
    const expiresAt = new Date(Date.now() + 6000).toISOString();
    accounts.put('d-1', { user: 'dave', name: 'Dave', expiresAt });
    accounts.put('d-2', { user: 'dave', name: 'Dave' });
    accounts.put('e-1', { user: 'eve', name: 'Eve' });
    const clients = await sockets('d-1');
    const [renewing, late, ...others] = clients;
    assert.ok(renewing && late && others.length > 2);
    assert.equal((await renewing.call('authenticate', { token: 'e-1' })).error, 1001);
    assert.equal((await renewing.call('authenticate', { token: 'd-2' })).error, 0);
    await eventually('told', () => [late, ...others].every((it) => told(it).length === 1), 10_000);
    assert.ok(Date.now() >= Date.parse(expiresAt));
    assert.equal((await late.call('authenticate', { token: 'd-2' })).error, 0);
    await eventually('closed', () => others.every((it) => it.cuts.length === 1), EXPIRED_GRACE_MS + 2000);
    for (const client of others) {
      const toldAt = client.pushes.find((it) => it.payload.expired === true)?.at ?? 0;
      const waitedMs = (client.cuts[0]?.at ?? 0) - toldAt;
      assert.ok(waitedMs > EXPIRED_GRACE_MS - 500 && waitedMs < EXPIRED_GRACE_MS + 1500, `closed after ${waitedMs} ms`);
    }
    // Whoever renewed is there when the others are long gone.
    for (const client of [renewing, late]) {
      assert.equal((await client.call('chatrooms', {})).error, 0);
      assert.deepEqual(client.cuts, []);
    }
    assert.equal(told(renewing).length, 0);
    await createRoom(server.url, 'd-2', 'After renewal');
  }, 40_000);

  it('asks again about the tokens of live sockets: once per worker, however many hold one', async () => {
    const own = await bed.server({
      INSTANCES: '2',
      AUTH_SERVER: accounts.url,
      AUTH_REVALIDATE_MS: String(REVALIDATE_MS),
    });
    accounts.put('f-1', { user: 'fred', name: 'Fred' });
    accounts.put('g-1', { user: 'gina', name: 'Gina' });
    const fred = await bed.clientsOnAllWorkers(own, 'f-1', 8, { reconnection: false });
    const gina = await bed.clientsOnAllWorkers(own, 'g-1', 2, { reconnection: false });
    const startedAt = performance.now();
    const before = accounts.asked.get('f-1') ?? 0;
    await eventually('asked again', () => (accounts.asked.get('f-1') ?? 0) >= before + 4, 4 * REVALIDATE_MS);
    const rounds = Math.ceil((performance.now() - startedAt) / REVALIDATE_MS) + 1;
    assert.ok((accounts.asked.get('f-1') ?? 0) - before <= rounds * 2, 'once per worker and round');

    accounts.mode = 'down';
    const asked = accounts.asked.get('f-1') ?? 0;
    await eventually('asked while it is down', () => (accounts.asked.get('f-1') ?? 0) >= asked + 2, 4 * REVALIDATE_MS);
    assert.ok(
      [...fred, ...gina].every((it) => it.socket.connected),
      'an outage cuts nobody',
    );
    accounts.mode = 'ok';

    accounts.revoke('f-1');
    await eventually('cut without any event', () => fred.every((it) => it.cuts.length === 1), 15_000);
    assert.ok(gina.every((it) => it.cuts.length === 0));
  }, 60_000);
});
