import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { checkLogs } from '../support/check-logs.ts';
import { eventually } from '../support/eventually.ts';
import { POLLING_PATH } from '../support/raw-engine.ts';
import { createGuest, createRoom, expectStatus, type Guest, rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';

/** As text, a packet that says nothing. */
const ENGINE_NOOP = 6;
const UNKNOWN = { code: 1, message: 'Session ID unknown' };
/** More connections than workers, so that each worker takes some. */
const ROUNDS = 9;

describe('sessions on three workers', () => {
  const bed = new TestBed();
  let server: SpawnedServer;
  let owner: Guest;
  let room: string;

  beforeAll(async () => {
    server = await bed.server({ INSTANCES: '3' });
    owner = await createGuest(server.url, 'Owner');
    room = await createRoom(server.url, owner.token, 'Routing');
  }, 60_000);
  afterAll(() => bed.close(), 30_000);

  it('takes default clients, who begin with polling, on every worker and upgrades all of them', async () => {
    const clients = Array.from({ length: 30 }, () => bed.client(server.url, owner.token));
    await Promise.all(clients.map((it) => it.online()));
    await eventually('all have upgraded', () => clients.every((it) => it.transport === 'websocket'), 10_000);
    assert.equal(new Set(clients.map((it) => it.node)).size, 3);
    assert.deepEqual(
      clients.flatMap((it) => it.cuts),
      [],
    );
    for (const client of clients) client.close();
  }, 30_000);

  it('shows every member every message in order, however they are connected', async () => {
    const transports = [['polling', 'websocket'], ['polling'], ['websocket']];
    const join = async (n: number) => {
      const guest = await createGuest(server.url, `Member ${n}`);
      const name = `${n} over ${transports[n % 3]}`;
      const client = bed.client(server.url, guest.token, { name, transports: transports[n % 3] ?? [] });
      return (await client.online()).follow(room);
    };
    const clients = await Promise.all(Array.from({ length: 12 }, (_, n) => join(n)));
    // A worker that was busy meanwhile has got none.
    while (new Set(clients.map((it) => it.node)).size < 3) {
      assert.ok(clients.length < 60, 'a worker gets no connections');
      clients.push(await join(clients.length));
    }
    await Promise.all(
      clients.map(async (client, n) => {
        for (let i = 0; i < 10; i += 1) await client.send(room, `${n} says ${i}`);
      }),
    );
    const history = await checkLogs(server.url, owner.token, room, clients);
    assert.equal(history.length, clients.length * 10);
    assert.ok(clients.every((it) => it.journalOf(room).counts.live > 0));
    assert.equal(clients[1]?.transport, 'polling');
    assert.deepEqual(
      clients.flatMap((it) => it.cuts),
      [],
    );
    for (const client of clients) client.close();
  }, 40_000);

  it('answers for a session whose worker was killed that it is unknown, and the client starts anew', async () => {
    const member = await createGuest(server.url, 'Survivor');
    const client = bed.client(server.url, member.token, { transports: ['polling'] });
    await (await client.online()).follow(room);
    const lost = client.node;
    const sid = await sessionOn(server, lost);
    for (let i = 0; i < ROUNDS; i += 1) {
      // Wherever it lands: it reaches the worker that has the session.
      const answer = await rest(server.url, `POST ${POLLING_PATH}&sid=${sid}`, {
        body: ENGINE_NOOP,
        headers: { 'content-type': 'text/plain' },
      });
      assert.equal(answer.text, 'ok');
    }

    const pid = (await server.workers()).get(lost) ?? 0;
    process.kill(pid, 'SIGKILL');
    await eventually('the main process knows that it is gone', () => /a worker died/.test(server.output));
    for (let i = 0; i < ROUNDS; i += 1) {
      const answer = await expectStatus(400, rest(server.url, `GET ${POLLING_PATH}&sid=${sid}`));
      assert.deepEqual(answer.body, UNKNOWN);
    }
    for (let i = 0; i < ROUNDS; i += 1) assert.equal(await upgradeStatus(server, sid), 400);

    await eventually('the client is elsewhere', () => client.socket.connected && client.nodes.length === 2);
    assert.notEqual(client.node, lost);
    await client.send(room, 'I am back');
    await checkLogs(server.url, owner.token, room, [client]);
    assert.ok(!(await server.workers()).has(lost), 'the new worker has a name of its own');
  }, 40_000);

  it("answers requests that are sent ahead of a poll's answer, in their order, whoever has the session", async () => {
    const [worker] = (await server.workers()).keys();
    for (let n = 0; n < ROUNDS; n += 1) {
      const answers = await sendAhead(server, [
        `GET ${POLLING_PATH}&sid=${worker}.unknown HTTP/1.1`,
        'GET /v1/nowhere HTTP/1.1',
        `GET ${POLLING_PATH}&sid=${worker}.unknown HTTP/1.1`,
        'GET /livez HTTP/1.1',
      ]);
      assert.deepEqual(answers, ['400', '404', '400', '200']);
    }
  }, 20_000);

  it('answers ids that no worker ever gave in the same way', async () => {
    for (const sid of ['77.AAAA', '0.x', 'nonsense', '..%2f..%2fetc', '1.%00', '']) {
      for (let i = 0; i < 3; i += 1) {
        const answer = await rest(server.url, `GET ${POLLING_PATH}&sid=${sid}`);
        if (sid !== '')
          assert.deepEqual({ sid, status: answer.status, body: answer.body }, { sid, status: 400, body: UNKNOWN });
      }
    }
  }, 20_000);
});

/** Sends all at once over one connection; the statuses of what comes back. */
function sendAhead(server: SpawnedServer, heads: readonly string[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(server.port), '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((it) => it[1] ?? '');
      if (statuses.length < heads.length) return;
      socket.destroy();
      resolve(statuses);
    });
    socket.on('error', reject);
    socket.setTimeout(5000, () => socket.destroy(new Error(`not all was answered: ${text}`)));
    socket.write(heads.map((it) => `${it}\r\nHost: localhost\r\n\r\n`).join(''));
  });
}

/** A raw Engine.IO session on that worker. */
async function sessionOn(server: SpawnedServer, worker: string): Promise<string> {
  return eventually(`a session on worker ${worker}`, async () => {
    const { text } = await expectStatus(200, rest(server.url, `GET ${POLLING_PATH}`));
    const { sid }: { sid: string } = JSON.parse(text.slice(1));
    return sid.startsWith(`${worker}.`) ? sid : '';
  });
}

function upgradeStatus(server: SpawnedServer, sid: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request(`${server.url}/socket.io/?EIO=4&transport=websocket&sid=${sid}`, {
      agent: false,
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      },
    });
    sent.on('response', (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    sent.on('upgrade', (_answer, socket) => {
      socket.destroy();
      resolve(101);
    });
    sent.on('error', reject);
    sent.end();
  });
}
