import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, describe, it } from '@jest/globals';
import { checkLog } from '../../src/verify/check-log.ts';
import { quantilesOf } from '../../src/verify/quantiles.ts';
import { calmMachine } from '../support/calm-machine.ts';
import { comeBack, comeInOrderly } from '../support/come-back.ts';
import { eventually } from '../support/eventually.ts';
import { readMetrics, sumOf } from '../support/metrics.ts';
import { prepareFolder } from '../support/prepared-folder.ts';
import { printFigures } from '../support/print-figures.ts';
import { type Attempt, RawClient } from '../support/raw-client.ts';
import { expectStatus, readHistory, rest } from '../support/rest.ts';
import { TestBed } from '../support/test-bed.ts';

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

/** 503 with the time to come back after, and a connection that ended before it was let in: both are tried again. */
const IS_CLEAN = /^503 retry-after \d+$|^closed$|^error ECONN(?:REFUSED|RESET)$/;

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
        const readsBefore = await readMetrics(url);
        const refusedBefore = clients.map((it) => it.refusals.length);
        const delay = monitorEventLoopDelay({ resolution: 10 });
        delay.enable();
        const startedAt = performance.now();
        const backMs: number[] = [];
        await Promise.all(
          clients.map(async (it) => {
            await comeBack(it);
            backMs.push(performance.now() - startedAt);
          }),
        );
        delay.disable();
        const metrics = await readMetrics(url);
        const reads = [...metrics].flatMap(([name, value]): [string, number][] => {
          const more = value - (readsBefore.get(name) ?? 0);
          return name.startsWith('parley_store_reads_total') && more > 0 ? [[name, more]] : [];
        });
        const readsPerClient = reads.reduce((sum, [, more]) => sum + more, 0) / count;
        const refusals = clients.flatMap((it, n) => it.refusals.slice(refusedBefore[n]));
        const back = quantilesOf(backMs);
        const kinds = reads.map(([name, more]) => `${/"(\w+)"/.exec(name)?.[1]} ${more}`);
        printFigures(`a herd of ${count} clients`, [
          `back in p50 ${back.p50}, p99 ${back.p99}, max ${back.max} ms`,
          `${readsPerClient.toFixed(2)} reads of the store each (${kinds.join(', ')})`,
          `sent away ${JSON.stringify(countsOf(refusals))}`,
          `loop delay of the clients p99 ${Math.round(delay.percentile(99) / 1e6)} ms`,
          `${Math.round(taken * 100)} % of the machine taken by others before`,
          `CPU of the server since its start ${sumOf(metrics, 'process_cpu_seconds_total').toFixed(1)} s`,
        ]);
        assert.deepEqual(
          refusals.filter((it) => !IS_CLEAN.test(it)),
          [],
        );
        assert.equal(refusals.length > 0, tooMany);
        assert.ok(back.max <= BACK_MS, `the last one was back after ${back.max} ms`);
        // Few at a time have little to share.
        assert.ok(tooMany || readsPerClient <= READS_PER_CLIENT, `${readsPerClient} reads of the store per client`);
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

function countsOf(attempts: readonly Attempt[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const it of attempts) counts[it] = (counts[it] ?? 0) + 1;
  return counts;
}

async function postEverywhere(url: string, token: string, rooms: readonly string[], each: number): Promise<void> {
  await Promise.all(
    rooms.map(async (room) => {
      for (let n = 0; n < each; n += 1) {
        const body = { message: `message ${n}`, clientId: randomUUID() };
        await expectStatus(201, rest(url, `POST /v1/chat/rooms/${room}/messages`, { token, body }));
      }
    }),
  );
}
