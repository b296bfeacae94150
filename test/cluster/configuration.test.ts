import assert from 'node:assert/strict';
import { afterEach, describe, it } from '@jest/globals';
import { startAccountServer } from '../support/account-server.ts';
import { eventually } from '../support/eventually.ts';
import { createGuest, createRoom, expectStatus, rest } from '../support/rest.ts';
import { TestBed } from '../support/test-bed.ts';

const UNKNOWN_MS = 2500;

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
      REDIS_URL: 'redis://h',
    });
    assert.deepEqual(await server.exited, { code: 78, signal: null });
    for (const name of ['PORT', 'INSTANCES', 'LOG', 'RATE_MESSAGES', 'REDIS_URL']) {
      assert.match(server.output, new RegExp(`\\b${name}\\b`), server.output);
    }
    assert.doesNotMatch(server.output, /\n\s+at /);
    assert.deepEqual(server.pids(), []);
  }, 20_000);

  it('refuses NODE_ENV=production alone: names what is not built, and what overrides it', async () => {
    const server = await bed.start({ NODE_ENV: 'production' });
    assert.deepEqual(await server.exited, { code: 78, signal: null });
    for (const name of ['mongodb', 'redis', 'rabbitmq', 'AUTH_SERVER', 'ENV=dev']) {
      assert.ok(server.output.includes(name), `${name} in: ${server.output}`);
    }
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

  it('says what is wrong with a data folder, and exits with 78', async () => {
    for (const DATA_DIR of ['/proc/parley', '/dev/null', '/dev/null/below']) {
      const server = await bed.start({ DATA_DIR });
      assert.deepEqual(await server.exited, { code: 78, signal: null });
      assert.match(server.output, /^DATA_DIR=\/(proc\/parley|dev\/null): /m);
      assert.doesNotMatch(server.output, /\n\s+at /);
    }
  }, 30_000);

  it('prints the table and what is set of it, secrets only by name', async () => {
    const server = await bed.start({ INSTANCES: '4', STOCK_URL: 'http://127.0.0.1/?key=do-not-show' }, [
      '--print-config',
    ]);
    assert.deepEqual(await server.exited, { code: 0, signal: null });
    assert.match(server.output, /\| `INSTANCES` \|/);
    assert.match(server.output, /`INSTANCES=4`/);
    assert.match(server.output, /`STOCK_URL` is set/);
    assert.doesNotMatch(server.output, /do-not-show/);
  }, 20_000);
});
