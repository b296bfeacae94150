import assert from 'node:assert/strict';
import { afterAll, describe, it } from '@jest/globals';
import { checkLogs } from '../support/check-logs.ts';
import { eventually } from '../support/eventually.ts';
import { POLLING_PATH } from '../support/raw-engine.ts';
import { createGuest, createRoom, rest } from '../support/rest.ts';
import { startSenders } from '../support/senders.ts';
import { TestBed } from '../support/test-bed.ts';

const RECONNECT_MS = 6000;
const BACK_MS = 5000;

describe('kill -9 under load', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 30_000);

  it('of a worker: it is replaced, its clients go on elsewhere, the others notice nothing, nothing is lost', async () => {
    const server = await bed.server({ INSTANCES: '3' });
    const owner = await createGuest(server.url, 'Owner');
    const room = await createRoom(server.url, owner.token, 'Worker death');
    const clients = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        const guest = await createGuest(server.url, `Client ${n}`);
        const client = await bed.client(server.url, guest.token, { name: `client ${n}` }).online();
        return client.follow(room);
      }),
    );
    const workers = await server.workers();
    const senders = startSenders(clients, [room]);
    await eventually('the load runs', () => clients.every((it) => it.acked.length >= 3), 20_000);

    const lost = clients[0]?.node ?? '';
    const pid = workers.get(lost) ?? 0;
    const affected = clients.filter((it) => it.node === lost);
    const others = clients.filter((it) => it.node !== lost);
    process.kill(pid, 'SIGKILL');
    await eventually(
      'its clients are elsewhere',
      () => affected.every((it) => it.socket.connected && it.node !== lost),
      RECONNECT_MS,
    );
    await eventually(
      'a new worker runs',
      () => server.workerPids().length === 3 && !server.workerPids().includes(pid),
      BACK_MS,
    );
    const later = clients.map((it) => it.acked.length);
    await eventually(
      'everybody sends again',
      () => clients.every((it, n) => it.acked.length > (later[n] ?? 0) + 2),
      15_000,
    );
    await senders.stop();

    assert.ok(affected.length > 0 && others.length > 0);
    assert.ok(affected.every((it) => it.cuts.length === 1));
    assert.deepEqual(
      others.flatMap((it) => it.cuts),
      [],
    );
    const after = await server.workers();
    assert.equal([...workers.values()].filter((it) => [...after.values()].includes(it)).length, 2);
    await checkLogs(server.url, owner.token, room, clients);
    assert.match(server.output, /a worker died and is replaced/);
  }, 60_000);

  it('of a worker: nobody else is cut who only polls, wherever the poll came in', async () => {
    const server = await bed.server({ INSTANCES: '3' });
    const owner = await createGuest(server.url, 'Owner');
    const room = await createRoom(server.url, owner.token, 'Polls');
    const clients = await bed.clientsOnAllWorkers(server, owner.token, 15, { transports: ['polling'] });
    await Promise.all(clients.map((it) => it.follow(room)));
    const [first] = clients;
    const lost = first?.node ?? '';
    const others = clients.filter((it) => it.node !== lost);
    process.kill((await server.workers()).get(lost) ?? 0, 'SIGKILL');
    await eventually('its client is elsewhere', () => first?.socket.connected && first.node !== lost, RECONNECT_MS);
    await first?.send(room, 'after the death');
    await checkLogs(server.url, owner.token, room, clients);
    assert.deepEqual(
      others.flatMap((it) => it.cuts),
      [],
    );
  }, 40_000);

  it('of a worker: polls that were on their way to it end, and their clients need not wait', async () => {
    const server = await bed.server({ INSTANCES: '2' });
    const owner = await createGuest(server.url, 'Owner');
    const [client] = await bed.clientsOnAllWorkers(server, owner.token, 2, { transports: ['polling'] });
    const name = client?.node ?? '';
    const pid = (await server.workers()).get(name) ?? 0;
    process.kill(pid, 'SIGSTOP');
    const polls = Array.from({ length: 8 }, () =>
      rest(server.url, `GET ${POLLING_PATH}&sid=${client?.socket.io.engine.id}`),
    );
    let ended = 0;
    const settled = Promise.all(polls.map((it) => it.catch(() => {}).finally(() => (ended += 1))));
    await eventually('the other worker still answers', async () => {
      const { body } = await rest<{ worker: string }>(server.url, 'GET /readyz');
      return body.worker !== name;
    });
    assert.equal(ended, 0);
    const killedAt = performance.now();
    process.kill(pid, 'SIGKILL');
    await settled;
    assert.ok(performance.now() - killedAt < RECONNECT_MS);
    await server.workers();
  }, 30_000);

  it('ends connections that were on their way to a worker when it died: their clients need not wait', async () => {
    const server = await bed.server({ INSTANCES: '2' });
    const [[name, pid] = ['', 0]] = await server.workers();
    process.kill(pid, 'SIGSTOP');
    // Connections go round: one of two is handed to the worker that does not take it.
    const asked = Array.from({ length: 2 }, () => rest<{ worker: string }>(server.url, 'GET /readyz'));
    const settled = asked.map(async (it) => {
      const [end] = await Promise.allSettled([it]);
      return { end, at: performance.now() };
    });
    const first = await Promise.race(settled);
    assert.ok(first.end.status === 'fulfilled' && first.end.value.body.worker !== name);
    const killedAt = performance.now();
    process.kill(pid, 'SIGKILL');
    const ends = await Promise.all(settled);
    const cut = ends.filter((it) => it.end.status === 'rejected');
    assert.equal(cut.length, 1);
    assert.ok((cut[0]?.at ?? 0) - killedAt < RECONNECT_MS);
    await server.workers();
  }, 30_000);
});
