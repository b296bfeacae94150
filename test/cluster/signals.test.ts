import assert from 'node:assert/strict';
import { request } from 'node:http';
import { afterAll, describe, it } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { createGuest, createRoom, rest } from '../support/rest.ts';
import type { Exit, SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';

const GRACE_MS = 5000;
/** What the end of the process itself may take on a busy machine. */
const LATE_MS = 1500;

describe('ending', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 30_000);

  const ways: readonly [string, (server: SpawnedServer) => void][] = [
    ['SIGTERM', (it) => it.signal('SIGTERM')],
    ['SIGINT', (it) => it.signal('SIGINT')],
    ['SIGTERM three times', (it) => [1, 2, 3].forEach(() => void it.signal('SIGTERM'))],
    [
      'SIGINT and SIGTERM to the whole group, as a terminal and npm do',
      (it) => {
        it.signal('SIGINT', 'group');
        it.signal('SIGTERM', 'group');
        it.signal('SIGINT', 'group');
      },
    ],
  ];
  for (const [name, send] of ways) {
    it(`${name}: answers what is under way, sends clients away, exits with 0 and leaves nothing`, async () => {
      const server = await bed.server({ INSTANCES: '2', SHUTDOWN_GRACE_MS: String(GRACE_MS), DRAIN_MS: '500' });
      const guest = await createGuest(server.url, 'Guest');
      const room = await createRoom(server.url, guest.token, 'Signals');
      const clients = await bed.clientsOnAllWorkers(server, guest.token, 4, { reconnection: false });
      const underWay = await Promise.all([1, 2, 3, 4].map((n) => beginPost(server.url, guest.token, room, `n${n}`)));

      const sentAt = performance.now();
      send(server);
      await eventually('a client is sent away', () => clients.some((it) => it.pushesOf('drain').length > 0));
      const answers = await Promise.all(underWay.map((it) => it.finish()));
      assert.deepEqual(answers, [201, 201, 201, 201]);
      assert.deepEqual(await server.exited, { code: 0, signal: null } satisfies Exit, server.output);
      assert.ok(performance.now() - sentAt < GRACE_MS + LATE_MS);
      assert.deepEqual(server.pids(), []);
      assert.ok(clients.every((it) => it.pushesOf('drain').length === 1 && it.cuts.length === 1));
      for (const client of clients) client.close();
    }, 30_000);
  }

  it('tells those who poll in a busy room that they are to go, one after the other, and is heard to drain', async () => {
    const server = await bed.server({ INSTANCES: '2', DRAIN_MS: '2000' });
    const guest = await createGuest(server.url, 'Guest');
    const room = await createRoom(server.url, guest.token, 'Busy');
    const polling = { transports: ['polling'], reconnection: false };
    const clients = await bed.clientsOnAllWorkers(server, guest.token, 6, polling);
    const post = () =>
      rest(server.url, `POST /v1/chat/rooms/${room}/messages`, { token: guest.token, body: { message: 'x' } });
    const talk = bed.own(
      setInterval(() => void post().catch(() => {}), 20), // until nobody listens any more
      (it) => clearInterval(it),
    );
    await eventually('they hear it', () => clients.every((it) => it.pushesOf('message').length > 0));

    server.signal('SIGTERM');
    await eventually('it says so', async () => {
      const { status, body } = await rest<{ reasons: string[] }>(server.url, 'GET /readyz');
      return status === 503 && body.reasons.includes('draining');
    });
    assert.deepEqual(await server.exited, { code: 0, signal: null });
    clearInterval(talk);
    const toldAt = clients.map((it) => it.pushes.filter(({ event }) => event === 'drain').map(({ at }) => at));
    assert.ok(
      toldAt.every((it) => it.length === 1),
      JSON.stringify(clients.map(({ node, cuts }, n) => ({ node, cuts, toldAt: toldAt[n] }))),
    );
    const all = toldAt.flat();
    assert.ok(
      Math.max(...all) - Math.min(...all) > 500,
      `all of them within ${Math.max(...all) - Math.min(...all)} ms`,
    );
    for (const client of clients) client.close();
  }, 30_000);

  it('ends in time with 0 though a request never finishes', async () => {
    const server = await bed.server({ INSTANCES: '2', SHUTDOWN_GRACE_MS: '2000' });
    const guest = await createGuest(server.url, 'Guest');
    const room = await createRoom(server.url, guest.token, 'Never');
    const stuck = await beginPost(server.url, guest.token, room, 'never');
    const sentAt = performance.now();
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
    assert.ok(performance.now() - sentAt < 2000 + LATE_MS);
    assert.deepEqual(server.pids(), []);
    await stuck.abandon();
  }, 30_000);

  it('ends at once while its workers are still starting', async () => {
    const server = await bed.start({ INSTANCES: '3' });
    await eventually('a worker was forked', () => server.workerPids().length > 0);
    const sentAt = performance.now();
    server.signal('SIGTERM');
    assert.deepEqual(await server.exited, { code: 0, signal: null });
    assert.ok(performance.now() - sentAt < 5000);
    assert.deepEqual(server.pids(), []);
  }, 20_000);

  it('replaces a worker that gets SIGTERM alone', async () => {
    const server = await bed.server({ INSTANCES: '2' });
    const guest = await createGuest(server.url, 'Guest');
    const clients = await bed.clientsOnAllWorkers(server, guest.token, 4);
    const before = await server.workers();
    const [name, pid] = [...before][0] ?? ['', 0];
    process.kill(pid, 'SIGTERM');
    await eventually(
      'its clients have moved',
      () => clients.every((it) => it.socket.connected && it.node !== name),
      10_000,
    );
    const after = await server.workers();
    assert.ok(!after.has(name));
    assert.equal([...before.keys()].filter((it) => after.has(it)).length, 1);
    assert.ok(clients.some((it) => it.cuts.length === 1) && clients.some((it) => it.cuts.length === 0));
    assert.equal((await rest(server.url, 'GET /livez')).status, 200);
    for (const client of clients) client.close();
  }, 30_000);
});

interface BegunPost {
  /** Sends the rest; resolves with the status. */
  finish(): Promise<number | undefined>;
  /** Resolves when the server has cut it off. */
  abandon(): Promise<void>;
}

/** A message of which the server has the head and half of the body. */
async function beginPost(url: string, token: string, room: string, message: string): Promise<BegunPost> {
  const body = JSON.stringify({ message });
  const sent = request(`${url}/v1/chat/rooms/${room}/messages`, {
    method: 'POST',
    agent: false,
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': body.length,
      expect: '100-continue',
    },
  });
  const answered = new Promise<number | undefined>((resolve, reject) => {
    sent.on('response', (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    sent.on('error', reject);
  });
  answered.catch(() => {}); // told to whoever finishes or abandons it
  // That the server says to go on is the sign that it holds the request.
  const heard = new Promise<void>((resolve) => sent.once('continue', resolve));
  sent.flushHeaders();
  await heard;
  sent.write(body.slice(0, 5));
  return {
    finish: () => {
      sent.end(body.slice(5));
      return answered;
    },
    abandon: () =>
      answered.then(
        () => {
          throw new Error('half a request was answered');
        },
        () => {},
      ),
  };
}
