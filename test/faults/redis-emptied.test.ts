import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, it } from '@jest/globals';
import { Redis } from 'ioredis';
import type { Engine } from '../support/engines.ts';
import { readMetrics, sumOf } from '../support/metrics.ts';
import { rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';
import { generatorFigures, logFigures, lossFigures } from './harness/figures.ts';
import { assertWell } from './harness/judge.ts';
import { PRODUCTION_LOAD } from './harness/load.ts';
import { monotonicMs } from './harness/monotonic-ms.ts';
import { LONG } from './harness/patience.ts';
import type { PreparedChat } from './harness/prepare-chat.ts';
import { recordFigures } from './harness/record-figures.ts';
import { startProduction } from './harness/set-ups.ts';
import { underLoad } from './harness/under-load.ts';

const ROUNDS = LONG ? 3 : 1;
const WATCH_MS = LONG ? 20_000 : 5000;
const LOOK_MS = 200;
const PRESENCE_MS = 15_000;
const FAULT = `FLUSHALL of Redis, then an empty one in its place${LONG ? `, ${ROUNDS} times` : ''}`;

interface Emptied {
  readonly how: 'FLUSHALL' | 'an empty one in its place';
  /** Keys before and right after; another server may be another process. */
  readonly keys: readonly [before: number, after: number];
  readonly isOtherProcess: boolean;
  /** Until presence of all rooms was right for good; 0 where it was never wrong. */
  readonly rightAfterMs: number;
  readonly isRightAtTheEnd: boolean;
}

async function withRedis<T>({ url }: Engine, ask: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url);
  try {
    return await ask(redis);
  } finally {
    redis.disconnect();
  }
}

const keysOf = (engine: Engine): Promise<number> => withRedis(engine, (it) => it.dbsize());

/** In every room everybody is online, and the server knows it for sure. */
async function isPresenceRight({ url }: SpawnedServer, { rooms, owner, members }: PreparedChat): Promise<boolean> {
  for (const room of rooms) {
    const line = `GET /v1/chat/rooms/${room}/presence`;
    const { status, body } = await rest<{ count: number; stale?: boolean }>(url, line, { token: owner.token });
    const online = members.filter((it) => it.room === room).length;
    if (status !== 200 || body.stale || body.count !== online) return false;
  }
  return true;
}

describe(`R5: ${FAULT}`, () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 60_000);

  it('production: seq goes on, presence is right again, nothing is lost', async () => {
    const { server, redis } = await startProduction(bed);

    async function empty(how: Emptied['how'], chat: PreparedChat): Promise<Emptied> {
      assert.ok(await isPresenceRight(server, chat), 'presence is right before');
      const [before, { pid }, at] = [await keysOf(redis), redis, monotonicMs()];
      let after = -1;
      if (how === 'FLUSHALL') {
        const done = await withRedis(redis, (it) => it.multi().flushall().dbsize().exec());
        after = Number(done?.[1]?.[1]);
      } else {
        await redis.kill();
        await redis.restart();
        after = await keysOf(redis);
      }
      let [wrongAt, isRight] = [at, false];
      while (monotonicMs() - at < WATCH_MS) {
        isRight = await isPresenceRight(server, chat);
        if (!isRight) wrongAt = monotonicMs();
        await sleep(LOOK_MS);
      }
      return {
        how,
        keys: [before, after],
        isOtherProcess: redis.pid !== pid,
        rightAfterMs: wrongAt - at,
        isRightAtTheEnd: isRight,
      };
    }

    const run = await underLoad(bed, server, PRODUCTION_LOAD, async (_, chat) => {
      await sleep(2000);
      const all: Emptied[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        all.push(await empty('FLUSHALL', chat), await empty('an empty one in its place', chat));
      }
      return all;
    });
    const { load, result, verdict, seen: emptied } = run;
    const deaths = sumOf(await readMetrics(server.url), 'parley_worker_deaths_total');
    recordFigures({
      run: 'R5',
      over: 'production',
      fault: FAULT,
      bite: emptied
        .map(({ keys: [before, after], isOtherProcess }) =>
          isOtherProcess ? `pid changed, ${before} -> ${after} keys` : `${before} -> ${after} keys`,
        )
        .join('; '),
      figures: [
        ...lossFigures(verdict.losses, result),
        ...logFigures(verdict, load, result),
        { what: 'workers that died', value: String(deaths), limit: '0' },
        { what: 'connections cut', value: String(load.cuts.length), limit: '0' },
        ...(['FLUSHALL', 'an empty one in its place'] as const).map((how) => ({
          what: `presence of all rooms right after ${how}`,
          value: `${Math.round(Math.max(...emptied.filter((it) => it.how === how).map((it) => it.rightAfterMs)))} ms`,
          limit: `<= ${PRESENCE_MS} ms`,
        })),
        ...generatorFigures(result),
      ],
    });
    assertWell(verdict, result);
    for (const { how, keys, isOtherProcess, rightAfterMs, isRightAtTheEnd } of emptied) {
      assert.ok(keys[0] > 0, 'void: there was nothing to take');
      if (how === 'FLUSHALL') assert.equal(keys[1], 0, 'void: nothing was taken');
      else assert.ok(isOtherProcess, 'void: it is the same Redis');
      assert.ok(isRightAtTheEnd && rightAfterMs <= PRESENCE_MS, `${how}: presence`);
    }
    assert.equal(deaths, 0);
    assert.equal(load.cuts.length, 0);
  }, 300_000);
});
