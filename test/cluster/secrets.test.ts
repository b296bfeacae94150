import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, it } from '@jest/globals';
import { startAccountServer } from '../support/account-server.ts';
import { eventually } from '../support/eventually.ts';
import { createGuest, createRoom, expectStatus, joinRoom, rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';

const canary = (way: string): string => `canary-${way}-7f3a9c51e2d8`;

/** Texts of all places where something may have been left: the output of all processes and every file of the folder. */
async function traces(server: SpawnedServer): Promise<Map<string, string>> {
  const found = new Map([['output', server.output]]);
  const entries = await readdir(server.options.dataDir, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    found.set(path, await readFile(path, 'latin1'));
  }
  return found;
}

function assertNowhere(places: ReadonlyMap<string, string>, secrets: readonly string[]): void {
  for (const [place, text] of places) {
    for (const secret of secrets) {
      const at = text.indexOf(secret);
      assert.equal(at, -1, `${secret} is in ${place}: ${text.slice(Math.max(0, at - 200), at + 100)}`);
    }
  }
}

describe('secrets', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 30_000);

  it('leaves no token of the account service in any output or file, at LOG=silly, whatever happens', async () => {
    const accounts = await startAccountServer();
    bed.own(accounts, (it) => it.close());
    const good = {
      header: canary('header'),
      socket: canary('socket'),
      renewed: canary('renewed'),
      service: canary('service'),
    };
    accounts.put(good.header, { user: 'u1', name: 'One' });
    accounts.put(good.socket, { user: 'u2', name: 'Two' });
    accounts.put(good.renewed, { user: 'u2', name: 'Two' });
    accounts.put(good.service, { user: 's', name: 'Service', type: 2, roles: ['service'] });
    const bad = ['rest', 'socket-bad', 'event', 'query', 'url', 'down', 'garbage', 'json', 'body', 'key'].map(canary);
    const [
      restBad = '',
      socketBad = '',
      event = '',
      query = '',
      url = '',
      down = '',
      garbage = '',
      json = '',
      body = '',
      key = '',
    ] = bad;
    const server = await bed.server({
      INSTANCES: '2',
      LOG: 'silly',
      AUTH_SERVER: accounts.url,
      AUTH_REVALIDATE_MS: '500',
      STOCK_URL: `http://127.0.0.1:9/?apikey=${key}&s={code}`,
    });

    const room = await createRoom(server.url, good.header, 'Secrets');
    await joinRoom(server.url, good.socket, room);
    await expectStatus(401, rest(server.url, 'GET /v1/chat/rooms', { token: restBad }));
    const shown: string[] = [];
    for (const line of [
      `GET /v1/chat/rooms?token=${url}`,
      `GET /nowhere?access_token=${url}`,
      `POST /v1/chat/rooms?token=${url}`,
    ]) {
      shown.push((await rest(server.url, line, { token: good.header, body: {} })).text);
    }
    const broken = { authorization: `Bearer ${good.header}`, 'content-type': 'application/json' };
    await expectStatus(
      400,
      rest(server.url, 'POST /v1/chat/rooms', {
        headers: { ...broken, 'x-request-id': 'r' },
        body: { token: json, name: 7 },
      }),
    );
    await expectStatus(
      400,
      rest(server.url, 'POST /v1/accounts/revocations', { token: good.service, body: { token: body } }),
    );

    const client = await (await bed.client(server.url, good.socket).online()).follow(room);
    shown.push(JSON.stringify(await client.call('authenticate', { token: event })));
    shown.push(JSON.stringify(await client.call('authenticate', { tokens: event })));
    shown.push(JSON.stringify(await client.call('no such event', { token: event })));
    assert.equal((await client.call('authenticate', { token: good.renewed })).error, 0);
    for (const options of [
      { auth: { token: socketBad } },
      { auth: {}, query: { token: query } },
      { auth: { token: { token: socketBad } } },
    ]) {
      const refused = bed.client(server.url, '', options);
      await eventually('refused', () => refused.refusals.length > 0);
      shown.push(JSON.stringify(Reflect.get(refused.refusals[0] ?? {}, 'data')), String(refused.refusals[0]?.message));
      refused.close();
    }
    const quote = await client.send(room, '/stock=aapl.us');
    await eventually(
      'the bot could not ask',
      () => client.appliedOf(room)?.some((it) => it.inReplyTo === quote.id),
      10_000,
    );
    accounts.mode = 'down';
    shown.push((await expectStatus(503, rest(server.url, 'GET /v1/chat/rooms', { token: down }))).text);
    const asked = accounts.asked.get(good.renewed) ?? 0;
    await eventually('asked about the live token', () => (accounts.asked.get(good.renewed) ?? 0) > asked, 10_000);
    accounts.mode = 'garbage';
    shown.push((await expectStatus(503, rest(server.url, 'GET /v1/chat/rooms', { token: garbage }))).text);
    accounts.mode = 'ok';
    await expectStatus(
      204,
      rest(server.url, 'POST /v1/accounts/revocations', { token: good.service, body: { user: 'u2' } }),
    );
    await eventually('cut', () => client.cuts.length === 1);
    client.close();
    process.kill(server.workerPids()[0] ?? 0, 'SIGKILL');
    await server.workers();

    const secrets = [...Object.values(good), ...bad];
    for (const text of shown) assertNowhere(new Map([['an answer', text]]), secrets);
    const running = await traces(server);
    assert.ok([...running.keys()].length > 2);
    assert.match(server.output, / (silly|debug|verbose|http) /);
    assertNowhere(running, secrets);
    assert.equal((await server.stop()).code, 0);
    assertNowhere(await traces(server), secrets);
  }, 60_000);

  it('leaves no embedded token either', async () => {
    const server = await bed.server({ LOG: 'silly' });
    const guest = await createGuest(server.url, 'Guest');
    const room = await createRoom(server.url, guest.token, 'Embedded');
    const client = await (await bed.client(server.url, guest.token).online()).follow(room);
    await client.send(room, 'hello');
    await expectStatus(401, rest(server.url, 'GET /v1/chat/rooms', { token: `${guest.token}x` }));
    await rest(server.url, `GET /v1/chat/rooms?token=${guest.token}`);
    client.close();
    const places = await traces(server);
    assertNowhere(places, [guest.token, guest.token.split('.')[2] ?? guest.token]);
  }, 30_000);
});
