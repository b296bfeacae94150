import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, it } from '@jest/globals';
import { checkLog } from '../../src/verify/check-log.ts';
import { type Quantiles, quantilesOf } from '../../src/verify/quantiles.ts';
import { comeBack, comeInOrderly } from '../support/come-back.ts';
import { eventually } from '../support/eventually.ts';
import { intercept } from '../support/intercept.ts';
import { readMetrics, sumOf } from '../support/metrics.ts';
import { prepareFolder } from '../support/prepared-folder.ts';
import { RawClient } from '../support/raw-client.ts';
import { expectStatus, readHistory, rest } from '../support/rest.ts';
import { startSteadySender } from '../support/steady-sender.ts';
import { TestBed } from '../support/test-bed.ts';
import { actOnSignal } from './harness/act-on-signal.ts';
import { LONG, PATIENCE } from './harness/patience.ts';
import { recordFigures } from './harness/record-figures.ts';

const WORKERS = 3;
const CLIENTS = LONG ? 200 : 45;
const ROOMS = LONG ? 20 : 5;
const PER_SECOND = LONG ? 100 : 40;
const STOP_MS = 10_000;
const NEW_CONNECTION_EVERY_MS = 200;
/** The worker is silent 12 s, seen within a second more; then its clients wait as socket.io-client does. */
const ELSEWHERE_MS = 20_000;
const P99_MS = 500 * PATIENCE;
/** Those of other workers that this test hangs on: two kept connections to each worker. */
const KEPT_EACH = 2;
const PAUSE_MS = 50;

interface Fault {
  readonly name: string;
  readonly signal: NodeJS.Signals;
  /** The worker goes on after that long; otherwise it never does. */
  readonly ms?: number;
}

const FAULTS: readonly Fault[] = [
  { name: 'stopped 10 s', signal: 'SIGSTOP', ms: STOP_MS },
  { name: 'stopped for good', signal: 'SIGSTOP' },
  ...(LONG ? [{ name: 'in a loop without an end', signal: 'SIGUSR2' } as const] : []),
];

describe('R22: a worker that hangs', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 60_000);

  it('is replaced when it does not come to itself; others feel nothing, nothing is lost or doubled', async () => {
    const dataDir = join(await bed.folder(), 'data');
    const prepared = await prepareFolder(dataDir, { rooms: ROOMS, users: CLIENTS }, (n) => [n % ROOMS]);
    const { rooms, owner, users } = prepared;
    const env = { DATA_DIR: dataDir, INSTANCES: String(WORKERS), LOG: 'warn', ...actOnSignal('for (;;);') };
    const server = await bed.server(env);
    const { url } = server;
    const clients = users.map((it) =>
      bed.own(new RawClient(url, it.token, it.name, it.rooms), (client) => client.close()),
    );
    await comeInOrderly(clients);
    const failures: unknown[] = [];
    let backAt: number[] = [];
    for (const client of clients) {
      client.onCut = () => {
        // As long as socket.io-client waits by default.
        sleep(500 + Math.random() * 1000)
          .then(() => comeBack(client))
          .then(
            () => backAt.push(performance.now()),
            (cause: unknown) => failures.push(cause),
          );
      };
    }
    const sends: Took[] = [];
    const timed = clients.map((client) =>
      intercept(client, (method, run) => {
        if (method !== 'send') return run();
        const { node } = client;
        const startedAt = performance.now();
        const sending = Promise.resolve(run());
        void sending.then(() => sends.push({ node, ms: performance.now() - startedAt, startedAt }));
        return sending;
      }),
    );
    const kept = await keptConnections(bed, url);
    const roomOf = (n: number): string => users[n % CLIENTS]?.rooms[0] ?? '';
    const load = bed.own(startSteadySender(timed, roomOf, PER_SECOND, 100), (it) => it.stop());
    const requests = bed.own(startRequests(url, kept, owner.token, rooms[0] ?? ''), (it) => it.stop());
    const told: Parameters<typeof recordFigures>[0]['figures'][number][] = [];

    for (const { name, signal, ms } of FAULTS) {
      const workers = await server.workers();
      await Promise.all(kept.map((it) => nameOf(it, url)));
      const hung = kept.find((it) => workers.has(it.node))?.node ?? '';
      const pid = workers.get(hung) ?? 0;
      const affected = clients.filter((it) => it.node === hung);
      const others = clients.filter((it) => it.node !== hung);
      assert.ok(affected.length > 0 && others.length > 0);
      const before = await readMetrics(url);
      const cuts = clients.map((it) => it.cuts.length);
      const fresh = bed.own(startNewConnections(url), (it) => it.stop());
      backAt = [];

      const startedAt = performance.now();
      process.kill(pid, signal);
      if (ms === undefined) {
        await eventually(
          'its clients are on others',
          () => affected.every((it) => it.isIn && it.node !== hung),
          ELSEWHERE_MS,
        );
      } else {
        await sleep(ms);
        process.kill(pid, 'SIGCONT');
      }
      const endedAt = performance.now();
      const after = await server.workers(); // all of them answer
      await sleep(1000); // for what waited
      const connections = await fresh.stop();
      const window = (it: Took): boolean => it.startedAt + it.ms >= startedAt && it.startedAt <= endedAt;
      const sent = quantilesOf(sends.filter((it) => window(it) && it.node !== hung).map((it) => it.ms));
      const asked = quantilesOf(requests.took.filter((it) => window(it) && it.node !== hung).map((it) => it.ms));
      const stuck = quantilesOf(requests.took.filter((it) => window(it) && it.node === hung).map((it) => it.ms));
      const waited = connections.filter((it) => it.ms > P99_MS);
      const metrics = await readMetrics(url);
      const more = (metric: string): number => sumOf(metrics, metric) - sumOf(before, metric);
      const back = quantilesOf(backAt.map((it) => it - startedAt));
      told.push(
        { what: `${name}: others' sends`, value: text(sent), limit: `p99 <= ${P99_MS} ms` },
        { what: `${name}: others' requests`, value: text(asked), limit: `p99 <= ${P99_MS} ms` },
        { what: `${name}: its own requests`, value: text(stuck) },
        {
          what: `${name}: new connections`,
          value: `${connections.length}, of which ${waited.length} waited, ${waited.map((it) => `${Math.round(it.ms)} ms`)}`,
          limit: 'one waits',
        },
        ...(ms === undefined
          ? [{ what: `${name}: its clients elsewhere`, value: text(back), limit: `max <= ${ELSEWHERE_MS} ms` }]
          : []),
      );

      // The fault was met: who asked that worker waited for nothing.
      assert.ok(stuck.max >= STOP_MS - 1000, `${name}: the worker answered after ${stuck.max} ms`);
      assert.ok(sent.count > 50 && asked.count > 50, `${name}: ${sent.count} sends, ${asked.count} requests`);
      assert.ok(sent.p99 <= P99_MS, `${name}: sends of others took ${text(sent)}`);
      assert.ok(asked.p99 <= P99_MS, `${name}: requests of others took ${text(asked)}`);
      assert.ok(waited.length <= 1, `${name}: ${waited.length} new connections waited`);
      for (const [n, it] of clients.entries()) {
        const cut = ms === undefined && affected.includes(it) ? 1 : 0;
        assert.equal(it.cuts.length - (cuts[n] ?? 0), cut, `${name}: ${it.name} was cut`);
      }
      const killed = ms === undefined ? 1 : 0;
      assert.deepEqual(
        [more('parley_workers_hung_total'), more('parley_worker_deaths_total'), [...after.values()].includes(pid)],
        [killed, killed, killed === 0],
        name,
      );
      if (killed) assert.equal(back.count, affected.length);
    }
    await load.stop();
    await requests.stop();
    assert.deepEqual([failures, load.refusals], [[], []]);

    for (const room of rooms) {
      const history = await readHistory(url, owner.token, room);
      const here = clients.filter((_, n) => users[n]?.rooms.includes(room));
      await eventually('all hold it', () => here.every((it) => it.lengthOf(room) === history.length)).catch(() => {});
      const found = checkLog(
        room,
        history,
        here.map((it) => it.witnessOf(room)),
      );
      assert.deepEqual(found, { broken: [], lost: [], different: [], faults: [] });
    }
    recordFigures({
      run: 'R22',
      over: 'embedded',
      fault: `one of ${WORKERS} workers ${FAULTS.map((it) => it.name).join(', ')}`,
      bite: 'requests over connections to it had no answer as long; each pid changed but that of who came to itself',
      figures: told,
    });
  }, 180_000);
});

interface Took {
  /** The worker asked. */
  readonly node: string;
  readonly ms: number;
  readonly startedAt: number;
}

const text = ({ count, p50, p99, max }: Quantiles): string => `p50 ${p50}, p99 ${p99}, max ${max} ms (${count})`;

interface Kept {
  readonly agent: Agent;
  /** The worker at the other end. */
  node: string;
}

/** Asks again: an agent opens another connection when its worker was killed. */
async function nameOf(it: Kept, url: string): Promise<void> {
  const answer = await expectStatus(200, rest<{ worker: string }>(url, 'GET /readyz', { agent: it.agent }));
  it.node = answer.body.worker;
}

/** Some connections that are kept, to every worker. */
async function keptConnections(bed: TestBed, url: string): Promise<Kept[]> {
  const kept: Kept[] = [];
  while (kept.length < WORKERS * KEPT_EACH) {
    const agent = bed.own(new Agent({ keepAlive: true, maxSockets: 1 }), (it) => it.destroy());
    const found: Kept = { agent, node: '' };
    await nameOf(found, url);
    if (kept.filter((it) => it.node === found.node).length < KEPT_EACH) kept.push(found);
  }
  return kept;
}

/** Over each connection, one request after the other; one that breaks is sent again under its clientId. */
function startRequests(url: string, kept: readonly Kept[], token: string, room: string) {
  let running = true;
  const took: Took[] = [];
  const loops = kept.map(async (it) => {
    for (let i = 0; running; i += 1) {
      const { node, agent } = it;
      const message = { message: `request ${i}`, clientId: randomUUID() };
      const [line, body] = i % 2 === 0 ? [`GET /v1/chat/rooms/${room}/messages?limit=5`] : [post(room), message];
      const startedAt = performance.now();
      while (running) {
        try {
          const { status } = await rest(url, line, { token, agent, ...(body ? { body } : {}) });
          if (status < 400) break;
        } catch {} // its worker was killed
        await sleep(PAUSE_MS);
      }
      took.push({ node, ms: performance.now() - startedAt, startedAt });
      await sleep(PAUSE_MS);
    }
  });
  return {
    took,
    stop: async () => {
      running = false;
      await Promise.all(loops);
    },
  };
}

const post = (room: string): string => `POST /v1/chat/rooms/${room}/messages`;

/** At a fixed rate, each over a connection of its own. */
function startNewConnections(url: string) {
  const all: Promise<{ ms: number; answered: boolean }>[] = [];
  const timer = setInterval(() => {
    const startedAt = performance.now();
    const end = (answered: boolean) => ({ ms: performance.now() - startedAt, answered });
    const asked = rest(url, 'GET /livez');
    all.push(
      asked.then(
        () => end(true),
        () => end(false),
      ),
    );
  }, NEW_CONNECTION_EVERY_MS);
  return {
    stop: () => {
      clearInterval(timer);
      return Promise.all(all);
    },
  };
}
