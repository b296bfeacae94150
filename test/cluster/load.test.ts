import assert from 'node:assert/strict';
import { afterAll, describe, it } from '@jest/globals';
import { connect } from '../../src/sdk/client.ts';
import type { Acked } from '../../src/verify/check-log.ts';
import { randomNumbers } from '../../src/verify/random-numbers.ts';
import type { ChatClient } from '../support/chat-client.ts';
import { type CheckedClient, checkLogs } from '../support/check-logs.ts';
import { eventually } from '../support/eventually.ts';
import { createGuest, createRoom, type Guest, joinRoom } from '../support/rest.ts';
import { startSenders } from '../support/senders.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';

const CLIENTS = 40;
const ROOMS = 4;
const KILLS = 4;
const SENT_BETWEEN = 200;
const SEED = Number(process.env.LOAD_SEED ?? Math.floor(Math.random() * 1e9));

type LoadClient = CheckedClient & {
  send(room: string, message: string): Promise<unknown>;
  /** How often its connection was cut so far. */
  readonly cut: () => number;
};

describe('the whole under load', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 60_000);

  const ways: readonly [
    string,
    (server: SpawnedServer, guest: Guest, rooms: readonly string[]) => Promise<LoadClient>,
  ][] = [
    ['plain clients', plainClient],
    ['clients of the typed kind', typedClient],
  ];
  for (const [kind, open] of ways) {
    it(`${CLIENTS} ${kind} in ${ROOMS} rooms, ${KILLS} workers killed at random: every list is the history (LOAD_SEED=${SEED})`, async () => {
      const random = randomNumbers(SEED);
      const server = await bed.server({ INSTANCES: '3', LOG: 'warn' });
      const { url } = server;
      const owner = await createGuest(url, 'Owner');
      const rooms = await Promise.all(
        Array.from({ length: ROOMS }, (_, n) => createRoom(url, owner.token, `Load ${n}`)),
      );
      const clients = await Promise.all(
        Array.from({ length: CLIENTS }, async (_, n) => {
          const guest = await createGuest(url, `${kind} ${n}`);
          const own = [rooms[n % ROOMS] ?? '', rooms[(n + 1) % ROOMS] ?? ''];
          for (const room of own) await joinRoom(url, guest.token, room);
          return { own, client: await open(server, guest, own) };
        }),
      );
      const all = clients.map((it) => it.client);
      const senders = clients.map(({ own, client }) => startSenders([client], own));
      const acked = () => all.reduce((sum, it) => sum + it.acked.length, 0);
      const cuts = () => all.reduce((sum, it) => sum + it.cut(), 0);
      const killed = new Set<number>();
      for (let kill = 0; kill < KILLS; kill += 1) {
        const before = acked();
        await eventually('the load runs', () => acked() >= before + SENT_BETWEEN, 20_000);
        const pids = server.workerPids().sort((a, b) => a - b);
        const pid = pids[Math.floor(random() * pids.length)] ?? 0;
        const cutBefore = cuts();
        process.kill(pid, 'SIGKILL');
        killed.add(pid);
        await eventually(
          'it is replaced',
          () => server.workerPids().length === 3 && !server.workerPids().includes(pid),
          15_000,
        );
        await eventually('connections were cut', () => cuts() > cutBefore, 5000).catch(() => {}); // a new one may hold none
      }
      const before = acked();
      await eventually('the load runs on', () => acked() >= before + SENT_BETWEEN, 20_000);
      await Promise.all(senders.map((it) => it.stop()));

      assert.equal(killed.size, KILLS);
      assert.ok(cuts() >= KILLS, `only ${cuts()} connections were cut`);
      let stored = 0;
      for (const room of rooms) stored += (await checkLogs(url, owner.token, room, all, 15_000)).length;
      assert.ok(stored >= acked());
      assert.ok(acked() >= SENT_BETWEEN * (KILLS + 1));
      await server.workers();
    }, 110_000);
  }

  async function plainClient(server: SpawnedServer, guest: Guest, rooms: readonly string[]): Promise<LoadClient> {
    const client: ChatClient = await bed.client(server.url, guest.token, { name: guest.name }).online();
    for (const room of rooms) await client.follow(room);
    return Object.assign(client, { cut: () => client.cuts.length });
  }

  async function typedClient(server: SpawnedServer, guest: Guest, rooms: readonly string[]): Promise<LoadClient> {
    const client = bed.own(connect(server.url, { token: guest.token, reconnect: { minMs: 50, maxMs: 500 } }), (it) =>
      it.close(),
    );
    await client.ready();
    const views = new Map(rooms.map((room) => [room, client.messages(room, { after: 0 })]));
    const acked: Acked[] = [];
    let cut = 0;
    let online = true;
    client.on('state', ({ state }) => {
      if (online && state !== 'online') cut += 1;
      online = state === 'online';
    });
    return {
      name: guest.name,
      acked,
      cut: () => cut,
      faults: () => [],
      appliedOf: (room) => views.get(room)?.list,
      async send(room, message) {
        const sent = await client.send(room, message);
        if (sent.kind === 'message') acked.push({ room, clientId: sent.clientId, id: sent.id, seq: sent.seq });
      },
    };
  }
});
