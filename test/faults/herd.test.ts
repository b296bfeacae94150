import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterAll, describe, it } from '@jest/globals';
import { checkLog } from '../../src/verify/check-log.ts';
import { calmMachine } from '../support/calm-machine.ts';
import { comeInOrderly } from '../support/come-back.ts';
import { eventually } from '../support/eventually.ts';
import { prepareFolder } from '../support/prepared-folder.ts';
import { printFigures } from '../support/print-figures.ts';
import { RawClient } from '../support/raw-client.ts';
import { readHistory } from '../support/rest.ts';
import { TestBed } from '../support/test-bed.ts';
import { measureHerd, postEverywhere } from './harness/measure-herd.ts';

const LONG = process.env.FAULTS === 'long';
const ROOMS = 20;
const ROUNDS = LONG ? 3 : 1;
const MISSED_PER_ROOM = 30;
const BACK_MS = 10_000;
const READS_PER_CLIENT = 2;

interface Herd {
  readonly clients: number;
  readonly env: Readonly<Record<string, string>>;
  /** Whether some must be sent away: then the test is of that. */
  readonly tooMany: boolean;
}

const HERDS: readonly Herd[] = [
  { clients: LONG ? 3000 : 1000, env: { INSTANCES: '3' }, tooMany: false },
  { clients: 400, env: { INSTANCES: '2', MAX_HANDSHAKES: '2' }, tooMany: true },
];

describe('a herd', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 60_000);

  const title = 'of $clients clients is back within 10 s of a full restart, and each costs two reads at most: $env';
  it.each(HERDS)(
    title,
    async ({ clients: count, env: extra, tooMany }) => {
      const dataDir = join(await bed.folder(), 'data');
      const prepared = await prepareFolder(dataDir, { rooms: ROOMS, users: count }, (n) => [
        n % ROOMS,
        (n * 7 + 1) % ROOMS,
      ]);
      let server = await bed.server({ DATA_DIR: dataDir, LOG: 'warn', ...extra });
      const { url } = server;
      const clients = prepared.users.map((it) =>
        bed.own(new RawClient(url, it.token, it.name, it.rooms), (client) => client.close()),
      );
      await comeInOrderly(clients);

      for (let round = 1; round <= ROUNDS; round += 1) {
        await postEverywhere(url, prepared.owner.token, prepared.rooms, 2);
        const { code } = await server.stop();
        assert.equal(code, 0);
        await eventually('everybody is cut', () => clients.every((it) => it.cuts.length === round), 10_000);
        server = await bed.again(server);
        await server.workers();
        await postEverywhere(url, prepared.owner.token, prepared.rooms, MISSED_PER_ROOM);

        const taken = await calmMachine();
        const { back, readsEach, sentAway, unclean, told } = await measureHerd(url, clients);
        printFigures(`a herd of ${count} clients`, [
          `back in ${told.back}`,
          `reads of the store each ${told.reads}`,
          `sent away ${told.sentAway}`,
          `loop delay of the clients ${told.loopDelay}`,
          `CPU of the workers ${told.cpu}`,
          `${Math.round(taken * 100)} % of the machine taken by others before`,
        ]);
        assert.deepEqual(unclean, []);
        assert.equal(Object.keys(sentAway).length > 0, tooMany);
        assert.ok(back.max <= BACK_MS, `the last one was back after ${back.max} ms`);
        // Few at a time have little to share.
        assert.ok(tooMany || readsEach <= READS_PER_CLIENT, `${readsEach} reads of the store per client`);
      }

      for (const room of prepared.rooms) {
        const history = await readHistory(url, prepared.owner.token, room);
        assert.equal(history.length, ROUNDS * (MISSED_PER_ROOM + 2));
        const here = clients.filter((_, n) => prepared.users[n]?.rooms.includes(room));
        assert.ok(here.length > 0);
        await eventually('all hold it', () => here.every((it) => it.lengthOf(room) === history.length)).catch(() => {});
        const found = checkLog(
          room,
          history,
          here.map((it) => it.witnessOf(room)),
        );
        assert.deepEqual(found, { broken: [], lost: [], different: [], faults: [] });
      }
    },
    180_000,
  );
});
