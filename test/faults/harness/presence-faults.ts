import assert from 'node:assert/strict';
import { afterAll, describe, it } from '@jest/globals';
import { quantilesOf } from '../../../src/verify/quantiles.ts';
import type { ChatClient } from '../../support/chat-client.ts';
import { eventually } from '../../support/eventually.ts';
import { createGuest, createRoom, expectStatus, type Guest, joinRoom, rest } from '../../support/rest.ts';
import type { Env } from '../../support/spawn-server.ts';
import { openTcpGate } from '../../support/tcp-gate.ts';
import { TestBed } from '../../support/test-bed.ts';
import { LONG, PATIENCE } from './patience.ts';
import { type FaultFigures, recordFigures } from './record-figures.ts';

const WORKERS = 3;
const ROUNDS = LONG ? 100 : 10;
const VANISHING = 8;
const LOST = 9;
const HEALTHY_MS = 1000 * PATIENCE;
const KILLED_MS = 15_000;
/** The server asks every 15 s and waits 10 s for an answer. */
const PINGS_MS = { interval: 15_000, timeout: 10_000 };
const SLACK_MS = 5000;
/** No reconnection: who is gone stays so. */
const ONCE = { reconnection: false, transports: ['websocket'] };

/** Presence as members of a room see it, on all workers of a real server, while clients and a worker go without a word. */
export function presenceFaults(over: FaultFigures['over'], env: () => Env, pings = PINGS_MS): void {
  const vanishedLimitMs = pings.interval + pings.timeout + SLACK_MS;
  describe(`presence, ${over}`, () => {
    const bed = new TestBed();
    afterAll(() => bed.close(), 60_000);

    it('is right on all workers, whoever vanishes or dies', async () => {
      const server = await bed.server({
        INSTANCES: String(WORKERS),
        LOG: 'warn',
        PING_INTERVAL_MS: String(pings.interval),
        PING_TIMEOUT_MS: String(pings.timeout),
        ...env(),
      });
      const { url } = server;
      const owner = await createGuest(url, 'Watcher');
      const room = await createRoom(url, owner.token, 'Presence');
      const watchers = await bed.clientsOnAllWorkers(server, owner.token, WORKERS);
      const guestOf = async (name: string): Promise<Guest> => {
        const guest = await createGuest(url, name);
        await joinRoom(url, guest.token, room);
        return guest;
      };
      /** Their connections come one after the other, so that they go round the workers. */
      const come = async (name: string, count: number, to = url): Promise<Person[]> => {
        const people: Person[] = [];
        for (let n = 0; n < count; n += 1) {
          const guest = await guestOf(`${name} ${n}`);
          people.push({ guest, client: bed.client(to, guest.token, { ...ONCE, autoConnect: false }) });
        }
        for (const { client } of people) {
          client.socket.connect();
          await client.online();
        }
        return people;
      };
      /** Who is told to be online, by several reads one after the other, which different workers answer. */
      const shows = (expected: readonly string[], withinMs: number) =>
        eventually(
          `online: ${expected.length}`,
          async () => {
            for (let read = 0; read < WORKERS; read += 1) {
              const line = `GET /v1/chat/rooms/${room}/presence?users=true`;
              const asked = rest<{ count: number; users: { user: string }[] }>(url, line, { token: owner.token });
              const { count, users } = (await expectStatus(200, asked)).body;
              const shown = users.map((it) => it.user).sort();
              if (count !== shown.length || shown.join() !== [...expected].sort().join()) return false;
            }
            return true;
          },
          withinMs,
        );

      const gate = bed.own(await openTcpGate(Number(server.port)), (it) => it.close());
      const vanishing = await come('Vanishes', VANISHING, `http://127.0.0.1:${gate.port}`);
      const lost = await come('Lost', LOST);
      const tabbed = await guestOf('Many tabs');
      const tabs = await bed.clientsOnAllWorkers(server, tabbed.token, 2 * WORKERS, ONCE);
      const here = (): string[] => [owner.user, tabbed.user, ...[...vanishing, ...lost].map((it) => it.guest.user)];
      await shows(here(), 5000);
      for (const it of watchers) it.pushes.length = 0;

      const healthyMs: number[] = [];
      const rover = await guestOf('Comes and goes');
      for (let round = 0; round < ROUNDS; round += 1) {
        const client = await bed.client(url, rover.token, ONCE).online();
        healthyMs.push(await seen(watchers, rover, 1, round + 1, performance.now()));
        await shows([...here(), rover.user], HEALTHY_MS);
        client.close();
        healthyMs.push(await seen(watchers, rover, 2, round + 1, performance.now()));
        await shows(here(), HEALTHY_MS);
      }
      // One of many tabs is nobody's coming or going, on whichever workers they are.
      for (const tab of tabs.slice(WORKERS)) tab.close();
      const more = await bed.client(url, tabbed.token, ONCE).online();
      more.close();
      await shows(here(), HEALTHY_MS);

      const [killed, pid] = fewest(await server.workers(), vanishing);
      gate.stall();
      const stalledAt = performance.now();
      const died = lost.filter((it) => it.client.node === killed);
      const staying = watchers.filter((it) => it.node !== killed);
      const vanished = vanishing.filter((it) => it.client.node !== killed);
      assert.ok(died.length > 0 && died.length < LOST && staying.length > 0 && vanished.length > 1);
      process.kill(pid, 'SIGKILL');
      const killedAt = performance.now();
      const diedMs = await Promise.all(died.map((it) => seen(staying, it.guest, 2, 1, killedAt, KILLED_MS)));
      const leftMs = vanishedLimitMs - (performance.now() - stalledAt);
      const vanishedMs = await Promise.all(vanished.map((it) => seen(staying, it.guest, 2, 1, stalledAt, leftMs)));
      assert.ok(Math.min(...vanishedMs) > 1000, 'nobody said that they were gone');
      const stay = lost.filter((it) => !died.includes(it));
      await shows([owner.user, tabbed.user, ...stay.map((it) => it.guest.user)], HEALTHY_MS);
      for (const watcher of staying) {
        for (const { guest } of [...died, ...vanished]) assert.deepEqual(statusesOf(watcher, guest), [2], guest.name);
        for (const guest of [tabbed, owner, ...stay.map((it) => it.guest)]) {
          assert.deepEqual(statusesOf(watcher, guest), [], guest.name);
        }
        assert.deepEqual(
          statusesOf(watcher, rover),
          Array.from({ length: 2 * ROUNDS }, (_, n) => 1 + (n % 2)),
        );
        assert.deepEqual(watcher.cuts, []);
      }

      const text = (values: readonly number[]): string => {
        const { count, p50, max } = quantilesOf(values);
        return `p50 ${p50}, max ${max} ms (${count})`;
      };
      const { max } = quantilesOf(healthyMs);
      recordFigures({
        run: 'presence',
        over,
        fault: `${VANISHING} clients fall silent, one of ${WORKERS} workers is killed with -9`,
        bite: `${vanished.length} and ${died.length} users were told to be gone who had not said so`,
        figures: [
          { what: 'told of who comes and goes', value: text(healthyMs), limit: `<= ${HEALTHY_MS} ms` },
          { what: 'told of who was on the killed worker', value: text(diedMs), limit: `<= ${KILLED_MS} ms` },
          { what: 'told of who fell silent', value: text(vanishedMs), limit: `<= ${vanishedLimitMs} ms` },
        ],
      });
      assert.ok(max <= HEALTHY_MS, `a change was seen after ${max} ms`);
    }, 120_000);
  });
}

interface Person {
  readonly guest: Guest;
  readonly client: ChatClient;
}

const statusesOf = (client: ChatClient, { user }: Guest) =>
  client.pushesOf('status').flatMap((it) => (it.user === user ? [it.status] : []));

/** Resolves with how long after `since` the last of `watchers` was told for the `times`th time. */
async function seen(
  watchers: readonly ChatClient[],
  { user, name }: Guest,
  status: 1 | 2,
  times: number,
  since: number,
  withinMs = 5000,
): Promise<number> {
  const told = (it: ChatClient) =>
    it.pushes.filter(({ event, payload }) => event === 'status' && payload.user === user && payload.status === status);
  await eventually(`all are told of ${name}`, () => watchers.every((it) => told(it).length >= times), withinMs);
  return Math.max(...watchers.map((it) => told(it)[times - 1]?.at ?? 0)) - since;
}

/** The worker on which the fewest of them are, with its pid. */
function fewest(workers: ReadonlyMap<string, number>, people: readonly Person[]): [string, number] {
  const count = (name: string): number => people.filter((it) => it.client.node === name).length;
  const [first] = [...workers].sort(([a], [b]) => count(a) - count(b));
  assert.ok(first);
  return first;
}
