import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { checkLog } from '../../src/verify/check-log.ts';
import { quantilesOf } from '../../src/verify/quantiles.ts';
import { comeInOrderly } from '../support/come-back.ts';
import { eventually } from '../support/eventually.ts';
import { intercept } from '../support/intercept.ts';
import { readMetrics, sumOf } from '../support/metrics.ts';
import { prepareFolder } from '../support/prepared-folder.ts';
import { type RawAck, RawClient } from '../support/raw-client.ts';
import { readHistory, rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { startSteadySender } from '../support/steady-sender.ts';
import { TestBed } from '../support/test-bed.ts';
import { LONG } from './harness/patience.ts';
import { recordFigures } from './harness/record-figures.ts';

const FULL_MS = LONG ? 30_000 : 5000;
const CLIENTS = 6;
const PER_SECOND = 40;
const BYTES = 2000;
const ROOM_MIB = 16;
/** What is left when the disk is filled up: some messages still find room. */
const LEFT_BYTES = 200 * 1024;
const FULL_WITHIN_MS = 20_000;
const ANSWER_MS = 5000;
const BACK_MS = 10_000;
/** The main process looks twice a second. */
const SEEN_MS = 1500;

/** Leaves hardly any room to the server's data, and gives it back. */
interface Disk {
  fill(): void;
  free(): void;
}

interface Limit {
  readonly name: string;
  /** Resolves before the server starts; `server` is asked for when the disk is to be filled. */
  readonly prepare: (bed: TestBed, dataDir: string, server: () => SpawnedServer) => Disk;
}

const run = (program: string, ...args: string[]): void => {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr}`, { cause: error });
};

/** A disk of its own, and a file that takes what is left of it. */
const SMALL_DISK: Limit = {
  name: 'a small disk',
  prepare: (bed, dataDir) => {
    mkdirSync(dataDir);
    run('mount', '-t', 'tmpfs', '-o', `size=${ROOM_MIB}m`, 'parley-test', dataDir);
    bed.own(dataDir, (it) => run('umount', '--lazy', it));
    const ballast = join(dataDir, 'ballast');
    return {
      fill: () => {
        const file = openSync(ballast, 'w');
        const { bavail, bsize } = statfsSync(dataDir);
        writeSync(file, Buffer.alloc(bavail * bsize - LEFT_BYTES));
        closeSync(file);
      },
      free: () => rmSync(ballast),
    };
  },
};

/** For whoever may not mount: files of the process that writes may not grow any more. */
const LIMITED_FILES: Limit = {
  name: 'a limit of the size of files',
  prepare: (_bed, dataDir, server) => {
    const limit = (bytes: number | 'unlimited') => run('prlimit', `--pid=${server().pid}`, `--fsize=${bytes}:`);
    return {
      fill: () => limit(statSync(join(dataDir, 'parley.db-wal')).size + LEFT_BYTES),
      free: () => limit('unlimited'),
    };
  },
};

const MAY_MOUNT = process.getuid?.() === 0;
const LIMITS: readonly Limit[] = MAY_MOUNT ? [SMALL_DISK, ...(LONG ? [LIMITED_FILES] : [])] : [LIMITED_FILES];

if (!MAY_MOUNT) process.stdout.write('R16: MOUNTING NEEDS ROOT; instead of the disk, the size of files is limited\n');

describe('R16: a full disk', () => {
  let bed: TestBed;
  beforeEach(() => {
    bed = new TestBed();
  });
  afterEach(() => bed.close(), 60_000);

  it.each(LIMITS)(
    'acknowledges nothing it has not stored, goes on reading, and is back within 10 s: $name',
    async (limit) => {
      const dataDir = join(await bed.folder(), 'data');
      const held: { server?: SpawnedServer } = {};
      const disk = limit.prepare(bed, dataDir, () => {
        if (!held.server) throw new Error('there is no server yet');
        return held.server;
      });
      const { rooms, owner, users } = await prepareFolder(dataDir, { rooms: 1, users: CLIENTS }, () => [0]);
      const [room = ''] = rooms;
      const server = await bed.server({ DATA_DIR: dataDir, INSTANCES: '2', LOG: 'warn' });
      held.server = server;
      const { url } = server;
      await server.workers();
      const pids = server.workerPids();
      const clients = users.map((it) =>
        bed.own(new RawClient(url, it.token, it.name, [room]), (client) => client.close()),
      );
      await comeInOrderly(clients);
      const answers: { at: number; ms: number; ack: RawAck | undefined }[] = [];
      const timed = clients.map((client) =>
        intercept(client, (method, go) => {
          if (method !== 'send') return go();
          const startedAt = performance.now();
          const sending = (go as () => Promise<RawAck | undefined>)();
          void sending.then((ack) => answers.push({ at: performance.now(), ms: performance.now() - startedAt, ack }));
          return sending;
        }),
      );
      const load = bed.own(
        startSteadySender(timed, () => room, PER_SECOND, BYTES),
        (it) => it.stop(),
      );
      await eventually('the load runs', () => answers.length > PER_SECOND, 10_000);

      disk.fill();
      await eventually('the disk is full', () => answers.at(-1)?.ack?.error === 612, FULL_WITHIN_MS);
      const fullAt = performance.now();
      const [reads, writes, readiness] = [[] as number[], [] as string[], [] as number[]];
      while (performance.now() < fullAt + FULL_MS) {
        const line = `GET /v1/chat/rooms/${room}/messages?limit=200`;
        reads.push((await rest(url, line, { token: owner.token })).status);
        const body = { message: 'x'.repeat(BYTES), clientId: randomUUID() };
        const posted = await rest(url, `POST /v1/chat/rooms/${room}/messages`, { token: owner.token, body });
        writes.push(`${posted.status} ${posted.headers['retry-after']}`);
        const { status } = await rest(url, 'GET /readyz');
        if (performance.now() > fullAt + SEEN_MS) readiness.push(status);
        await sleep(200);
      }
      disk.free();
      const freedAt = performance.now();
      await eventually(
        'a message is acknowledged',
        () => answers.some((it) => it.at > freedAt && it.ack?.error === 0),
        BACK_MS,
      );
      const backMs = (answers.find((it) => it.at > freedAt && it.ack?.error === 0)?.at ?? 0) - freedAt;
      await eventually('it is ready', async () => (await rest(url, 'GET /readyz')).status === 200, BACK_MS);
      await load.stop();
      assert.deepEqual(load.refusals, []);

      const during = answers.filter((it) => it.at >= fullAt && it.at < freedAt);
      const refused = during.filter((it) => it.ack?.error === 612 && it.ack.retry === true);
      const acked = during.filter((it) => it.ack?.error === 0);
      const took = quantilesOf(during.map((it) => it.ms));
      const failures = sumOf(await readMetrics(url), 'parley_store_failures_total');
      const history = await readHistory(url, owner.token, room);
      const hold = () => clients.every((it) => it.lengthOf(room) === history.length);
      await eventually('all hold it', hold).catch(() => {}); // the comparison says better what is missing
      const found = checkLog(
        room,
        history,
        clients.map((it) => it.witnessOf(room)),
      );
      assert.deepEqual(found, { broken: [], lost: [], different: [], faults: [] });
      assert.equal(new Set(history.map((it) => it.clientId)).size, history.length);
      const dead = pids.filter((it) => !server.workerPids().includes(it));
      recordFigures({
        run: limit === SMALL_DISK ? 'R16' : 'R16-files',
        over: 'embedded',
        fault: `${limit.name} full for ${FULL_MS / 1000} s at ${PER_SECOND} messages/s of ${BYTES} bytes`,
        bite: `${failures} commits failed, ${refused.length} sends were told to come again`,
        figures: [
          { what: 'answers while full', value: `p99 ${took.p99}, max ${took.max} ms`, limit: `<= ${ANSWER_MS} ms` },
          { what: 'of them acknowledged, all of these stored', value: `${acked.length} of ${during.length}` },
          {
            what: 'reads while full that were answered',
            value: `${reads.filter((it) => it === 200).length} of ${reads.length}`,
          },
          { what: 'first receipt after there is room', value: `${Math.round(backMs)} ms`, limit: `<= ${BACK_MS} ms` },
          { what: 'workers that died', value: String(dead.length), limit: '0' },
          { what: 'messages in the log, none lost or doubled', value: String(history.length) },
        ],
      });
      assert.ok(failures > 0 && refused.length > 10, 'the disk was never full');
      assert.equal(refused.length + acked.length, during.length, 'something else was answered');
      assert.ok(took.max <= ANSWER_MS);
      assert.deepEqual(new Set(reads), new Set([200]));
      assert.deepEqual([new Set(writes), new Set(readiness)], [new Set(['503 1']), new Set([503])]);
      assert.deepEqual(dead, []);
      for (const it of clients) assert.deepEqual(it.cuts, []);
    },
    180_000,
  );
});
