import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, it } from '@jest/globals';
import { addFindings, checkLog, noFindings } from '../../src/verify/check-log.ts';
import { quantilesOf } from '../../src/verify/quantiles.ts';
import { startRequests } from '../deploy/steady-requests.ts';
import { comeBack, comeInOrderly } from '../support/come-back.ts';
import { eventually } from '../support/eventually.ts';
import { prepareFolder } from '../support/prepared-folder.ts';
import { RawClient } from '../support/raw-client.ts';
import { readHistory } from '../support/rest.ts';
import { startSteadySender } from '../support/steady-sender.ts';
import { TestBed } from '../support/test-bed.ts';
import { LONG } from './harness/patience.ts';
import { recordFigures } from './harness/record-figures.ts';

const CLIENTS = LONG ? 200 : 150;
const SENDERS = 10;
const ROOMS = 5;
const PER_SECOND = LONG ? 100 : 40;
const ROUNDS = LONG ? 5 : 1;
const WORKERS = 3;
/** At most a third of the clients are moved in any second; as they see it, which is later among all other tests. */
const MOVED_AT_ONCE = LONG ? CLIENTS / 3 : CLIENTS / 2;
const SECOND_MS = 1000;

describe('a rolling restart', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 60_000);

  it(`under load fails no request, loses nothing and never moves more than a third of ${CLIENTS} clients in a second`, async () => {
    const dataDir = join(await bed.folder(), 'data');
    const { rooms, owner, users } = await prepareFolder(dataDir, { rooms: ROOMS, users: CLIENTS }, (n) => [n % ROOMS]);
    const server = await bed.server({
      DATA_DIR: dataDir,
      INSTANCES: String(WORKERS),
      DRAIN_MS: '3000',
      LOG: 'info',
    });
    const { url } = server;
    const clients = users.map((it) =>
      bed.own(new RawClient(url, it.token, it.name, it.rooms), (client) => client.close()),
    );
    await comeInOrderly(clients);
    const backMs: number[] = [];
    const failures: unknown[] = [];
    for (const client of clients) {
      client.onCut = () => {
        const cutAt = performance.now();
        // As clients wait that were told to go: half a second on average, never the same.
        sleep(250 + Math.random() * 500)
          .then(() => comeBack(client))
          .then(
            () => backMs.push(performance.now() - cutAt),
            (cause: unknown) => failures.push(cause),
          );
      };
    }
    const senders = clients.slice(0, SENDERS);
    const load = startSteadySender(senders, (n) => users[n % SENDERS]?.rooms[0] ?? '', PER_SECOND, 100);
    const agent = bed.own(new Agent({ keepAlive: true, maxSockets: 2 }), (it) => it.destroy());
    const requests = startRequests(url, owner.token, rooms[0] ?? '', agent);

    const roundMs: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const startedAt = performance.now();
      const old = server.workerPids();
      assert.equal(old.length, WORKERS);
      server.signal('SIGHUP');
      await eventually(
        'no old worker runs',
        () => {
          const now = server.workerPids();
          return now.length === WORKERS && now.every((it) => !old.includes(it));
        },
        60_000,
      );
      roundMs.push(performance.now() - startedAt);
      await server.workers();
    }
    await load.stop();
    const failed = await requests.stop();
    await eventually('everybody is back', () => clients.every((it) => it.isIn), 15_000);

    const findings = noFindings();
    for (const room of rooms) {
      const history = await readHistory(url, owner.token, room);
      const here = clients.filter((_, n) => users[n]?.rooms.includes(room));
      await eventually('all hold it', () => here.every((it) => it.lengthOf(room) === history.length)).catch(() => {});
      const found = checkLog(
        room,
        history,
        here.map((it) => it.witnessOf(room)),
      );
      addFindings(findings, found);
    }
    const cuts = clients.flatMap((it) => it.cuts).sort((a, b) => a - b);
    const moved = mostWithin(cuts, SECOND_MS);
    const back = quantilesOf(backMs);
    recordFigures({
      run: 'R2',
      over: 'embedded',
      fault: `SIGHUP replaces ${WORKERS} workers with ${CLIENTS} clients, ${ROUNDS} times`,
      bite: `${ROUNDS * WORKERS} pids changed, ${cuts.length} clients moved`,
      figures: [
        { what: 'requests that failed', value: `${failed.length} of ${requests.count()}`, limit: '0' },
        { what: 'messages sent', value: String(load.sent()) },
        { what: 'acknowledged and not in the history', value: String(findings.lost.length), limit: '0' },
        { what: 'holes and doubles', value: String(findings.broken.length), limit: '0' },
        {
          what: 'lists that are not the history',
          value: `${findings.different.length} of ${clients.length}`,
          limit: '0',
        },
        { what: 'rules of delivery broken', value: String(findings.faults.length), limit: '0' },
        { what: 'clients moved in the worst second', value: String(moved), limit: `<= ${Math.floor(MOVED_AT_ONCE)}` },
        { what: 'clients back and caught up', value: `p50 ${back.p50}, p99 ${back.p99}, max ${back.max} ms` },
        { what: 'sent away once more', value: String(clients.flatMap((it) => it.refusals).length) },
        { what: 'all workers replaced', value: `${roundMs.map((it) => Math.round(it)).join(', ')} ms` },
      ],
    });
    assert.deepEqual(findings, noFindings());
    assert.deepEqual(failed, [], `of ${requests.count()} requests`);
    assert.deepEqual([failures, load.refusals], [[], []]);
    assert.ok(
      clients.every((it) => it.cuts.length > 0),
      'everybody was moved',
    );
    assert.ok(
      clients.every((it) => (it.heard.get('drain') ?? 0) > 0),
      'and told so',
    );
    assert.ok(moved <= MOVED_AT_ONCE, `${moved} of ${CLIENTS} clients were moved within a second`);
  }, 180_000);
});

/** The most of the sorted times that lie within any stretch of that length. */
function mostWithin(times: readonly number[], ms: number): number {
  let most = 0;
  let from = 0;
  for (const [at, time] of times.entries()) {
    while ((times[from] ?? time) < time - ms) from += 1;
    most = Math.max(most, at - from + 1);
  }
  return most;
}
