import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterAll, describe, it } from '@jest/globals';
import { addFindings, checkLog, noFindings } from '../../src/verify/check-log.ts';
import { calmMachine } from '../support/calm-machine.ts';
import { comeInOrderly } from '../support/come-back.ts';
import { eventually } from '../support/eventually.ts';
import { prepareFolder } from '../support/prepared-folder.ts';
import { RawClient } from '../support/raw-client.ts';
import { readHistory } from '../support/rest.ts';
import { TestBed } from '../support/test-bed.ts';
import { type HerdFigures, measureHerd, postEverywhere, toldOf } from './harness/measure-herd.ts';
import { LONG } from './harness/patience.ts';
import { recordFigures } from './harness/record-figures.ts';

const ROOMS = 20;
const ROUNDS = LONG ? 3 : 1;
const MISSED_PER_ROOM = 30;
const BACK_MS = 10_000;
const READS_PER_CLIENT = 2;

interface Herd {
  readonly clients: number;
  readonly env: Readonly<Record<string, string>>;
  /** Whether some must be sent away: then the run is of that. */
  readonly tooMany: boolean;
  readonly run: string;
}

const HERDS: readonly Herd[] = [
  { clients: 1000, env: { INSTANCES: '3' }, tooMany: false, run: 'herd' },
  { clients: 400, env: { INSTANCES: '2', MAX_HANDSHAKES: '2' }, tooMany: true, run: 'herd-refused' },
];

describe('a herd', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 60_000);

  const title = 'of $clients clients is back within 10 s of a full restart, and each costs two reads at most: $env';
  it.each(HERDS)(
    title,
    async ({ clients: count, env, tooMany, run }) => {
      const dataDir = join(await bed.folder(), 'data');
      const prepared = await prepareFolder(dataDir, { rooms: ROOMS, users: count }, (n) => [
        n % ROOMS,
        (n * 7 + 1) % ROOMS,
      ]);
      let server = await bed.server({ DATA_DIR: dataDir, LOG: 'warn', ...env });
      const { url } = server;
      const clients = prepared.users.map((it) =>
        bed.own(new RawClient(url, it.token, it.name, it.rooms), (client) => client.close()),
      );
      await comeInOrderly(clients);

      const herds: HerdFigures[] = [];
      const taken: number[] = [];
      for (let round = 1; round <= ROUNDS; round += 1) {
        await postEverywhere(url, prepared.owner.token, prepared.rooms, 2);
        const { code } = await server.stop();
        assert.equal(code, 0);
        await eventually('everybody is cut', () => clients.every((it) => it.cuts.length === round), 10_000);
        server = await bed.again(server);
        await server.workers();
        await postEverywhere(url, prepared.owner.token, prepared.rooms, MISSED_PER_ROOM);

        taken.push(await calmMachine());
        herds.push(await measureHerd(url, clients));
      }

      const found = noFindings();
      for (const room of prepared.rooms) {
        const history = await readHistory(url, prepared.owner.token, room);
        assert.equal(history.length, ROUNDS * (MISSED_PER_ROOM + 2));
        const here = clients.filter((_, n) => prepared.users[n]?.rooms.includes(room));
        assert.ok(here.length > 0);
        await eventually('all hold it', () => here.every((it) => it.lengthOf(room) === history.length)).catch(() => {});
        const witnesses = here.map((it) => it.witnessOf(room));
        addFindings(found, checkLog(room, history, witnesses));
      }
      recordFigures({
        run,
        over: 'embedded',
        fault: `SIGTERM to a server with ${count} clients, and its start, ${ROUNDS} times: ${settings(env)}`,
        bite: `${clients.reduce((sum, it) => sum + it.cuts.length, 0)} connections cut`,
        figures: [
          { what: 'back and caught up', value: toldOf(herds, 'back'), limit: `<= ${BACK_MS} ms` },
          {
            what: 'reads of the store by client',
            value: toldOf(herds, 'reads'),
            // Few at a time have little to share.
            ...(tooMany ? {} : { limit: `<= ${READS_PER_CLIENT}` }),
          },
          { what: 'sent away', value: toldOf(herds, 'sentAway'), limit: tooMany ? 'some, with Retry-After' : 'nobody' },
          { what: 'holes and doubles', value: `${found.broken.length}`, limit: '0' },
          { what: 'lists that are not the history', value: `${found.different.length}`, limit: '0' },
          { what: 'loop delay of the clients', value: toldOf(herds, 'loopDelay') },
          { what: 'CPU of the workers', value: toldOf(herds, 'cpu') },
          { what: 'machine taken by others before', value: taken.map((it) => `${Math.round(it * 100)} %`).join(', ') },
        ],
      });
      assert.deepEqual(found, noFindings());
      assert.equal(
        herds.some((it) => Object.keys(it.sentAway).length > 0),
        tooMany,
      );
      for (const { back, readsEach, unclean } of herds) {
        assert.deepEqual(unclean, []);
        assert.ok(back.max <= BACK_MS, `the last one was back after ${back.max} ms`);
        assert.ok(tooMany || readsEach <= READS_PER_CLIENT, `${readsEach} reads of the store per client`);
      }
    },
    180_000,
  );
});

const settings = (env: Herd['env']): string =>
  Object.entries(env)
    .map((it) => it.join('='))
    .join(' ');
