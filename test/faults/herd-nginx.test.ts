import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, it } from '@jest/globals';
import { addFindings, checkLog, noFindings } from '../../src/verify/check-log.ts';
import { inFrontOf, type Nginx } from '../deploy/nginx.ts';
import { calmMachine } from '../support/calm-machine.ts';
import { comeInOrderly } from '../support/come-back.ts';
import { eventually } from '../support/eventually.ts';
import { prepareFolder } from '../support/prepared-folder.ts';
import { processTable } from '../support/process-table.ts';
import { RawClient } from '../support/raw-client.ts';
import { readHistory } from '../support/rest.ts';
import { TestBed } from '../support/test-bed.ts';
import { type HerdFigures, measureHerd, postEverywhere, toldOf } from './harness/measure-herd.ts';
import { LONG } from './harness/patience.ts';
import { recordFigures } from './harness/record-figures.ts';

const CLIENTS = LONG ? 1000 : 300;
const ROOMS = 20;
const MISSED_PER_ROOM = 30;
const BACK_MS = 10_000;
const READS_EACH = 2;

const WAYS: readonly (readonly [string, (nginx: Nginx) => Promise<void>])[] = [
  ['kill -9 of nginx with its workers', killAll],
  ...(LONG ? ([['SIGTERM to nginx', (nginx: Nginx) => nginx.stop()]] as const) : []),
];

describe('a herd behind nginx', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 60_000);

  it(`of ${CLIENTS} clients is back ${BACK_MS} ms after nginx was started again, and each costs ${READS_EACH} reads at most (R18)`, async () => {
    const dataDir = join(await bed.folder(), 'data');
    const prepared = await prepareFolder(dataDir, { rooms: ROOMS, users: CLIENTS }, (n) => [
      n % ROOMS,
      (n * 7 + 1) % ROOMS,
    ]);
    const server = await bed.server({ DATA_DIR: dataDir, LOG: 'warn', INSTANCES: '3' });
    const workers = server.workerPids();
    const nginx = await inFrontOf(bed, server);
    const clients = prepared.users.map((it) =>
      bed.own(new RawClient(nginx.url, it.token, it.name, it.rooms), (client) => client.close()),
    );
    await comeInOrderly(clients);

    const herds: HerdFigures[] = [];
    const pids = [await pidOf(nginx)];
    let taken = 0;
    for (const [, restart] of WAYS) {
      const cut = clients.map((it) => it.cuts.length);
      await restart(nginx);
      await eventually(
        'everybody is cut',
        () => clients.every((it, n) => it.cuts.length === (cut[n] ?? 0) + 1),
        10_000,
      );
      await postEverywhere(server.url, prepared.owner.token, prepared.rooms, MISSED_PER_ROOM);
      taken = await calmMachine();
      await nginx.start();
      pids.push(await pidOf(nginx));
      herds.push(await measureHerd(server.url, clients));
    }
    const found = noFindings();
    for (const room of prepared.rooms) {
      const history = await readHistory(server.url, prepared.owner.token, room);
      assert.equal(history.length, WAYS.length * MISSED_PER_ROOM);
      const here = clients.filter((_, n) => prepared.users[n]?.rooms.includes(room));
      assert.ok(here.length > 0);
      const witnesses = here.map((it) => it.witnessOf(room));
      addFindings(found, checkLog(room, history, witnesses));
    }
    recordFigures({
      run: 'R18',
      over: 'embedded',
      fault: `${WAYS.map(([it]) => it).join('; then ')}, and its start, with ${CLIENTS} clients behind it`,
      bite: `${pids.length - 1} pids changed, ${clients.reduce((sum, it) => sum + it.cuts.length, 0)} connections cut`,
      figures: [
        { what: 'back and caught up', value: toldOf(herds, 'back'), limit: `<= ${BACK_MS} ms` },
        { what: 'reads of the store by client', value: toldOf(herds, 'reads'), limit: `<= ${READS_EACH}` },
        { what: 'sent away', value: toldOf(herds, 'sentAway'), limit: '503 with Retry-After, or no connection' },
        { what: 'holes and doubles', value: `${found.broken.length}`, limit: '0' },
        { what: 'lists that are not the history', value: `${found.different.length}`, limit: '0' },
        { what: 'rules of delivery broken', value: `${found.faults.length}`, limit: '0' },
        {
          what: 'workers of Parley that died',
          value: `${workers.filter((it) => !server.workerPids().includes(it)).length}`,
          limit: '0',
        },
        { what: 'loop delay of the clients', value: toldOf(herds, 'loopDelay') },
        { what: 'machine taken by others before', value: `${Math.round(taken * 100)} %` },
      ],
    });
    assert.equal(new Set(pids).size, WAYS.length + 1);
    assert.deepEqual(found, noFindings());
    assert.deepEqual(server.workerPids().sort(), workers.sort());
    for (const { back, readsEach, unclean } of herds) {
      assert.equal(back.count, CLIENTS);
      assert.deepEqual(unclean, []);
      assert.ok(back.max <= BACK_MS, `the last one was back after ${back.max} ms`);
      assert.ok(readsEach <= READS_EACH, `${readsEach} reads of the store by client`);
    }
  }, 180_000);
});

const pidOf = async (nginx: Nginx): Promise<number> => Number(await readFile(join(nginx.dir, 'pid'), 'utf8'));

/** Its workers, too: without their master they would go on serving. */
async function killAll(nginx: Nginx): Promise<void> {
  const master = await pidOf(nginx);
  const group = processTable().filter((it) => it.pid === master || it.parent === master);
  assert.ok(group.length > 1);
  for (const { pid } of group) process.kill(pid, 'SIGKILL');
  await eventually('all of them are gone', () => !processTable().some((it) => group.some(({ pid }) => pid === it.pid)));
}
