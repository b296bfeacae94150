import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { checkLog } from '../../src/verify/check-log.ts';
import { quantilesOf } from '../../src/verify/quantiles.ts';
import { comeBack, comeInOrderly } from '../support/come-back.ts';
import { databaseAt, type Engine, startMongodb, startRedis } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { RawClient } from '../support/raw-client.ts';
import {
  createGuest,
  createRoom,
  type Guest,
  joinRoom,
  readHistory,
  rest,
  type StoredMessage,
} from '../support/rest.ts';
import { ROOT } from '../support/root.ts';
import type { Env } from '../support/spawn-server.ts';
import { startSteadySender } from '../support/steady-sender.ts';
import { TestBed } from '../support/test-bed.ts';
import { LONG } from './harness/patience.ts';
import { recordFigures } from './harness/record-figures.ts';

const ROUNDS = LONG ? 5 : 1;
const FOLLOWERS = 9;
const PER_SECOND = 40;
const LATE = 5;
const LATE_MS = 2000;
const CLOSED_MS = 10_000;
const WITHIN_MS = 15_000;

const SET_UPS = [
  { over: 'embedded', env: async () => ({}) },
  {
    over: 'production',
    env: async (bed: TestBed): Promise<Env> => {
      const own = async (start: () => Promise<Engine>) => bed.own(await start(), (it) => it.stop());
      const [redis, mongodb] = await Promise.all([own(startRedis), own(startMongodb)]);
      return { REDIS_URL: redis.url, MONGODB_URI: databaseAt(mongodb.url, 'late') };
    },
  },
] as const;

describe('R24: a commit that comes late, or not at all, or is not told', () => {
  let bed: TestBed;
  beforeEach(() => {
    bed = new TestBed();
  });
  afterEach(() => bed.close(), 60_000);

  it.each(SET_UPS)(
    'lets no cursor pass a hole, and every hole is closed within 10 s: $over',
    async ({ over, env }) => {
      const preload = pathToFileURL(join(ROOT, 'test/faults/harness/late-commit-preload.js')).href;
      const server = await bed.server({
        INSTANCES: '3',
        LOG: 'warn',
        NODE_OPTIONS: `--import=${preload}`,
        ...(await env(bed)),
      });
      const { url } = server;
      await server.workers();
      const owner = await createGuest(url, 'Owner');
      const [busy, quiet] = [await createRoom(url, owner.token, 'Busy'), await createRoom(url, owner.token, 'Quiet')];
      const guests: Guest[] = [];
      for (let n = 0; n < FOLLOWERS + 1; n += 1) {
        const guest = await createGuest(url, `Follower ${n}`);
        for (const room of [busy, quiet]) await joinRoom(url, guest.token, room);
        guests.push(guest);
      }
      const open = (n: number): RawClient => {
        const { token = '', name = '' } = guests[n] ?? {};
        return bed.own(new RawClient(url, token, name, [busy, quiet]), (it) => it.close());
      };
      const followers = guests.slice(1).map((_, n) => open(n + 1));
      await comeInOrderly(followers);
      const failures: unknown[] = [];
      for (const it of followers) {
        it.onCut = () => void comeBack(it).catch((cause: unknown) => failures.push(cause));
      }
      const load = bed.own(
        startSteadySender(followers, () => busy, PER_SECOND, 30),
        (it) => it.stop(),
      );
      const reader = startReader(url, owner.token, busy);
      bed.own(reader, (it) => it.stop());

      const lateMs: number[] = [];
      const passed: number[] = [];
      const closedMs = { busy: [] as number[], quiet: [] as number[] };
      const deaths: number[] = [];
      /** Sends what kills the sender's worker, once; resolves with the followers that stayed, and the moment of the death. */
      const lose = async (room: string, text: string, clientId: string) => {
        const workers = await server.workers();
        let sender = await connected(open(0));
        const othersStay = (): RawClient[] => followers.filter((it) => it.node !== sender.node);
        // Those that came back may all be on one worker: the next connection goes to another.
        for (; othersStay().length === 0; sender = await connected(open(0))) sender.close();
        const staying = othersStay();
        const pid = workers.get(sender.node) ?? 0;
        const ack = await sender.send(room, text, clientId);
        const diedAt = performance.now();
        assert.equal(ack, undefined, 'the worker lived to acknowledge it');
        await eventually('the worker is gone', () => !server.workerPids().includes(pid));
        deaths.push(pid);
        return { staying, diedAt };
      };
      const holds = (it: RawClient, room: string, clientId: string): boolean =>
        it.witnessOf(room).applied?.some((message) => message.clientId === clientId) === true;

      for (let round = 0; round < ROUNDS; round += 1) {
        // Late: others commit meanwhile, and what is late comes behind them.
        const sender = await connected(open(0));
        const before = load.sent();
        const startedAt = performance.now();
        const sends = Array.from({ length: LATE }, async (_, n) => {
          const ack = await sender.send(busy, `late ${round} ${n}`, randomUUID());
          lateMs.push(performance.now() - startedAt);
          assert.equal(ack?.error, 0);
          return ack?.seq ?? 0;
        });
        const headBefore = followers[0]?.lengthOf(busy) ?? 0;
        const seqs = await Promise.all(sends);
        passed.push(Math.min(...seqs) - headBefore);
        assert.ok(load.sent() - before > PER_SECOND, 'others went on meanwhile');
        sender.close();

        // Not at all: nobody ever sees it, until it is sent again.
        const uncommitted = randomUUID();
        await lose(busy, 'dies uncommitted', uncommitted);
        const soFar = load.sent();
        await eventually('others go on', () => load.sent() > soFar + PER_SECOND, WITHIN_MS);
        const stored = await readHistory(url, owner.token, busy);
        assert.ok(!stored.some((it) => it.clientId === uncommitted));
        const again = await connected(open(0));
        // Another text under the same id would be refused if it were there.
        assert.equal((await again.send(busy, 'it lives', uncommitted))?.error, 0);
        again.close();

        // Committed and not told: with others behind it, and as the last of its room.
        for (const [name, room] of Object.entries({ busy, quiet }) as ['busy' | 'quiet', string][]) {
          const untold = randomUUID();
          const { staying, diedAt } = await lose(room, `dies untold ${round}`, untold);
          await eventually('the hole is closed', () => staying.every((it) => holds(it, room, untold)), WITHIN_MS);
          closedMs[name].push(performance.now() - diedAt);
        }
        await server.workers();
      }
      await load.stop();
      const read = await reader.stop();
      assert.deepEqual([load.refusals, failures, read.faults], [[], [], []]);
      await eventually('everybody is back', () => followers.every((it) => it.isIn), WITHIN_MS);

      for (const room of [busy, quiet]) {
        const history = await readHistory(url, owner.token, room);
        await eventually('all hold it', () => followers.every((it) => it.lengthOf(room) === history.length)).catch(
          () => {},
        ); // the comparison says better what is missing
        const found = checkLog(
          room,
          history,
          followers.map((it) => it.witnessOf(room)),
        );
        assert.deepEqual(found, { broken: [], lost: [], different: [], faults: [] });
        if (room === busy)
          assert.deepEqual(read.ids, history.slice(0, read.ids.length).map(idOf), 'a cursor passed a hole');
      }
      const text = (values: readonly number[]): string => `max ${quantilesOf(values).max} ms (${values.length})`;
      recordFigures({
        run: 'R24',
        over,
        fault: `on one of 3 workers commits ${LATE_MS} ms late; a worker killed before a commit, and behind one that it had not told`,
        bite: `${deaths.length} pids gone; what was late came ${passed.join(', ')} seqs behind what was there when it was sent`,
        figures: [
          { what: 'late messages acknowledged', value: text(lateMs) },
          { what: 'pages read after a cursor, that a hole was passed in', value: `0 of ${read.pages}`, limit: '0' },
          { what: 'hole closed, others behind it', value: text(closedMs.busy), limit: `<= ${CLOSED_MS} ms` },
          { what: 'hole closed, nothing behind it', value: text(closedMs.quiet), limit: `<= ${CLOSED_MS} ms` },
        ],
      });
      assert.ok(Math.min(...lateMs) >= LATE_MS && Math.min(...passed) > 0, 'nothing was late');
      assert.ok(Math.max(...closedMs.busy, ...closedMs.quiet) <= CLOSED_MS, 'a hole stayed open');
    },
    240_000,
  );
});

const idOf = ({ id }: { id: string }): string => id;

async function connected(client: RawClient): Promise<RawClient> {
  await comeBack(client);
  await eventually('it knows its worker', () => client.node !== '');
  return client;
}

/** Reads on behind its cursor without a pause, on all workers in turn. */
function startReader(url: string, token: string, room: string) {
  let running = true;
  const ids: string[] = [];
  const faults: string[] = [];
  let pages = 0;
  const loop = (async () => {
    while (running) {
      const line = `GET /v1/chat/rooms/${room}/messages?after=${ids.length}&limit=200`;
      const answer = await rest<{ messages: StoredMessage[] }>(url, line, { token }).catch(() => undefined);
      if (answer?.status === 200) pages += 1;
      for (const { seq, id } of answer?.status === 200 ? answer.body.messages : []) {
        if (seq !== ids.length + 1) faults.push(`${seq} came behind ${ids.length}`);
        ids.push(id);
      }
      await sleep(5);
    }
  })();
  return {
    stop: async () => {
      running = false;
      await loop;
      return { ids, faults, pages };
    },
  };
}
