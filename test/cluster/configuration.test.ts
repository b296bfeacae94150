import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, it } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { startAccountServer } from '../support/account-server.ts';
import { eventually } from '../support/eventually.ts';
import { createGuest, createRoom, expectStatus, rest } from '../support/rest.ts';
import { TestBed } from '../support/test-bed.ts';

const UNKNOWN_MS = 2500;

/** Publishes a key, or answers 500, and signs tokens with it. */
async function startKeyServer() {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k-1', alg: 'ES256' };
  const keys = { isUp: false };
  const server = createServer((_request, response) => {
    if (keys.isUp) response.end(JSON.stringify({ keys: [jwk] }));
    else response.writeHead(500).end();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    keys,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    sign: (claims: Record<string, unknown>, kid = 'k-1') =>
      new SignJWT({ aud: 'parley', ...claims })
        .setProtectedHeader({ alg: 'ES256', kid })
        .setIssuedAt()
        .setExpirationTime('10m')
        .sign(privateKey),
    close: () => {
      server.closeAllConnections();
      return new Promise<void>((closed) => server.close(() => closed()));
    },
  };
}

describe('configuration', () => {
  let bed = new TestBed();
  afterEach(async () => {
    const used = bed;
    bed = new TestBed();
    await used.close();
  }, 30_000);

  it('lists all mistakes at once and exits with 78', async () => {
    const server = await bed.start({
      PORT: '70000',
      INSTANCES: 'many',
      LOG: 'loud',
      RATE_MESSAGES: '20',
      MONGODB_URI: 'mongodb://u:do-not-show@h',
      REDIS_URL: 'redis://:do-not-show/@h',
      AMQP_URL: 'amqp://u:do-not-show%@h',
      AMQP_PASSWORD: 'do-not-show',
      AMQP_BOT_QUEUE: 'a',
      AMQP_BOT_QUEUE_BOT: 'b',
      AUTH_JWKS_URL: 'https://u:do-not-show@h/keys',
      KAFKA_BROKERS: 'h',
    });
    assert.deepEqual(await server.exited, { code: 78, signal: null });
    for (const name of [
      'PORT',
      'INSTANCES',
      'LOG',
      'RATE_MESSAGES',
      'MONGODB_URI',
      'REDIS_URL',
      'AMQP_URL',
      'AMQP_BOT_QUEUE',
      'AUTH_JWKS_URL',
      'KAFKA_BROKERS',
    ]) {
      assert.match(server.output, new RegExp(`^ {2}- ${name}\\b`, 'm'), server.output);
    }
    assert.doesNotMatch(server.output, /do-not-show/);
    assert.doesNotMatch(server.output, /\n\s+at /);
    assert.deepEqual(server.pids(), []);
  }, 20_000);

  it('refuses NODE_ENV=production alone: says whose accounts are missing, and what overrides it', async () => {
    const server = await bed.start({ NODE_ENV: 'production' });
    assert.deepEqual(await server.exited, { code: 78, signal: null });
    for (const name of ['AUTH_SERVER', 'AUTH_JWKS_URL', 'ENV=dev']) {
      assert.ok(server.output.includes(name), `${name} in: ${server.output}`);
    }
    assert.match(server.output, /has a mistake:\n/);
  }, 20_000);

  it('refuses development accounts in production', async () => {
    const server = await bed.start({ ENV: 'production', AUTH_MODE: 'embedded', AUTH_SERVER: 'http://127.0.0.1:9' });
    assert.deepEqual(await server.exited, { code: 78, signal: null });
    assert.match(server.output, /AUTH_MODE=embedded: development accounts are refused in production/);
  }, 20_000);

  it('keeps to SQLite where that is said, whatever MONGODB_URI says', async () => {
    const server = await bed.server({ STORE: 'sqlite', MONGODB_URI: 'mongodb://u:do-not-show@127.0.0.1:9/chat' });
    const guest = await createGuest(server.url, 'Developer');
    await createRoom(server.url, guest.token, 'Room');
    assert.doesNotMatch(server.output, /do-not-show/);
  }, 20_000);

  it('runs with NODE_ENV=production and ENV=dev', async () => {
    const server = await bed.server({ NODE_ENV: 'production', ENV: 'dev' });
    const guest = await createGuest(server.url, 'Developer');
    await createRoom(server.url, guest.token, 'Room');
  }, 20_000);

  it('runs in production with embedded parts and an account service, and never lets anybody in unasked', async () => {
    const accounts = await startAccountServer();
    bed.own(accounts, (it) => it.close());
    accounts.put('good-1', { user: 'u1', name: 'One' });
    accounts.put('good-2', { user: 'u2', name: 'Two' });
    const server = await bed.server({
      NODE_ENV: 'production',
      INSTANCES: '2',
      STORE: 'sqlite',
      FANOUT: 'cluster',
      BROKER: 'local',
      AUTH_SERVER: accounts.url,
      AUTH_CACHE_MS: '60000',
    });
    assert.equal((await rest(server.url, 'POST /v1/accounts/guest', { body: { name: 'Nobody' } })).status, 404);
    const room = await createRoom(server.url, 'good-1', 'Production');
    const client = await bed.client(server.url, 'good-1').online();
    assert.equal((await client.send(room, 'hello')).error, 0);
    const me = await expectStatus(
      200,
      rest<{ user: string }>(server.url, 'GET /v1/accounts/validate', { token: 'good-1' }),
    );
    assert.equal(me.body.user, 'u1');
    await expectStatus(401, rest(server.url, 'GET /v1/chat/rooms', { token: 'bad' }));
    // Every worker knows the first token now.
    for (let i = 0; i < 4; i += 1) await expectStatus(200, rest(server.url, 'GET /v1/chat/rooms', { token: 'good-1' }));

    const workers = server.workerPids();
    for (const mode of ['slow', 'down'] as const) {
      accounts.mode = mode;
      for (let i = 0; i < 4; i += 1) {
        const startedAt = performance.now();
        const refused = await expectStatus(
          503,
          rest<{ error: number }>(server.url, 'GET /v1/chat/rooms', { token: `good-2` }),
        );
        assert.ok(performance.now() - startedAt < UNKNOWN_MS);
        assert.equal(refused.body.error, 1003);
        await expectStatus(200, rest(server.url, 'GET /v1/chat/rooms', { token: 'good-1' }));
      }
      const unknown = bed.client(server.url, 'good-2', { transports: ['websocket'] });
      await eventually('the socket is refused', () => unknown.refusals.length > 0);
      assert.equal(Reflect.get(unknown.refusals[0] ?? {}, 'data')?.error, 1003);
      assert.equal((await client.send(room, `while it is ${mode}`)).error, 0);
    }
    const degraded = async () => {
      const { status, body } = await rest<{ degraded: string[] }>(server.url, 'GET /readyz');
      return status === 200 ? body.degraded.join() : `status ${status}`;
    };
    await eventually('it is said to be away', async () => (await degraded()) === 'accounts');
    accounts.mode = 'ok';
    await eventually('it is said to be back', async () => (await degraded()) === '' && (await degraded()) === '');
    assert.deepEqual(client.cuts, []);
    assert.deepEqual(server.workerPids(), workers);
    const { text } = await expectStatus(200, rest(server.url, 'GET /metrics'));
    assert.match(text, /parley_errors_total\{code="account_service"\} (8|9|1\d)/);
  }, 40_000);

  it('is not ready before the account service was reached once', async () => {
    const accounts = await startAccountServer();
    bed.own(accounts, (it) => it.close());
    accounts.mode = 'down';
    const server = await bed.server({ AUTH_SERVER: accounts.url });
    const ready = () => rest<{ reasons: string[] }>(server.url, 'GET /readyz');
    const { body } = await expectStatus(503, ready());
    assert.deepEqual(body.reasons, ['accounts']);
    await expectStatus(200, rest(server.url, 'GET /livez'));
    accounts.mode = 'ok';
    await eventually('it is ready', async () => (await ready()).status === 200);
  }, 20_000);

  it('lets in whose tokens prove themselves, also while their keys cannot be fetched', async () => {
    const issuer = await startKeyServer();
    bed.own(issuer, (it) => it.close());
    const server = await bed.server({ AUTH_JWKS_URL: issuer.url, AUTH_JWT_AUDIENCE: 'parley', INSTANCES: '2' });
    const rooms = async (token: string) => (await rest(server.url, 'GET /v1/chat/rooms', { token })).status;
    const ready = () => rest<{ reasons: string[]; degraded: string[]; worker: string }>(server.url, 'GET /readyz');
    const ana = await issuer.sign({ sub: 'u-ana', name: 'Ana' });
    assert.deepEqual((await expectStatus(503, ready())).body.reasons, ['accounts']);
    assert.equal(await rooms(ana), 503);
    assert.equal((await rest(server.url, 'POST /v1/accounts/guest', { body: { name: 'Nobody' } })).status, 404);

    issuer.keys.isUp = true;
    const isReady = new Set<string>();
    await eventually('both workers are ready', async () => {
      const { status, body } = await ready();
      if (status === 200) isReady.add(body.worker);
      return isReady.size === 2;
    });
    const me = await expectStatus(200, rest<object>(server.url, 'GET /v1/accounts/validate', { token: ana }));
    assert.equal(Reflect.get(me.body, 'user'), 'u-ana');
    const room = await createRoom(server.url, ana, 'Proven');
    const client = await bed.client(server.url, ana).online();
    assert.equal(await rooms(await issuer.sign({ sub: 'u-eve', aud: 'mail' })), 401);
    assert.equal(await rooms(`${ana.slice(0, -4)}AAAA`), 401);

    issuer.keys.isUp = false;
    // Makes a worker ask for the keys, once the time between two questions is over; each call goes to the next worker.
    const unknown = await issuer.sign({ sub: 'u-new' }, 'k-2');
    const isAway = async () => [await rooms(unknown), await rooms(unknown)].every((it) => it === 503);
    await eventually('both workers know that it is away', isAway, 15_000);
    assert.deepEqual((await expectStatus(200, ready())).body.degraded, ['accounts']);
    for (let n = 0; n < 4; n += 1) assert.equal(await rooms(await issuer.sign({ sub: `u-${n}` })), 200);
    assert.equal((await client.send(room, 'while it is away')).error, 0);
    assert.deepEqual(client.cuts, []);

    const service = await issuer.sign({ sub: 's', type: 2, roles: ['service'] });
    await expectStatus(
      204,
      rest(server.url, 'POST /v1/accounts/revocations', { token: service, body: { user: 'u-ana' } }),
    );
    await eventually('cut', () => client.cuts.length === 1);
    assert.equal(await rooms(ana), 401);
  }, 40_000);

  it('says what is wrong with a data folder, and exits with 78', async () => {
    for (const DATA_DIR of ['/proc/parley', '/dev/null', '/dev/null/below']) {
      const server = await bed.start({ DATA_DIR });
      assert.deepEqual(await server.exited, { code: 78, signal: null });
      assert.match(server.output, /^DATA_DIR=\/(proc\/parley|dev\/null): /m);
      assert.doesNotMatch(server.output, /\n\s+at /);
    }
  }, 30_000);

  it('prints the table and what is set of it, secrets only by name', async () => {
    const secrets = {
      STOCK_URL: 'http://127.0.0.1/?key=do-not-show',
      MONGODB_URI: 'mongodb://u:do-not-show@h/chat',
      REDIS_PASSWORD: 'do-not-show',
      REDIS_URL: 'redis://:do-not-show@h',
      AMQP_PASSWORD: 'do-not-show',
      AMQP_URL: 'amqp://u:do-not-show@h',
    };
    const server = await bed.start({ INSTANCES: '4', ...secrets }, ['--print-config']);
    assert.deepEqual(await server.exited, { code: 0, signal: null });
    assert.match(server.output, /\| `INSTANCES` \|/);
    assert.match(server.output, /`INSTANCES=4`/);
    for (const name of Object.keys(secrets)) assert.ok(server.output.includes(`\`${name}\` is set`), name);
    assert.doesNotMatch(server.output, /do-not-show/);
  }, 20_000);
});
