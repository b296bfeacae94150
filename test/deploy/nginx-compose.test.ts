import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { type AccountServer, startAccountServer } from '../support/account-server.ts';
import { eventually } from '../support/eventually.ts';
import { POLLING_PATH } from '../support/raw-engine.ts';
import { expectStatus, rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';
import { adapt, Nginx } from './nginx.ts';

const TOKEN = 'token-of-ann';

/** Two servers that know nothing of each other stand for two hosts: a request that reaches the wrong one is seen at once. */
describe('nginx/compose.conf in front of two hosts', () => {
  const bed = new TestBed();
  let accounts: AccountServer;
  let hosts: SpawnedServer[];
  let nginx: Nginx;

  beforeAll(async () => {
    accounts = bed.own(await startAccountServer(), (it) => it.close());
    accounts.put(TOKEN, { user: 'ann', name: 'Ann' });
    hosts = await Promise.all(
      [1, 2].map(() => bed.server({ AUTH_SERVER: accounts.url, LOG: 'info', TRUST_PROXY: '1' })),
    );
    const server = (n: number): string => `server 127.0.0.1:${hosts[n]?.port} max_fails=1 fail_timeout=2s;`;
    const site = (port: number, dir: string): Promise<string> =>
      adapt('compose.conf', [
        [/listen 80;/, `listen 127.0.0.1:${port};`],
        [/\/dev\/stdout/, join(dir, 'access.log')],
        [/\/dev\/stderr/, join(dir, 'error.log')],
        // Names in containers, which this nginx may be too old to resolve again.
        [/resolver .*;/, ''],
        [/server chat-1:3000 resolve .*;/g, server(0)],
        [/server chat-2:3000 resolve .*;/g, server(1)],
      ]);
    nginx = bed.own(await Nginx.open(await bed.folder(), site), (it) => it.stop());
  }, 60_000);
  afterAll(() => bed.close(), 30_000);

  /** Hosts of the requests whose line fits, by the access log. */
  const reached = async (fits: RegExp): Promise<(string | undefined)[]> =>
    (await nginx.accessLog())
      .split('\n')
      .flatMap((it) => (fits.test(it) ? [/upstream=127\.0\.0\.1:(\d+)/.exec(it)?.[1]] : []));

  it('keeps a session that polls on the host where it began, and spreads addresses over both', async () => {
    for (let n = 2; n < 26; n += 1) {
      const agent = new Agent({ localAddress: `127.0.0.${n}` });
      const opened = await expectStatus(200, rest(nginx.url, `GET ${POLLING_PATH}`, { agent }));
      const { sid }: { sid: string } = JSON.parse(opened.text.slice(1));
      for (let i = 0; i < 3; i += 1) {
        const next = rest(nginx.url, `POST ${POLLING_PATH}&sid=${encodeURIComponent(sid)}`, {
          agent,
          headers: { 'content-type': 'text/plain' },
          body: 6,
        });
        assert.equal((await next).text, 'ok', `127.0.0.${n}`);
      }
      agent.destroy();
    }
    assert.equal(new Set(await reached(/\/socket\.io\//)).size, 2);
  }, 30_000);

  it('upgrades default clients, and spreads those who begin with WebSocket', async () => {
    const polling = Array.from({ length: 10 }, () => bed.client(nginx.url, TOKEN));
    await Promise.all(polling.map((it) => it.online()));
    await eventually('all have upgraded', () => polling.every((it) => it.transport === 'websocket'), 10_000);
    assert.deepEqual(
      polling.flatMap((it) => it.refusals),
      [],
    );
    const direct = Array.from({ length: 10 }, () => bed.client(nginx.url, TOKEN, { transports: ['websocket'] }));
    await Promise.all(direct.map((it) => it.online()));
    for (const client of [...polling, ...direct]) client.close();
    // A line is written when a connection ends: those of the upgraded are of one host, the others of both.
    await eventually('all have ended', async () => (await reached(/socket\.io\/ HTTP\/1\.1" 101/)).length === 20);
    assert.equal(new Set(await reached(/socket\.io\/ HTTP\/1\.1" 101/)).size, 2);
  }, 30_000);

  it('goes on with one host when the other is gone', async () => {
    const [first] = hosts;
    await first?.stop();
    for (let n = 0; n < 20; n += 1) {
      await expectStatus(200, rest(nginx.url, 'GET /v1/chat/rooms', { token: TOKEN }));
      await expectStatus(201, rest(nginx.url, 'POST /v1/chat/rooms', { token: TOKEN, body: { name: `Room ${n}` } }));
    }
    const clients = Array.from({ length: 6 }, () => bed.client(nginx.url, TOKEN));
    await Promise.all(clients.map((it) => it.online()));
    for (const client of clients) client.close();
  }, 30_000);
});
