import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { afterAll, describe, it } from '@jest/globals';
import { WebSocket } from 'ws';
import type { ChatClient } from '../support/chat-client.ts';
import { checkLogs } from '../support/check-logs.ts';
import { eventually } from '../support/eventually.ts';
import { POLLING_PATH } from '../support/raw-engine.ts';
import { createGuest, createRoom, rest } from '../support/rest.ts';
import { startSenders } from '../support/senders.ts';
import { TestBed } from '../support/test-bed.ts';

const DRAIN_MS = 1000;

describe('SIGHUP', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 30_000);

  it('replaces every worker without a failed request or a lost message, and moves clients one by one', async () => {
    const server = await bed.server({ INSTANCES: '3', DRAIN_MS: String(DRAIN_MS), LOG: 'info' });
    const { url } = server;
    const owner = await createGuest(url, 'Owner');
    const room = await createRoom(url, owner.token, 'Rolling');
    const clients = await Promise.all(
      Array.from({ length: 15 }, async (_, n) => {
        const guest = await createGuest(url, `Client ${n}`);
        const client = await bed.client(url, guest.token, { name: `client ${n}` }).online();
        return client.follow(room);
      }),
    );
    const before = await server.workers();
    const agent = bed.own(new Agent({ keepAlive: true, maxSockets: 4 }), (it) => it.destroy());
    const senders = startSenders(clients, [room]);
    const requests = continuousRequests(url, owner.token, room, [agent, agent, undefined, undefined]);
    await eventually(
      'the load runs',
      () => requests.count() > 50 && clients.every((it) => it.acked.length > 2),
      20_000,
    );

    server.signal('SIGHUP');
    server.signal('SIGHUP', 'group'); // a terminal that hangs up tells everybody
    const old = [...before.values()];
    await eventually(
      'no old worker runs',
      () => {
        const now = server.workerPids();
        return now.length === 3 && now.every((it) => !old.includes(it));
      },
      40_000,
    );
    const after = await server.workers();
    await eventually(
      'all clients are on the new workers',
      () => clients.every((it) => it.socket.connected && after.has(it.node)),
      20_000,
    );
    await senders.stop();
    const failures = await requests.stop();
    assert.deepEqual(failures, [], `of ${requests.count()} requests`);
    const untold = clients.filter((it) => it.cuts.length === 0 || it.pushesOf('drain').length === 0);
    assert.deepEqual(
      untold.map(({ name, nodes, cuts }) => ({ name, nodes, cuts })),
      [],
    );
    assertSpread(clients);
    await checkLogs(url, owner.token, room, clients, 10_000);
  }, 90_000);

  it('lets new clients in over connections that a worker about to go has kept: others take them', async () => {
    const server = await bed.server({ INSTANCES: '3', DRAIN_MS: '3000' });
    const owner = await createGuest(server.url, 'Owner');
    const clients = await bed.clientsOnAllWorkers(server, owner.token, 3);
    const kept = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const agent = bed.own(new Agent({ keepAlive: true, maxSockets: 1 }), (it) => it.destroy());
        const { body } = await rest<{ worker: string }>(server.url, 'GET /readyz', { agent });
        return { agent, worker: body.worker };
      }),
    );
    server.signal('SIGHUP');
    const leaving = await eventually(
      'a worker is about to go',
      () => clients.find((it) => it.pushesOf('drain').length > 0)?.cuts[0]?.node,
      20_000,
    );
    assert.ok(kept.filter(({ worker }) => worker === leaving).length > 1);
    const [upgrading, ...polling] = kept.toSorted(
      (a, b) => Number(b.worker === leaving) - Number(a.worker === leaving),
    );
    for (const { agent, worker } of polling) {
      const { status, text } = await rest(server.url, `GET ${POLLING_PATH}`, { agent });
      assert.equal(status, 200, `${text} over a connection of worker ${worker}, while ${leaving} goes`);
      assert.doesNotMatch(text, new RegExp(`"sid":"${leaving}\\.`));
    }
    const upgrade = new WebSocket(`${server.url}/socket.io/?EIO=4&transport=websocket`, { agent: upgrading?.agent });
    const [handshake] = await once(upgrade, 'message');
    assert.doesNotMatch(String(handshake), new RegExp(`"sid":"${leaving}\\.`));
    upgrade.terminate();
  }, 60_000);
});

/** The clients that one worker held when it went were not all sent away at once. */
function assertSpread(clients: readonly ChatClient[]): void {
  const byNode = new Map<string, number[]>();
  for (const { node, at } of clients.flatMap((it) => it.cuts)) byNode.set(node, [...(byNode.get(node) ?? []), at]);
  const held = [...byNode.values()].filter((it) => it.length > 2);
  assert.ok(held.length > 0);
  for (const at of held) {
    const spreadMs = Math.max(...at) - Math.min(...at);
    assert.ok(spreadMs > DRAIN_MS * 0.4, `${at.length} clients were sent away within ${spreadMs} ms`);
  }
}

/** Loops that read and write without a pause; each failure is kept, and none is tried again. */
function continuousRequests(url: string, token: string, room: string, agents: readonly (Agent | undefined)[]) {
  let running = true;
  let count = 0;
  const failures: string[] = [];
  const lines = [`GET /v1/chat/rooms/${room}/messages?limit=5`, `POST /v1/chat/rooms/${room}/messages`];
  const loops = agents.map(async (agent, n) => {
    for (let i = 0; running; i += 1) {
      const line = lines[(n + i) % lines.length] ?? '';
      const body = line.startsWith('POST') ? { body: { message: `request ${n} ${i}` } } : {};
      const kept = agent ? { agent } : {};
      try {
        const { status } = await rest(url, line, { token, ...body, ...kept });
        if (status >= 400) failures.push(`${line}: ${status}`);
      } catch (error) {
        failures.push(`${line}: ${String(error)} ${agent ? 'kept alive' : 'own connection'}`);
      }
      count += 1;
    }
  });
  return {
    count: () => count,
    async stop() {
      running = false;
      await Promise.all(loops);
      return failures;
    },
  };
}
