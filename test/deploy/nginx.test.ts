import assert from 'node:assert/strict';
import { Agent, createServer } from 'node:http';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import type { ChatClient } from '../support/chat-client.ts';
import { checkLogs } from '../support/check-logs.ts';
import { eventually } from '../support/eventually.ts';
import { noisePng } from '../support/png.ts';
import { createGuest, createRoom, expectStatus, type Guest, rest } from '../support/rest.ts';
import { startSenders } from '../support/senders.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';
import { inFrontOf, type Nginx } from './nginx.ts';
import { startRequests } from './steady-requests.ts';

const WORKERS = 2;
const CANARY = 'canary0123456789abcdef';

/** A connection per request, from this address of the loopback network. */
const from = (localAddress: string): Agent => new Agent({ localAddress });

describe('nginx/parley.conf', () => {
  const bed = new TestBed();
  let server: SpawnedServer;
  let nginx: Nginx;
  let url: string;
  let owner: Guest;
  let room: string;

  beforeAll(async () => {
    server = await bed.server({ INSTANCES: String(WORKERS), LOG: 'http', DRAIN_MS: '500' });
    nginx = await inFrontOf(bed, server);
    url = nginx.url;
    owner = await createGuest(url, 'Owner');
    room = await createRoom(url, owner.token, 'Behind nginx');
  }, 60_000);
  afterAll(() => bed.close(), 60_000);

  it('takes default clients, who begin with polling, again and again, and upgrades all of them', async () => {
    for (let round = 0; round < 3; round += 1) {
      const clients = Array.from({ length: 20 }, () => bed.client(url, owner.token));
      await Promise.all(clients.map((it) => it.online()));
      await eventually('all have upgraded', () => clients.every((it) => it.transport === 'websocket'), 15_000);
      assert.deepEqual([clients.flatMap((it) => it.cuts), clients.flatMap((it) => it.refusals)], [[], []]);
      assert.equal(new Set(clients.map((it) => it.node)).size, WORKERS);
      for (const client of clients) client.close();
    }
  }, 60_000);

  it.each([[['polling', 'websocket']], [['polling']], [['websocket']]])(
    'shows members over %p everything',
    async (transports) => {
      const made = await createRoom(url, owner.token, `Over ${transports}`);
      const clients = await Promise.all(
        Array.from({ length: 6 }, async (_, n) => {
          const guest = await createGuest(url, `Member ${n}`);
          const client = await bed.client(url, guest.token, { name: `${n} over ${transports}`, transports }).online();
          return client.follow(made);
        }),
      );
      await Promise.all(clients.flatMap((it) => [1, 2, 3].map((n) => it.send(made, `${it.name} says ${n}`))));
      const history = await checkLogs(url, owner.token, made, clients);
      assert.equal(history.length, 18);
      assert.deepEqual(
        clients.flatMap((it) => it.cuts),
        [],
      );
      for (const client of clients) client.close();
    },
    40_000,
  );

  it('lets pages of its own host in, on any port', async () => {
    const client = bed.client(url, owner.token, { extraHeaders: { origin: url } });
    await client.online();
    client.close();
  }, 20_000);

  it('carries pictures of the largest size both ways, and says itself what is too large', async () => {
    const image = noisePng(416);
    assert.ok(image.length > 500 * 1024 && image.length <= 512 * 1024);
    const sends = Array.from({ length: 6 }, () =>
      expectStatus(
        201,
        rest<{ id: string }>(url, `POST /v1/chat/rooms/${room}/messages`, {
          token: owner.token,
          body: { image: image.toString('base64') },
        }),
      ),
    );
    for (const { body } of await Promise.all(sends)) {
      const answer = await fetch(`${url}/v1/chat/rooms/${room}/messages/${body.id}/image`, {
        headers: { authorization: `Bearer ${owner.token}` },
      });
      assert.ok(image.equals(Buffer.from(await answer.arrayBuffer())));
    }
    const refused = await rest<{ error: number; code: string; status: number }>(
      url,
      `POST /v1/chat/rooms/${room}/messages?token=${CANARY}`,
      { token: owner.token, body: { message: 'x'.repeat(1_048_576) } },
    );
    const { error, code, status } = refused.body;
    assert.deepEqual([refused.status, error, code, status], [413, 609, 'too_large', 413]);
    assert.equal(refused.headers['content-type'], 'application/problem+json');
  }, 40_000);

  it('gives a request one id in both logs, and shows nobody what operators see', async () => {
    const { headers } = await rest(url, 'GET /v1/chat/rooms', {
      token: owner.token,
      headers: { 'x-request-id': 'forged' },
    });
    const id = String(headers['x-request-id']);
    assert.match(id, /^[0-9a-f]{32}$/);
    await eventually('both have written it', async () => {
      return (await nginx.accessLog()).includes(`id=${id}`) && server.output.includes(id);
    });
    for (const path of ['/livez', '/readyz', '/metrics', '/metrics/', '/metrics/?x=1'])
      assert.equal((await rest(url, `GET ${path}`)).status, 404);
    assert.equal((await rest(url, 'GET /')).status, 200);
  }, 20_000);

  it('fails no request while the workers behind it are replaced', async () => {
    const old = [...(await server.workers()).values()];
    const room = await createRoom(url, owner.token, 'Rolling');
    const clients = await members(bed, url, room, 10);
    const agent = bed.own(new Agent({ keepAlive: true, maxSockets: 4 }), (it) => it.destroy());
    const requests = startRequests(url, owner.token, room, agent);
    const senders = startSenders(clients, [room]);
    await eventually(
      'the load runs',
      () => requests.count() > 50 && clients.every((it) => it.acked.length > 2),
      20_000,
    );
    server.signal('SIGHUP');
    await eventually(
      'no old worker runs',
      () => {
        const now = server.workerPids();
        return now.length === WORKERS && now.every((it) => !old.includes(it));
      },
      40_000,
    );
    await eventually(
      'all clients have moved',
      () => clients.every((it) => it.cuts.length > 0 && it.socket.connected),
      20_000,
    );
    await senders.stop();
    assert.deepEqual(await requests.stop(), [], `of ${requests.count()} requests`);
    await checkLogs(url, owner.token, room, clients, 10_000);
    for (const client of clients) client.close();
  }, 90_000);

  it('cuts nobody when it reads its files again', async () => {
    const room = await createRoom(url, owner.token, 'Reloaded');
    const clients = await members(bed, url, room, 6);
    nginx.signal('SIGHUP');
    await Promise.all(clients.flatMap((it) => [1, 2, 3].map((n) => it.send(room, `${it.name} says ${n}`))));
    await members(bed, url, room, 2).then((more) => more.map((it) => it.close()));
    await checkLogs(url, owner.token, room, clients);
    assert.deepEqual(
      clients.flatMap((it) => it.cuts),
      [],
    );
    for (const client of clients) client.close();
  }, 40_000);

  it('is ended and started again: everybody comes back and has everything', async () => {
    const room = await createRoom(url, owner.token, 'Restarted');
    const clients = await members(bed, url, room, 60);
    const senders = startSenders(clients.slice(0, 5), [room]);
    await nginx.stop();
    await eventually('all are cut', () => clients.every((it) => it.cuts.length > 0), 5000);
    // What they miss, by the server's own port.
    for (let n = 0; n < 5; n += 1) {
      await expectStatus(
        201,
        rest(server.url, `POST /v1/chat/rooms/${room}/messages`, {
          token: owner.token,
          body: { message: `missed ${n}` },
        }),
      );
    }
    const startedAt = performance.now();
    await nginx.start();
    await eventually('all are back', () => clients.every((it) => it.socket.connected), 10_000);
    await senders.stop();
    await checkLogs(url, owner.token, room, clients, 10_000);
    assert.ok(performance.now() - startedAt < 15_000);
    for (const client of clients) client.close();
  }, 90_000);

  it('says that the server is away as the server itself would, and keeps every token out of the logs', async () => {
    const asks = async (): Promise<unknown> => {
      const query = `token=${CANARY}&EIO=4&transport=polling`;
      const headers = { referer: `${url}/?token=${CANARY}`, authorization: `Bearer ${CANARY}` };
      await rest(url, `GET /socket.io/?${query}`, { headers });
      await rest(url, `GET /nowhere?${query}`, { headers });
      return rest(url, `GET /v1/chat/rooms?${query}`, { headers });
    };
    await asks();
    const legacy = bed.client(url, CANARY, { query: { token: CANARY }, auth: {}, reconnection: false });
    await eventually('it is refused', () => legacy.refusals.length > 0);
    await server.stop();
    await asks();
    const away = await rest<{ error: number; code: string }>(url, 'GET /v1/chat/rooms', { token: owner.token });
    assert.deepEqual([away.status, away.body.error, away.body.code], [503, 612, 'try_again']);
    assert.deepEqual([away.headers['retry-after'], away.headers['content-type']], ['1', 'application/problem+json']);
    const log = await nginx.accessLog();
    assert.match(log, /"GET \/v1\/chat\/rooms HTTP\/1\.1" 503/);
    assert.match(log, /"GET \/nowhere HTTP\/1\.1" 404/);
    for (const text of [await nginx.written(), server.output]) {
      assert.ok(text.length > 0);
      assert.ok(!text.includes(CANARY));
      assert.ok(!text.includes(owner.token));
    }
  }, 40_000);
});

describe('what nginx asks a second time', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 30_000);

  it('is neither a poll, whose answer would be lost, nor what changes something', async () => {
    const lines: string[] = [];
    const answered = new WeakSet<Socket>();
    // Breaks off where a connection is used again, as a server that goes may.
    const upstream = createServer((request, response) => {
      lines.push(`${request.method} ${request.url}`);
      if (answered.has(request.socket)) request.socket.destroy();
      else response.end('answer');
      answered.add(request.socket);
    });
    bed.own(upstream, (it) => void it.close());
    bed.own(upstream, (it) => it.closeAllConnections());
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const address = upstream.address();
    const port = String(address !== null && typeof address === 'object' ? address.port : 0);
    const { url } = await inFrontOf(bed, { port });

    /** How often a line arrives that nginx sends over a connection that it kept. */
    async function arrivals(line: string): Promise<{ status: number; count: number }> {
      // Each of its processes keeps connections of its own: asked until one was used again.
      for (let tries = 0; tries < 50; tries += 1) {
        lines.length = 0;
        const { status } = await rest(url, line);
        const count = lines.filter((it) => it === line).length;
        if (status !== 200 || count > 1) return { status, count };
      }
      throw new Error('nginx keeps no connection');
    }
    assert.deepEqual(await arrivals('GET /socket.io/?EIO=4&transport=polling&sid=1.a'), { status: 503, count: 1 });
    assert.deepEqual(await arrivals('POST /v1/chat/rooms'), { status: 503, count: 1 });
    assert.deepEqual(await arrivals('GET /v1/chat/rooms'), { status: 200, count: 2 });
  }, 20_000);
});

describe('addresses behind nginx', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 30_000);

  it('are those of the clients, and what a client says of its own is ignored', async () => {
    const server = await bed.server({ INSTANCES: String(WORKERS), RATE_GUESTS: '20/1m' });
    const { url } = await inFrontOf(bed, server);
    const guest = async (address: string, n: number): Promise<number> => {
      const headers = {
        'x-forwarded-for': `10.1.${n >> 8}.${n & 255}`,
        'x-real-ip': `10.2.0.${n}`,
        forwarded: `for=10.3.0.${n}`,
      };
      const agent = from(address);
      const { status } = await rest(url, 'POST /v1/accounts/guest', { agent, headers, body: { name: `Guest ${n}` } });
      agent.destroy();
      return status;
    };
    const asked = await Promise.all(Array.from({ length: 60 }, (_, n) => guest('127.0.0.2', n)));
    assert.deepEqual([asked.filter((it) => it === 201).length, asked.filter((it) => it === 429).length], [20, 40]);
    assert.equal(await guest('127.0.0.3', 0), 201);
  }, 40_000);
});

async function members(bed: TestBed, url: string, room: string, count: number): Promise<ChatClient[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const guest = await createGuest(url, `Member ${n}`);
      const client = await bed.client(url, guest.token, { name: `member ${n}` }).online();
      return client.follow(room);
    }),
  );
}
